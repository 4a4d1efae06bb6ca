"""POST /sources/{source}/route: which partner would get a lead, without storing anything."""

import json
from collections.abc import Callable
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest

from leadbridge.domain.admission import Pause
from leadbridge.domain.clock import to_text, utc_now
from leadbridge.domain.fields.hashes import keyed_hash
from leadbridge.domain.routing.weights import order_by_weight
from leadbridge.runtime import aws
from leadbridge.settings import Settings, Source
from leadbridge.settings.intake import Intake
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.links import cap_key
from leadbridge.storage.queries.partner_state import PartnerStates
from leadbridge.storage.table import Table
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

    def send(
        *partners: Any, source: str = "mine", intakes: dict[str, Any] | None = None, **body: Any
    ) -> tuple[int, dict[str, Any]]:
        fields = {"Телефон": "person.phone", "Сума": "loan.amount"}
        mine = Source(adapter="plain", partners=partners or ("leadleader",), fields=fields)
        limited = {
            name: shipped_settings.partners[name].model_copy(update={"intake": Intake.model_validate(intake)})
            for name, intake in (intakes or {}).items()
        }
        update = {"sources": {"mine": mine}, "partners": shipped_settings.partners | limited}
        settings = shipped_settings.model_copy(update=update)
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
    assert found["refusals"] == found["problems"] == found["unavailable"] == []
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


ORDER = {"to": ["leadleader", "matchtrade"], "next_on": ["capped", "closed"]}
EVENING = "2026-03-02T18:00:00.000Z"
CLOSED = {"hours": ["mon-fri 09:00-18:00"]}  # in Kyiv: until 16:00


def unavailable(partner: str, code: str, then: str, until: str | None = None, **more: str) -> dict[str, Any]:
    return {"partner": partner, "code": code, "until": until, "then": then, **more}


@pytest.mark.parametrize(
    ("intakes", "expected"),
    [
        ({"leadleader": CLOSED}, [unavailable("leadleader", "closed", "wait", "2026-03-03T07:00:00.000Z")]),
        (
            {"leadleader": {**CLOSED, "when_closed": "hold"}},
            [unavailable("leadleader", "closed", "hold", "2026-03-03T07:00:00.000Z")],
        ),
        (
            {"leadleader": {**CLOSED, "when_closed": "next"}},
            [unavailable("leadleader", "closed", "next", "2026-03-03T07:00:00.000Z", next_partner="matchtrade")],
        ),
        (
            {"leadleader": {"per_hour": 1, "when_capped": "next"}, "matchtrade": {**CLOSED, "when_closed": "next"}},
            [
                unavailable("leadleader", "capped", "next", "2026-03-02T19:00:00.000Z", next_partner="matchtrade"),
                unavailable("matchtrade", "closed", "wait", "2026-03-03T09:00:00.000Z"),
            ],
        ),
        ({"leadleader": {"total": 1}}, [unavailable("leadleader", "capped", "hold")]),
        ({"leadleader": {"per_hour": 2}}, []),
        ({"matchtrade": CLOSED}, []),
    ],
    ids=["waits", "is held", "goes to the next", "and that one waits", "used up", "there is room", "is not tried"],
)
def test_a_partner_that_is_closed_or_full_is_named_with_what_would_happen(
    ask: Ask, intakes: dict[str, Any], expected: list[dict[str, Any]]
) -> None:
    for window in ("2026-03-02T18", "total"):
        aws.dynamodb().put_item(
            TableName=TABLE,
            Item={**{key: {"S": text} for key, text in cap_key("leadleader", window).items()}, "leads": {"N": "1"}},
        )
    _, found = ask(ORDER, intakes=intakes, person=PERSON, loan=LOAN, received_at=EVENING)
    assert found["partners"] == ["leadleader"]
    assert found["unavailable"] == expected


def test_a_paused_partner_and_an_open_circuit_are_named(ask: Ask) -> None:
    states, now = PartnerStates(Table(aws.dynamodb(), TABLE)), utc_now()
    states.open_circuit("leadleader", now, timedelta(minutes=5), "reply_lost")
    _, found = ask("leadleader", person=PERSON, loan=LOAN)
    assert found["unavailable"] == [
        unavailable("leadleader", "circuit_open", "wait", to_text(now + timedelta(minutes=5)))
    ]
    states.pause("leadleader", Pause("no budget", "olena", now))
    _, found = ask("leadleader", person=PERSON, loan=LOAN)
    assert found["unavailable"] == [unavailable("leadleader", "paused", "wait")]


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
