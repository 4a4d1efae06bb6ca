"""POST /leads/{lead_id}/deliveries: an operator gives a lead to a further partner."""

import json
from collections.abc import Callable
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest

from leadbridge.domain import delivery as steps
from leadbridge.domain.acceptance.build import build_lead
from leadbridge.domain.lead import Lead
from leadbridge.domain.operator_steps import retry_by_operator
from leadbridge.runtime import aws
from leadbridge.settings import Settings
from leadbridge.storage.corrections import CorrectionRepository
from leadbridge.storage.erasure.eraser import Eraser
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.table import Table
from quality.testkit.fakes.errors import some_error
from quality.testkit.fixtures import TABLE, Context
from quality.testkit.people import NOW, asked, lead

LEAD = lead()
MINUTE = timedelta(minutes=1)
Ask = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def ask(
    store: LeadRepository, shipped_settings: Settings, function: Callable[[str], ModuleType], context: Context
) -> Ask:
    aws.secrets_manager().create_secret(Name="leadbridge/index", SecretString=json.dumps({"key": "of the tests"}))
    app = function("manage_leads")

    def send(partner: object, *, lead_id: str = LEAD.lead_id, **more: object) -> tuple[int, dict[str, Any]]:
        event = {
            "httpMethod": "POST",
            "resource": "/leads/{lead_id}/deliveries",
            "pathParameters": {"lead_id": lead_id},
            "requestContext": {"authorizer": {"operator": "olena"}},
            "body": json.dumps({"partner": partner, **more}),
        }
        response = app.handler(event, context)
        return response["statusCode"], json.loads(response["body"])

    return send


@pytest.fixture
def rejected(store: LeadRepository) -> Lead:
    """A lead that its only partner rejected."""
    store.accept(LEAD, phone_hash=None)
    delivery = store.delivery(LEAD.lead_id, "leadleader")
    assert delivery is not None
    begun = store.apply(steps.start_attempt(delivery, NOW, MINUTE))
    store.apply(steps.reject(begun, NOW, some_error("no")))
    return LEAD


def test_a_rejected_lead_is_given_to_another_partner(ask: Ask, store: LeadRepository, rejected: Lead) -> None:
    status, opened = ask("matchtrade")
    assert (status, opened["state"]) == (201, "received")
    journey = store.journey(rejected.lead_id)
    assert journey is not None
    assert journey.lead.partners == ("leadleader", "matchtrade")
    [added] = [entry for entry in journey.timeline if entry.what == "partner_added"]
    assert (added.partner, added.data) == ("matchtrade", {"operator": "olena"})
    assert ask("matchtrade")[0] == 409, "a second delivery to the same partner would be a second lead there"


@pytest.mark.parametrize("state", ["received", "submitting", "submitted", "unknown"])
def test_a_lead_that_another_partner_may_have_needs_a_confirmation(ask: Ask, store: LeadRepository, state: str) -> None:
    store.accept(LEAD, phone_hash=None)
    delivery = store.delivery(LEAD.lead_id, "leadleader")
    assert delivery is not None
    if state != "received":
        delivery = store.apply(steps.start_attempt(delivery, NOW, MINUTE))
    if state == "submitted":
        store.apply(steps.confirm(delivery, NOW, 24, is_followed=True))
    if state == "unknown":
        store.apply(steps.mark_unknown(delivery, NOW, some_error("lost")))
    status, problem = ask("matchtrade")
    assert (status, "leadleader" in problem["detail"]) == (409, True)
    assert store.delivery(LEAD.lead_id, "matchtrade") is None
    assert ask("matchtrade", confirm=True)[0] == 201


def test_a_delivery_that_changes_meanwhile_stops_the_request(
    ask: Ask, store: LeadRepository, rejected: Lead, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a retry at the first partner and the new delivery could both bring the lead."""
    write = CorrectionRepository.correct

    def after_a_retry(repository: CorrectionRepository, *arguments: Any) -> None:
        delivery = store.delivery(rejected.lead_id, "leadleader")
        assert delivery is not None
        store.apply(retry_by_operator(delivery, NOW, "ivan", is_confirmed=False))
        write(repository, *arguments)

    monkeypatch.setattr(CorrectionRepository, "correct", after_a_retry)
    status, problem = ask("matchtrade")
    assert (status, problem["type"]) == (409, "urn:leadbridge:problem:conflict")
    assert store.delivery(rejected.lead_id, "matchtrade") is None


def test_an_incomplete_lead_goes_to_the_partner_that_needs_less(
    ask: Ask, store: LeadRepository, shipped_settings: Settings
) -> None:
    wanted = build_lead(
        {**asked(), "loan": {"amount": "багато", "term": 12}},
        lead_id=LEAD.lead_id,
        source="plain-credit",
        received_at=NOW,
        partners={"leadleader": shipped_settings.partners["leadleader"]},
    )
    assert store.accept(wanted, phone_hash=None) is None
    status, problem = ask("leadleader")
    assert (status, [one["field"] for one in problem["errors"]]) == (422, ["loan.amount"])
    assert ask("matchtrade")[0] == 201
    journey = store.journey(wanted.lead_id)
    assert journey is not None
    assert (journey.status, journey.lead.problems) == ("received", ())
    assert "loan.amount" in [one.field for one in journey.lead.warnings], "what could not be read remains visible"


def test_what_cannot_be_sent_is_refused_by_code(ask: Ask, store: LeadRepository, rejected: Lead) -> None:
    status, problem = ask("no-partner")
    assert (status, problem["errors"][0]["code"]) == (422, "unknown_partner")
    assert ask("matchtrade", lead_id="ld_" + "a" * 26)[0] == 404
    assert ask(["matchtrade"])[0] == 422
    Eraser(Table(aws.dynamodb(), TABLE)).erase(rejected.lead_id, "olena", NOW)
    assert ask("matchtrade", confirm=True)[0] == 409
