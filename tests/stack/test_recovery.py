"""A restored copy of the deployed table: what it brings back is not sent a second time."""

import json
from typing import Any

from devstack.commands.api import Operator
from devstack.sandbox.remote import Remote
from devstack.stack import Stack
from leadbridge_cli.restored_copy import put_back
from quality.testkit.deployed import Form, accepted, creates, eventually, person

COPY = "a-restored-copy"


def delivery(operator: Operator, lead_id: str) -> dict[str, Any]:
    found: dict[str, Any] = operator.lead(lead_id)["deliveries"]["leadleader"]
    return found


def test_a_lead_that_is_put_back_to_before_its_submission_is_unknown_and_not_submitted_again(
    stack: Stack, form: Form, operator: Operator, partner: Remote
) -> None:
    asked = person()
    dynamodb = stack.client("dynamodb")
    live = stack.output("TableName")
    partner.arm("leadleader", "authorize", {"kind": "answer", "status": 503, "body": {}}, times=2)
    lead_id = accepted(form.post(asked))
    assert delivery(operator, lead_id)["state"] == "received"
    dynamodb.restore_table_to_point_in_time(SourceTableName=live, TargetTableName=COPY, UseLatestRestorableTime=True)
    try:
        eventually(lambda: delivery(operator, lead_id)["state"], lambda state: state in {"submitted", "closed"})
        done = put_back(dynamodb, COPY, live, [lead_id], write=True, tell=lambda _line: None)
    finally:
        dynamodb.delete_table(TableName=COPY)
    assert done["settled (need a decision)"] == 1
    assert delivery(operator, lead_id)["state"] == "unknown"
    (call,) = creates(partner, asked)
    path = f"/leads/{lead_id}/deliveries/leadleader"
    assert operator.post(f"{path}/resolve", {"deal_id": call["deal_id"]}).status == 200, json.dumps(call)
    eventually(lambda: delivery(operator, lead_id)["state"], lambda state: state == "closed")
    assert len(creates(partner, asked)) == 1
