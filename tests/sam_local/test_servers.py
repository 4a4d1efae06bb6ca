"""`sam local start-api` and `start-lambda`: the gateway's routes and the Lambda API, with containers behind them."""

import json
import time
from pathlib import Path
from typing import Any

import boto3
import urllib3

from devstack.clients import CONFIG, CREDENTIALS, REGION
from devstack.sam_local import SamLocal
from devstack.sandbox.remote import Remote
from devstack.sandbox.server import Sandbox
from leadbridge.domain.delivery import State
from leadbridge.domain.lead import lead_id_of
from leadbridge.forms.adapters.standard_webhooks import sign
from quality.testkit.lambda_runtime.cloud import Cloud
from quality.testkit.lambda_runtime.samples import sample
from quality.testkit.sam_local.containers import PATIENCE, event_of, serving
from quality.testkit.sam_local.world import OPERATOR, SECRET, lead_of


def ask(method: str, url: str, **more: Any) -> tuple[int, dict[str, Any]]:
    answer = urllib3.request(method, url, timeout=PATIENCE, retries=False, **more)
    return answer.status, json.loads(answer.data)


def test_start_api_takes_a_lead_and_asks_who_wants_to_see_it(sam: SamLocal, cloud: Cloud, tmp_path: Path) -> None:
    body, now = sample("ReceiveLead", "large_amount")["body"].encode(), int(time.time())
    lead_id = lead_id_of("web", "id:msg_sam")
    headers = {
        "Content-Type": "application/json",
        "webhook-id": "msg_sam",
        "webhook-timestamp": str(now),
        "webhook-signature": sign(SECRET, "msg_sam", now, body),
    }

    with serving(sam, "start-api", tmp_path / "api.log") as api:
        posted = ask("POST", f"{api}/webhooks/web", body=body, headers=headers)
        forged = ask("POST", f"{api}/webhooks/web", body=body + b" ", headers=headers)
        nobody = ask("GET", f"{api}/leads/{lead_id}")
        stranger = ask("GET", f"{api}/leads/{lead_id}", headers={"Authorization": "Bearer wrong"})
        operator = ask("GET", f"{api}/leads/{lead_id}", headers={"Authorization": f"Bearer {OPERATOR}"})
        health = ask("GET", f"{api}/health")

    assert posted == (202, {"lead_id": lead_id, "status": "received"})
    assert (forged[0], nobody[0], health) == (401, 401, (200, {"status": "ok"}))
    assert stranger[0] == 403  # the template makes it 401, which sam passes over
    assert (operator[0], operator[1]["lead_id"]) == (200, lead_id)
    assert cloud.store.lead(lead_id) is not None


def test_start_lambda_lets_a_client_of_aws_invoke_a_function(
    sam: SamLocal, cloud: Cloud, sandbox: Sandbox, tmp_path: Path
) -> None:
    session = boto3.Session(CREDENTIALS["AWS_ACCESS_KEY_ID"], CREDENTIALS["AWS_SECRET_ACCESS_KEY"], region_name=REGION)
    event = json.dumps(event_of("SubmitLead", "waiting")).encode()

    with serving(sam, "start-lambda", tmp_path / "lambda.log") as url:
        functions = session.client("lambda", endpoint_url=url, config=CONFIG)
        answer = functions.invoke(FunctionName="SubmitLead", Payload=event)

    assert (answer["StatusCode"], json.load(answer["Payload"])) == (200, {"batchItemFailures": []})
    (deal,) = Remote(sandbox.url).rows("leadleader/deals")
    delivery = cloud.store.delivery(lead_of("good").lead_id, "leadleader")
    assert delivery is not None
    assert (delivery.state, delivery.deal_id) == (State.SUBMITTED, deal["deal_id"])
