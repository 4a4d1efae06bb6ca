"""What operators mend on the deployed stack: unknown leads resolved, rejected ones retried, people erased."""

import json
from typing import Any

from devstack.commands.api import Operator, ask
from devstack.sandbox.remote import Remote
from devstack.stack import Stack
from quality.testkit.deployed import Form, accepted, at_the_partner, creates, eventually, person


def state(operator: Operator, lead_id: str) -> str:
    return str(operator.lead(lead_id)["deliveries"]["leadleader"]["state"])


def broken(partner: Remote, lead: dict[str, Any], fault: dict[str, Any]) -> None:
    partner.arm("leadleader", "create", fault, match={"clientInfo.telephone": at_the_partner(lead)})


def test_an_unknown_is_resolved_and_followed_to_its_end(form: Form, operator: Operator, partner: Remote) -> None:
    asked = person()
    broken(partner, asked, {"kind": "drop", "when": "after"})
    lead_id = accepted(form.post(asked))
    eventually(lambda: state(operator, lead_id), lambda found: found == "unknown")
    (call,) = creates(partner, asked)
    path = f"/leads/{lead_id}/deliveries/leadleader"
    assert operator.post(f"{path}/retry").status == 409
    assert operator.post(f"{path}/resolve", {"deal_id": call["deal_id"]}).content["state"] == "submitted"
    eventually(lambda: state(operator, lead_id), lambda found: found == "closed")
    assert len(creates(partner, asked)) == 1


def test_a_rejected_lead_is_retried(form: Form, operator: Operator, partner: Remote) -> None:
    asked = person()
    broken(partner, asked, {"kind": "answer", "status": 400, "body": {"error": "no"}})
    lead_id = accepted(form.post(asked))
    eventually(lambda: state(operator, lead_id), lambda found: found == "rejected")
    assert operator.post(f"/leads/{lead_id}/deliveries/leadleader/retry").status == 202
    eventually(lambda: state(operator, lead_id), lambda found: found in {"submitted", "closed"})


def test_a_person_is_erased_and_a_redelivered_post_finds_the_tombstone(
    stack: Stack, form: Form, operator: Operator
) -> None:
    asked, message_id = person(), "msg_erased_" + person()["person"]["phone"]
    lead_id = accepted(form.post(asked, message_id))
    eventually(lambda: state(operator, lead_id), lambda found: found in {"submitted", "closed"})
    headers = {"Authorization": f"Bearer {stack.operator_token}"}
    assert ask("DELETE", f"{stack.api_url}/leads/{lead_id}", headers=headers).status == 204
    lead = operator.lead(lead_id)
    assert (lead["person"], "erased_at" in lead) == ({}, True)
    again = form.post(asked, message_id)
    assert (again.status, again.content["lead_id"]) == (200, lead_id)
    found = operator.get(f"/leads?phone={asked['person']['phone'].removeprefix('+')}").content["leads"]
    assert found == []


def test_figures_are_counted_and_dead_letters_put_back(stack: Stack, form: Form, operator: Operator) -> None:
    lead_id = accepted(form.post(person()))
    eventually(lambda: operator.get("/stats").content["totals"]["leads"], lambda leads: leads >= 1, patience=120)
    note = {"lead_id": lead_id, "partner": "leadleader"}
    stack.client("sqs").send_message(QueueUrl=stack.output("CheckDeadLetterQueueUrl"), MessageBody=json.dumps(note))
    letters = eventually(lambda: operator.get("/dead-letters").content["dead_letters"], lambda found: len(found) >= 1)
    assert lead_id in [letter["lead_id"] for letter in letters]
    assert operator.post("/dead-letters/checks/redrive").content["redriven"] >= 1
    eventually(
        lambda: operator.get("/dead-letters").content["dead_letters"],
        lambda found: lead_id not in [letter["lead_id"] for letter in found],
    )
