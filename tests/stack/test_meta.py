"""Meta Lead Ads on the deployed stack: the address is verified, named leads are fetched and become deals, each once."""

import json
import time
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from devstack.commands.api import Answer, Operator, ask
from devstack.sandbox.remote import Remote
from devstack.stack import Stack
from leadbridge.forms.adapters import meta
from quality.testkit.deployed import accepted, creates, eventually, person


@pytest.fixture
def entry(stack: Stack) -> dict[str, Any]:
    """The source's entry in the secret."""
    found = stack.client("secretsmanager").get_secret_value(SecretId="leadbridge/sources")["SecretString"]
    known: dict[str, Any] = json.loads(found)["meta-credit"]
    return known


def post(stack: Stack, entry: dict[str, Any], *leadgen_ids: str) -> Answer:
    """Tell of leads, as Meta does."""
    changes = [
        {"field": "leadgen", "value": {"leadgen_id": leadgen_id, "page_id": "1", "created_time": int(time.time())}}
        for leadgen_id in leadgen_ids
    ]
    body = json.dumps({"object": "page", "entry": [{"id": "1", "time": 1, "changes": changes}]}).encode()
    headers = {"Content-Type": "application/json", "X-Hub-Signature-256": meta.sign(entry["secrets"][0], body)}
    return ask("POST", f"{stack.api_url}/webhooks/meta-credit", headers=headers, body=body)


def at_meta(partner: Remote, **changes: str) -> tuple[str, dict[str, Any]]:
    """Somebody who has filled in Meta's form: the lead's number there, and who it is."""
    asked = person()
    about = asked["person"]
    answers = {
        "full_name": about["full_name"],
        "phone_number": about["phone"],
        "email": about["email"],
        "ваш_податковий_номер_(рнокпп)?": about["tax_number"],
        "ким_ви_працюєте?": about["activity"],
        "яка_сума_вам_потрібна,_грн?": asked["loan"]["amount"],
        "на_скільки_місяців?": str(asked["loan"]["term"]),
        **changes,
    }
    lead = partner.post("graph/leads", {"answers": answers, "leadgen_id": str(uuid4().int)[:16].replace("0", "1")})
    return str(lead["id"]), asked


def follow(operator: Operator, lead_id: str, *states: str) -> dict[str, Any]:
    """Wait until the lead's delivery is in one of the states; return the lead."""
    return eventually(
        lambda: operator.lead(lead_id),
        lambda lead: lead["deliveries"].get("leadleader", {}).get("state") in states,
    )


def test_the_address_is_verified(stack: Stack, entry: dict[str, Any]) -> None:
    def verify(token: str) -> int:
        query = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": token}
        return ask("GET", f"{stack.api_url}/webhooks/meta-credit?{urlencode(query)}").status

    assert (verify(entry["verify_token"]), verify("another")) == (200, 403)


def test_a_named_lead_is_fetched_and_becomes_one_deal(
    stack: Stack, entry: dict[str, Any], operator: Operator, partner: Remote
) -> None:
    leadgen_id, asked = at_meta(partner)
    lead_id = accepted(post(stack, entry, leadgen_id))
    again = post(stack, entry, leadgen_id)
    assert (again.status, again.content["lead_id"]) == (200, lead_id)

    lead = follow(operator, lead_id, "submitted", "closed")
    assert lead["fetch"]["state"] == "fetched"
    assert lead["person"]["phone"] == asked["person"]["phone"]
    assert [entry["what"] for entry in lead["timeline"]][:4] == ["received", "fetched", "submitting", "submitted"]
    assert len(creates(partner, asked)) == 1


def test_a_lead_that_graph_refuses_at_first_is_fetched_later(
    stack: Stack, entry: dict[str, Any], operator: Operator, partner: Remote
) -> None:
    for fault in ({"kind": "drop"}, {"kind": "html", "status": 502}, {"kind": "rate_limit", "status": 400}):
        partner.arm("graph", "lead", fault)
    leadgen_id, asked = at_meta(partner)
    lead = follow(operator, accepted(post(stack, entry, leadgen_id)), "submitted", "closed")
    assert lead["fetch"]["attempts"] == 3
    assert len(creates(partner, asked)) == 1


def test_of_a_post_of_many_each_lead_goes_its_own_way(
    stack: Stack, entry: dict[str, Any], operator: Operator, partner: Remote
) -> None:
    whole, asked = at_meta(partner)
    lacking, incomplete = at_meta(partner, **{"на_скільки_місяців?": ""})
    answer = post(stack, entry, whole, lacking)
    good, bad = answer.content["lead_ids"]

    follow(operator, good, "submitted", "closed")
    kept = eventually(lambda: operator.lead(bad), lambda lead: lead["status"] == "incomplete")
    assert [(one["field"], one["code"]) for one in kept["problems"]] == [("loan.term", "required")]
    assert (kept["deliveries"], kept["person"]["phone"]) == ({}, incomplete["person"]["phone"])
    assert (len(creates(partner, asked)), len(creates(partner, incomplete))) == (1, 0)
