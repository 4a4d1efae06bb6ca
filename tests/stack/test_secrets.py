"""Credentials that are wrong, and credentials that change: nothing is lost, and an operator is called."""

import json

from devstack.commands.api import Operator
from devstack.sandbox.remote import Remote
from devstack.stack import Stack
from quality.testkit.deployed import Form, accepted, deals, eventually, person


def test_refused_credentials_fail_the_delivery_and_leave_a_dead_letter_until_the_secret_is_right(
    stack: Stack, form: Form, operator: Operator, partner: Remote
) -> None:
    sqs, manager = stack.client("sqs"), stack.client("secretsmanager")
    dead = stack.output("SubmitLeadLeaderDeadLetterQueueUrl")
    renewed = partner.rotate("leadleader", "password")
    asked = person()
    lead_id = accepted(form.post(asked))
    lead = eventually(
        lambda: operator.lead(lead_id), lambda found: found["deliveries"]["leadleader"]["state"] == "failed"
    )
    assert lead["deliveries"]["leadleader"]["last_error_code"] == "password_wrong"

    def letters() -> list[dict[str, str]]:
        got = sqs.receive_message(QueueUrl=dead, MaxNumberOfMessages=10, VisibilityTimeout=0).get("Messages", [])
        return [json.loads(message["Body"]) for message in got]

    found = eventually(letters, lambda all_: any(letter["lead_id"] == lead_id for letter in all_))
    letter = next(letter for letter in found if letter["lead_id"] == lead_id)
    lenders = json.loads(manager.get_secret_value(SecretId="leadbridge/leadleader")["SecretString"])
    lenders["leadleader"] = renewed
    manager.put_secret_value(SecretId="leadbridge/leadleader", SecretString=json.dumps(lenders))
    assert letter == {
        "lead_id": lead_id,
        "partner": "leadleader",
        "step": "submit",
        "reason": lead["deliveries"]["leadleader"]["last_error"],
        "reason_code": "password_wrong",
        "reason_data": {"fields": ["password"]},
    }

    next_one = person()
    next_id = accepted(form.post(next_one))
    eventually(
        lambda: operator.lead(next_id)["deliveries"]["leadleader"]["state"],
        lambda state: state in {"submitted", "closed"},
    )
    assert len(deals(partner, next_one)) == 1
    assert deals(partner, asked) == []
