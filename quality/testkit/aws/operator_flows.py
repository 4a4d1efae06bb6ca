"""What operators do that no flow of a stack needs, once each: their routes but those that `all_flows` has called."""

import json
from datetime import timedelta
from typing import Any

from leadbridge.domain import delivery as steps
from leadbridge.domain.clock import to_text, utc_now
from leadbridge.domain.fetch import FetchState, fail
from leadbridge.runtime import aws
from leadbridge.storage.fetches import FetchRepository
from leadbridge.storage.items import decode
from leadbridge.storage.table import Table
from quality.testkit.aws.memory_stack import MemoryStack
from quality.testkit.fakes.errors import some_error

TOKEN = "an-operator-of-the-tests"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
CORRECTION = {
    "person": {"tax_number": "3068208400", "activity": "вчителька"},
    "loan": {"amount": "6000", "term": 12},
}


def asked(stack: MemoryStack, method: str, resource: str, body: Any = None, **more: Any) -> dict[str, Any]:
    """Ask as an operator; the answer's content."""
    text = None if body is None else json.dumps(body)
    answer = stack.ask(method, resource, text, headers=BEARER, **more)
    assert answer["statusCode"] < 300, answer
    return dict(json.loads(answer["body"] or "{}"))


def operators_act(stack: MemoryStack, failed: str) -> None:
    """Operators read, correct, retry and mark. `failed` is a lead with an untouched delivery to Lead Leader."""
    asked(stack, "GET", "/sync")
    asked(stack, "GET", "/exports/leads")
    asked(stack, "POST", "/leads/{lead_id}/reveal", pathParameters={"lead_id": failed})
    (incomplete,) = asked(stack, "GET", "/leads", queryStringParameters={"status": "incomplete"})["leads"]
    place = {"pathParameters": {"lead_id": incomplete["lead_id"]}}
    assert asked(stack, "PATCH", "/leads/{lead_id}", CORRECTION, **place)["deliveries"], "it is complete now"
    partners_and_sources(stack)
    retries(stack, failed)
    groups(stack)


def partners_and_sources(stack: MemoryStack) -> None:
    """A partner is paused and resumed; a source's routing and its secret are tried."""
    partner, source = {"pathParameters": {"partner": "leadleader"}}, {"pathParameters": {"source": "web"}}
    asked(stack, "POST", "/partners/{partner}/pause", {"reason": "no budget"}, **partner)
    asked(stack, "POST", "/partners/{partner}/resume", **partner)
    asked(stack, "POST", "/sources/{source}/route", {"person": {"phone": "050 123 45 67"}}, **source)
    asked(stack, "POST", "/sources/{source}/test", **source)


def retries(stack: MemoryStack, lead_id: str) -> None:
    """What has failed is retried: a delivery, a fetch, a message, a postback; a lead goes to another partner, too."""
    delivery = stack.store.delivery(lead_id, "leadleader")
    assert delivery is not None
    stack.store.apply(steps.fail(delivery, utc_now(), some_error("failed")))
    place = {"lead_id": lead_id, "partner": "leadleader"}
    asked(stack, "POST", "/leads/{lead_id}/deliveries/{partner}/retry", pathParameters=place)
    other = {"partner": "matchtrade", "confirm": True}
    asked(stack, "POST", "/leads/{lead_id}/deliveries", other, pathParameters={"lead_id": lead_id})
    first, second = fail_fetches(stack)[:2]
    asked(stack, "POST", "/leads/{lead_id}/fetch/retry", {}, pathParameters={"lead_id": first})
    assert second != first, "it is retried with its group"
    message = found(stack, "MESSAGE", "failed")
    place = {"lead_id": message["owner"], "message_id": message["message_id"]}
    asked(stack, "POST", "/leads/{lead_id}/messages/{message_id}/retry", pathParameters=place)
    postback = found(stack, "FEEDBACK", "accepted")
    place = {"lead_id": postback["lead_id"], "event_id": postback["event_id"]}
    path = "/leads/{lead_id}/feedback/{event_id}/resend"
    asked(stack, "POST", path, {"confirm": True}, pathParameters=place)


def fail_fetches(stack: MemoryStack) -> list[str]:
    """Fail the fetches that are to be tried again; returns their leads."""
    fetches, failed = FetchRepository(Table(aws.dynamodb(), stack.ref("Leads"))), []
    for item in stored(stack, "FETCH"):
        fetch = fetches.fetch(item["lead_id"])
        if fetch is not None and fetch.state is FetchState.PENDING:
            fetches.apply(fail(fetch, utc_now(), some_error("failed")))
            failed.append(fetch.lead_id)
    return failed


def groups(stack: MemoryStack) -> None:
    """Each group of the inbox is shown and marked, and retried if that is possible."""
    followed = found(stack, "DELIVERY", "submitted")
    letter = json.dumps({name: followed[name] for name in ("lead_id", "partner")})
    aws.sqs().send_message(QueueUrl=stack.ref("CheckDeadLetterQueue"), MessageBody=letter)
    mark = {"assigned": True, "note": "asked them", "snoozed_until": to_text(utc_now() + timedelta(hours=1))}
    kinds = set()
    for group in asked(stack, "GET", "/inbox")["groups"]:
        place = {"pathParameters": {"group": group["key"]}}
        asked(stack, "GET", "/inbox", queryStringParameters={"group": group["key"]})
        asked(stack, "PATCH", "/inbox/{group}", mark, **place)
        if group["retry"] != "none":
            asked(stack, "POST", "/inbox/{group}/retry", {"confirm": True}, **place)
            kinds.add(group["kind"])
    assert kinds >= {"unknown", "failed", "fetch", "dead_letter", "technical"}, kinds


def found(stack: MemoryStack, kind: str, state: str) -> dict[str, Any]:
    """A stored item of a kind in a state."""
    return next(item for item in stored(stack, kind) if item["state"] == state)


def stored(stack: MemoryStack, kind: str) -> list[dict[str, Any]]:
    """The stored items of a kind."""
    items = map(decode, aws.dynamodb().scan(TableName=stack.ref("Leads"))["Items"])
    return [item for item in items if item["sk"].partition("#")[0] == kind]
