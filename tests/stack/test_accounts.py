"""A trader's lead becomes an account at the broker, whose news come back: the deployed template, over HTTP."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from devstack.commands.api import Operator
from devstack.sandbox.remote import Remote
from devstack.stack import Stack
from quality.testkit.deployed import Form, accepted, eventually, person


@pytest.fixture
def trading_form(stack: Stack) -> Form:
    manager = stack.client("secretsmanager")
    sources = json.loads(manager.get_secret_value(SecretId="leadbridge/sources")["SecretString"])
    return Form(stack, sources["web-trading"]["secrets"][0], "web-trading")


def trader() -> dict[str, Any]:
    asked = person()
    return {"person": asked["person"], "trading": {"offer": "Перший крок", "click_id": "a12dd0a66a"}}


def delivery(operator: Operator, lead_id: str) -> dict[str, Any]:
    return dict(operator.lead(lead_id)["deliveries"]["matchtrade"])


def creates(partner: Remote, email: str) -> list[dict[str, Any]]:
    return [call for call in partner.calls("matchtrade", "create") if call.get("email") == email]


@pytest.fixture
def slow_partner(partner: Remote, pace: float) -> Iterator[Remote]:
    """The partner sandbox, whose accounts change their status only on demand."""
    partner.post("pace", {"seconds": 3600})
    yield partner
    partner.post("pace", {"seconds": pace})


def test_a_lead_becomes_an_account_and_its_status_reaches_the_person_once(
    trading_form: Form, operator: Operator, slow_partner: Remote
) -> None:
    partner = slow_partner
    asked = trader()
    email, phone = asked["person"]["email"], asked["person"]["phone"]
    lead_id = accepted(trading_form.post(asked))
    first = eventually(
        lambda: delivery(operator, lead_id), lambda one: one["partner_status"] is not None, schedule="SyncAccounts"
    )
    (account,) = partner.rows("matchtrade/accounts", email=email)
    assert (first["state"], first["account_uuid"]) == ("submitted", account["uuid"])
    assert account["leadSource"] == "Перший крок|||a12dd0a66a"
    partner.post(f"matchtrade/accounts/{account['uuid']}", {"status": "READY_TO_DEPOSIT"})
    eventually(
        lambda: delivery(operator, lead_id),
        lambda one: one["partner_status"] == "READY_TO_DEPOSIT",
        schedule="SyncAccounts",
    )
    told = eventually(
        lambda: [message["text"] for message in partner.rows("leeloo/messages", phone=phone)],
        lambda texts: "Ваш торговий рахунок готовий до поповнення." in texts,
    )
    assert told.count("Ваш торговий рахунок готовий до поповнення.") == 1
    assert len(creates(partner, email)) == 1


def test_a_lost_reply_is_looked_up_and_not_sent_twice(trading_form: Form, operator: Operator, partner: Remote) -> None:
    asked = trader()
    email = asked["person"]["email"]
    partner.arm("matchtrade", "create", {"kind": "drop", "when": "after"}, match={"account.email": email})
    lead_id = accepted(trading_form.post(asked))
    after = eventually(lambda: delivery(operator, lead_id), lambda one: one["state"] == "submitted")
    (account,) = partner.rows("matchtrade/accounts", email=email)
    assert after["account_uuid"] == account["uuid"]
    assert len(creates(partner, email)) == 1


def test_a_person_with_an_account_at_the_broker_is_a_duplicate(
    trading_form: Form, operator: Operator, partner: Remote
) -> None:
    asked = trader()
    partner.post("matchtrade/accounts", {"emails": [asked["person"]["email"]]})
    lead_id = accepted(trading_form.post(asked))
    after = eventually(lambda: delivery(operator, lead_id), lambda one: one["state"] not in {"received", "submitting"})
    assert (after["state"], after["account_uuid"]) == ("duplicate", None)


def test_an_operator_asks_for_an_accounts_status(trading_form: Form, operator: Operator, partner: Remote) -> None:
    lead_id = accepted(trading_form.post(trader()))
    eventually(lambda: delivery(operator, lead_id), lambda one: one["state"] == "submitted")
    answer = operator.post(f"/leads/{lead_id}/deliveries/matchtrade/check")
    assert answer.status == 202
    eventually(lambda: delivery(operator, lead_id), lambda one: one["partner_status"] is not None)
