"""People are masked until somebody says they need to see them, and who that was stays written down."""

import json
from collections.abc import Callable
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest

from leadbridge.api.schemas import lead_view
from leadbridge.domain import message as message_steps
from leadbridge.domain.acceptance.consent import Consent
from leadbridge.domain.lead import Lead, Person
from leadbridge.domain.message import operator_message, status_notification
from leadbridge.runtime import aws
from leadbridge.storage.leads import Journey, LeadRepository
from leadbridge.storage.messages import MessageRepository
from leadbridge.storage.table import Table
from quality.testkit.fakes.errors import some_error
from quality.testkit.fixtures import TABLE, Context
from quality.testkit.people import NOW, lead

LEAD = lead()
PRIVATE = ("+380500000001", "3068208400", "olena@example.com", "Передзвоніть")
Ask = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def ask(store: LeadRepository, function: Callable[[str], ModuleType], context: Context) -> Ask:
    aws.secrets_manager().create_secret(Name="leadbridge/index", SecretString=json.dumps({"key": "k"}))
    store.accept(LEAD, phone_hash="phone")
    outbox = MessageRepository(Table(aws.dynamodb(), TABLE))
    told = status_notification(LEAD.lead_id, "leadleader", 4, "Видано", NOW)
    outbox.add(told)
    outbox.apply(message_steps.fail(told, NOW, some_error("spent")))
    later = NOW + timedelta(minutes=1)
    outbox.add(
        operator_message(
            LEAD.lead_id, later, "x", account_id=None, template_id=None, text="Передзвоніть нам", variables={}
        )
    )
    app = function("manage_leads")

    def send(route: str, lead_id: str | None = None, **query: str) -> tuple[int, dict[str, Any]]:
        method, _, resource = route.partition(" ")
        event = {
            "httpMethod": method,
            "resource": resource,
            "pathParameters": {"lead_id": lead_id} if lead_id else None,
            "queryStringParameters": query or None,
            "requestContext": {"authorizer": {"operator": "olena"}},
        }
        response = app.handler(event, context)
        return response["statusCode"], json.loads(response["body"] or "{}")

    return send


def whats(store: LeadRepository) -> list[tuple[str, str | None]]:
    journey = store.journey(LEAD.lead_id)
    assert journey is not None
    return [(entry.what, entry.detail) for entry in journey.timeline]


def test_what_leads_to_a_person_is_masked_where_that_is_asked_for(ask: Ask) -> None:
    _, listed = ask("GET /leads", masked="true")
    _, shown = ask("GET /leads/{lead_id}", LEAD.lead_id, masked="true")
    for answer in (listed, shown):
        said = json.dumps(answer, ensure_ascii=False)
        assert [value for value in PRIVATE if value in said] == []
    assert shown["masked"]
    assert shown["person"]["full_name"] == "Прикладенко Олена Іванівна"
    assert shown["person"]["phone"] == "+38050•••01"
    assert shown["person"]["tax_number"] == "•••00"
    assert shown["person"]["email"] == "o•••@example.com"


def test_masked_values_are_returned_only_on_request(ask: Ask) -> None:
    for query in ({}, {"masked": "false"}):
        _, shown = ask("GET /leads/{lead_id}", LEAD.lead_id, **query)
        said = json.dumps(shown, ensure_ascii=False)
        assert [value for value in PRIVATE if value not in said] == []


@pytest.mark.parametrize("route", ["GET /leads", "GET /leads/{lead_id}"])
def test_a_misspelt_wish_to_mask_is_refused_and_not_passed_over(ask: Ask, route: str) -> None:
    lead_id = LEAD.lead_id if "{" in route else None
    assert ask(route, lead_id, masked="yes")[0] == 400
    assert ask(route, lead_id, mask="true")[0] == 400


@pytest.mark.parametrize("person", [{"phone": "+48601000001"}, {"email": "a@b.pl"}, {"tax_number": None}])
def test_every_person_can_be_masked(person: dict[str, Any]) -> None:
    one = lead(**person)
    shown = lead_view(Journey(one, {}, ()), masked=True)["person"]
    for name in ("phone", "email", "tax_number"):
        if name in shown:
            assert "•••" in shown[name]
            assert shown[name] != getattr(one.person, name)


def test_a_short_value_of_a_rule_long_gone_is_masked_too() -> None:
    old = Person.model_construct(phone="12345", tax_number="12", email="nonsense")
    shown = lead_view(Journey(LEAD.model_copy(update={"person": old}), {}, ()), masked=True)["person"]
    assert shown == {"phone": "12•••", "tax_number": "•••", "email": "•••"}


def test_a_look_at_a_person_is_written_down(ask: Ask, store: LeadRepository) -> None:
    status, shown = ask("POST /leads/{lead_id}/reveal", LEAD.lead_id)
    assert (status, shown["masked"], shown["person"]["phone"]) == (200, False, "+380500000001")
    assert shown["messages"][-1]["text"] == "Передзвоніть нам"
    assert shown["timeline"][-1]["what"] == "revealed"
    assert whats(store)[-1] == ("revealed", "by olena")


def test_no_personal_data_is_visible_after_an_erasure(ask: Ask, store: LeadRepository) -> None:
    assert ask("DELETE /leads/{lead_id}", LEAD.lead_id)[0] == 204
    before = whats(store)
    assert ask("POST /leads/{lead_id}/reveal", LEAD.lead_id)[0] == 409
    assert ask("POST /leads/{lead_id}/reveal", "ld_" + "a" * 26)[0] == 404
    assert whats(store) == before


def test_a_lead_is_shown_with_its_messages_oldest_first(ask: Ask) -> None:
    _, shown = ask("GET /leads/{lead_id}", LEAD.lead_id)
    told, written = shown["messages"]
    assert (told["kind"], told["state"], told["subject"], told["last_error"]) == (
        "notification",
        "failed",
        "Видано",
        "spent",
    )
    assert (written["kind"], written["state"], written["sent_at"]) == ("operator", "pending", None)
    assert told["created_at"] < written["created_at"]


def test_what_proves_a_consent_is_masked_where_it_would_lead_to_the_person() -> None:
    evidence = {"form": "autumn", "ip": "203.0.113.9", "user_agent": "a browser", "page_url": "https://x/?phone=1"}
    one = LEAD.model_copy(update={"consent": Consent(**evidence)})
    assert lead_view(Journey(one, {}, ()), masked=True)["consent"] == {"form": "autumn"}
    assert lead_view(Journey(one, {}, ()))["consent"] == evidence


def test_a_tombstone_has_nothing_to_mask() -> None:
    tombstone = Lead(lead_id=LEAD.lead_id, source="web", received_at=NOW, partners=(), erased_at=NOW)
    assert lead_view(Journey(tombstone, {}, ()), masked=True)["person"] == {}
