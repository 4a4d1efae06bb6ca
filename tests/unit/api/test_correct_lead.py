"""PATCH /leads/{lead_id} through the handler: what it answers, and what it leaves in logs."""

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from leadbridge.domain import delivery as steps
from leadbridge.domain.acceptance.build import build_lead
from leadbridge.domain.lead import Lead
from leadbridge.domain.transitions import OVERDUE
from leadbridge.runtime import aws
from leadbridge.settings import Settings
from leadbridge.storage.leads import LeadRepository
from quality.testkit.fixtures import Context
from quality.testkit.people import NOW, asked

Ask = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def ask(
    store: LeadRepository, shipped_settings: Settings, function: Callable[[str], ModuleType], context: Context
) -> Ask:
    aws.secrets_manager().create_secret(Name="leadbridge/index", SecretString=json.dumps({"key": "of the tests"}))
    app = function("manage_leads")

    def send(method: str, lead_id: str, body: object = None, **query: str) -> tuple[int, dict[str, Any]]:
        event = {
            "httpMethod": method,
            "resource": "/leads/{lead_id}",
            "pathParameters": {"lead_id": lead_id},
            "queryStringParameters": query,
            "requestContext": {"authorizer": {"operator": "olena"}},
            "body": None if body is None else json.dumps(body),
        }
        response = app.handler(event, context)
        return response["statusCode"], json.loads(response["body"])

    return send


@pytest.fixture
def incomplete(store: LeadRepository, shipped_settings: Settings) -> Lead:
    lead = build_lead(
        asked(phone="подзвоніть мамі"),
        lead_id="ld_" + "a" * 26,
        source="plain-credit",
        received_at=NOW,
        partners={"leadleader": shipped_settings.partners["leadleader"]},
        answers={"your-phone": "подзвоніть мамі"},
    )
    assert store.accept(lead, phone_hash=None) is None
    return lead


def test_an_incomplete_lead_shows_its_problems_and_its_answers_unless_they_are_masked(
    ask: Ask, incomplete: Lead
) -> None:
    status, shown = ask("GET", incomplete.lead_id)
    assert (status, shown["status"], shown["deliveries"]) == (200, "incomplete", {})
    assert [(one["field"], one["code"]) for one in shown["problems"]] == [("person.phone", "not_a_phone")]
    assert shown["answers"] == {"your-phone": "подзвоніть мамі"}
    assert ask("GET", incomplete.lead_id, masked="true")[1]["answers"] == {"your-phone": "•••"}


def test_a_corrected_lead_is_shown_with_its_delivery(
    ask: Ask, incomplete: Lead, caplog: pytest.LogCaptureFixture
) -> None:
    status, shown = ask("PATCH", incomplete.lead_id, {"person": {"phone": "050 000 00 02"}}, masked="true")
    assert (status, shown["status"], shown["problems"]) == (200, "received", [])
    assert shown["person"]["phone"] == "+38050•••02"
    assert shown["deliveries"]["leadleader"]["state"] == "received"
    assert shown["corrected"] == ["person.phone"]
    assert ask("PATCH", incomplete.lead_id, {"person": {"phone": "0500000002"}})[1]["corrected"] == []
    (corrected,) = [vars(one) for one in caplog.records if one.msg == "corrected"]
    assert (corrected["fields"], corrected["operator"]) == (["person.phone"], "olena")
    assert "0000002" not in str([vars(one) for one in caplog.records])


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        (
            {"person": {"phone": "no phone", "role": "x"}},
            [("person.role", "unknown_field"), ("person.phone", "not_a_phone")],
        ),
        ({"consent": {"text": "x"}}, [("", "unknown_field")]),
        ({}, [("", "unreadable")]),
        ({"person": []}, [("person", "unreadable")]),
    ],
)
def test_a_wrong_correction_names_its_fields(
    ask: Ask, incomplete: Lead, body: dict[str, Any], errors: list[tuple[str, str]]
) -> None:
    status, problem = ask("PATCH", incomplete.lead_id, body)
    assert (status, [(one["field"], one["code"]) for one in problem["errors"]]) == (422, errors)
    assert ask("GET", incomplete.lead_id)[1]["status"] == "incomplete"


def test_a_lead_that_is_being_submitted_is_not_corrected(ask: Ask, incomplete: Lead, store: LeadRepository) -> None:
    ask("PATCH", incomplete.lead_id, {"person": {"phone": "0500000002"}})
    delivery = store.delivery(incomplete.lead_id, "leadleader")
    assert delivery is not None
    store.apply(steps.start_attempt(delivery, NOW, OVERDUE))
    status, problem = ask("PATCH", incomplete.lead_id, {"person": {"phone": "0500000003"}})
    assert (status, problem["type"]) == (409, "urn:leadbridge:problem:in-progress")


def test_an_erased_and_an_unknown_lead_are_not_corrected(ask: Ask, incomplete: Lead) -> None:
    body = {"person": {"city": "Київ"}}
    assert ask("PATCH", "ld_" + "b" * 26, body)[0] == 404
    with pytest.raises(json.JSONDecodeError):
        ask("DELETE", incomplete.lead_id)
    status, shown = ask("GET", incomplete.lead_id)
    assert (status, shown["status"], shown["problems"], shown["answers"]) == (200, "received", [], {})
    assert ask("PATCH", incomplete.lead_id, body)[0] == 409
