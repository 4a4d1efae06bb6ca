"""POST /sources/{source}/route: which partner would get a lead, without storing anything."""

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from leadbridge.domain.fields.hashes import keyed_hash
from leadbridge.domain.routing.weights import order_by_weight
from leadbridge.runtime import aws
from leadbridge.settings import Settings, Source
from leadbridge.storage.leads import LeadRepository
from quality.testkit.fixtures import TABLE, Context
from quality.testkit.people import asked

Ask = Callable[..., tuple[int, dict[str, Any]]]
KEY = "of the tests"
PERSON = asked()["person"]
LOAN = {"amount": "6000", "term": 12}
PHONE = "+380500000001"


@pytest.fixture
def ask(
    store: LeadRepository,
    shipped_settings: Settings,
    function: Callable[[str], ModuleType],
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
) -> Ask:
    aws.secrets_manager().create_secret(Name="leadbridge/index", SecretString=json.dumps({"key": KEY}))
    app = function("manage_leads")

    def send(*partners: Any, source: str = "mine", **body: Any) -> tuple[int, dict[str, Any]]:
        fields = {"Телефон": "person.phone", "Сума": "loan.amount"}
        mine = Source(adapter="plain", partners=partners or ("leadleader",), fields=fields)
        settings = shipped_settings.model_copy(update={"sources": {"mine": mine}})
        monkeypatch.setattr("leadbridge.api.routes.sources.settings", lambda: settings)
        event = {
            "httpMethod": "POST",
            "resource": "/sources/{source}/route",
            "pathParameters": {"source": source},
            "requestContext": {"authorizer": {"operator": "olena"}},
            "body": json.dumps(body),
        }
        response = app.handler(event, context)
        return response["statusCode"], json.loads(response["body"])

    return send


def test_each_rule_is_explained_and_nothing_is_stored(ask: Ask) -> None:
    status, found = ask(
        {"to": "matchtrade", "when": {"loan.amount": {"at_least": 7000}, "form.Клієнт": {"given": True}}},
        {"to": ["leadleader", "matchtrade"], "next_on": ["rejected", "duplicate", "missing_fields"]},
        "leadleader",
        person=PERSON,
        loan=LOAN,
    )
    assert status == 200
    assert found["partners"] == ["leadleader"]
    assert found["rules"] == [
        {"rule": 1, "result": "not_matched", "partners": [], "unmet": ["loan.amount", "form.Клієнт"]},
        {
            "rule": 2,
            "result": "applies",
            "partners": ["leadleader", "matchtrade"],
            "unmet": [],
            "next_on": ["rejected", "duplicate", "missing_fields"],
        },
        {"rule": 3, "result": "no_partner_left", "partners": [], "unmet": []},
    ]
    assert found["refusals"] == found["problems"] == []
    assert aws.dynamodb().scan(TableName=TABLE)["Items"] == []


@pytest.mark.parametrize(
    "body",
    [
        {"ids": {"sub1": "Team A"}},
        {"form": {"Sub ID 1": "team a"}},
        {"consent": {"page_url": "https://example.com/?sub1=team+a"}},
    ],
)
def test_a_rule_can_judge_ids(ask: Ask, body: dict[str, Any]) -> None:
    rules = ({"to": "matchtrade", "when": {"ids.sub1": {"equals": "team a"}}}, "leadleader")
    assert ask(*rules, person=PERSON, loan=LOAN, **body)[1]["partners"] == ["matchtrade", "leadleader"]
    assert ask(*rules, person=PERSON, loan=LOAN)[1]["rules"][0]["unmet"] == ["ids.sub1"]


def test_the_order_by_weight_is_that_of_the_stacks_key(ask: Ask) -> None:
    weights = {"leadleader": 50, "matchtrade": 50}
    rule = {"to": [{"partner": name, "weight": weight} for name, weight in weights.items()]}
    for phone in (PHONE, "+380500000002", "+380500000003", "+380500000004"):
        _, found = ask(rule, person={**PERSON, "phone": phone}, loan=LOAN)
        order = order_by_weight(phone, weights, lambda value: keyed_hash(KEY, value))
        assert (found["partners"], found["rules"][0]["partners"]) == (order[:1], order)
        assert found["rules"][0]["weights"] == weights


def test_a_partner_that_lacks_a_field_is_named_with_the_field(ask: Ask) -> None:
    _, found = ask({"to": ["leadleader", "matchtrade"]}, person={**PERSON, "tax_number": None}, loan=LOAN)
    assert found["partners"] == ["matchtrade"]
    [refusal] = found["refusals"]
    assert refusal["partner"] == "leadleader"
    assert [(one["field"], one["code"]) for one in refusal["errors"]] == [("person.tax_number", "required")]


def test_a_lead_of_no_partner_has_its_problems(ask: Ask) -> None:
    _, found = ask("leadleader", person={**PERSON, "phone": "unreadable"}, loan=LOAN)
    assert found["partners"] == []
    assert [one["field"] for one in found["problems"]] == ["person.phone"]
    assert "unreadable" not in json.dumps(found)


def test_the_fields_of_a_form_are_mapped_as_in_a_post(ask: Ask) -> None:
    form = {"телефон": "050 000 00 01", "Сума": "6 000 грн", "Клієнт": "ФОП"}
    rules = [{"to": "leadleader", "when": {"loan.amount": {"equals": "6000"}, "form.Клієнт": {"equals": "фоп"}}}]
    person = {name: value for name, value in PERSON.items() if name != "phone"}
    _, found = ask(*rules, form=form, person=person, loan={"term": 12})
    assert found["partners"] == ["leadleader"]


def test_a_time_can_be_given(ask: Ask) -> None:
    rules = [{"to": "leadleader", "when": {"time": {"within": "mon-fri 09:00-18:00"}}}]
    for at, partners in (("2026-03-02T10:00:00+02:00", ["leadleader"]), ("2026-03-02T20:00:00+02:00", [])):
        _, found = ask(*rules, person=PERSON, loan=LOAN, received_at=at)
        assert found["partners"] == partners


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, {"source": "other"}),
        (404, {"source": "no/name"}),
        (422, {"lead": {}}),
        (422, {"person": "Олена"}),
        (422, {"form": {"a": 5}}),
        (422, {"received_at": "2026-03-02T10:00:00"}),
        (422, {"form": {str(number): "x" for number in range(101)}}),
    ],
)
def test_a_request_that_cannot_be_routed_is_refused(ask: Ask, status: int, body: dict[str, Any]) -> None:
    assert ask(**body)[0] == status
