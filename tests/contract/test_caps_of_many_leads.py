"""Two hundred leads at once, from their forms to the brokers: no cap is exceeded, and no lead is lost."""

from __future__ import annotations

import base64
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest

from devstack.partners import stored_secrets
from devstack.sandbox.remote import Remote
from devstack.sandbox.server import Sandbox
from events.sign import sender_of
from leadbridge import settings
from leadbridge.domain import clock
from leadbridge.domain.delivery import State
from leadbridge.forms.base import Request
from leadbridge.runtime import aws, logs
from leadbridge.settings.intake import Intake
from leadbridge.settings.routing import RoutingRule
from quality.testkit.aws.memory_stack import Context, MemoryStack, memory_stack
from quality.testkit.wiring import passes_stream_filter

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SOURCE, FIRST, SECOND, QUEUE = "web-trading", "matchtrade", "broker-b", "SubmitMatchTradeQueue"
SECRET = "whsec_" + base64.b64encode(b"a secret of two hundred leads").decode()
LEADS, THREADS, CAP, NEXT_CAP = 200, 16, 20, 30


@dataclass
class World:
    """A stack whose functions run on many threads at once. So all have the same environment."""

    stack: MemoryStack
    handlers: dict[str, Callable[[Any, Any], Any]] = field(default_factory=dict)
    answers: list[dict[str, Any]] = field(default_factory=list)
    lock: Any = field(default_factory=Lock)

    def receive(self, number: int) -> None:
        """Receive a lead, publish what has changed, and submit what is queued."""
        person = {"full_name": "Зразкова Олена", "phone": f"+38050{number:07d}", "email": f"{number}@example.com"}
        body = json.dumps({"person": person}).encode()
        headers = {"content-type": "application/json", "webhook-id": f"post-{number}"}
        request = sender_of(SOURCE).sign_request(Request(headers, {}, body), SECRET, NOON)
        event = {
            "httpMethod": "POST",
            "resource": "/webhooks/{source}",
            "headers": request.headers,
            "pathParameters": {"source": SOURCE},
            "queryStringParameters": None,
            "requestContext": {},
            "body": body.decode(),
            "isBase64Encoded": False,
        }
        self.answers.append(self.handlers["ReceiveLead"](event, Context(10)))
        self.work()

    def work(self) -> int:
        """Publish and submit; return the number of records and messages."""
        with self.lock:
            records = [one for one in self.stack.take_records() if passes_stream_filter(one, "PublishChanges")]
        if records:
            assert self.handlers["PublishChanges"]({"Records": records}, Context(60)) == {"batchItemFailures": []}
        url = self.stack.ref(QUEUE)
        messages = aws.sqs().receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            record = {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": {"ApproximateReceiveCount": "1"},
                "eventSource": "aws:sqs",
            }
            assert self.handlers["SubmitLead"]({"Records": [record]}, Context(90)) == {"batchItemFailures": []}
            aws.sqs().delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return len(records) + len(messages)


@pytest.fixture
def world(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Two brokers with caps. The second one gets what the first one does not take."""
    Remote(sandbox.url).reset()
    monkeypatch.setenv("LEADBRIDGE_ENVIRONMENT", "local")
    for name in ("add_metric", "flush_metrics"):  # the metrics of an invocation are not for several threads
        monkeypatch.setattr(type(logs.metrics.provider), name, lambda *_args, **_named: None)
    noon = SimpleNamespace(now=lambda _zone: NOON, fromisoformat=datetime.fromisoformat)
    with memory_stack() as stack, patch.object(clock, "datetime", noon):
        stored = stored_secrets(sandbox.secrets())
        for name in ("leadleader", "matchtrade"):
            stack.put_secret(name, stored[name])
        stack.put_secret("sources", {SOURCE: {"secrets": [SECRET]}})
        partners, sources = settings.settings().partners, settings.settings().sources
        for name, intake in ((FIRST, {"per_hour": CAP, "when_capped": "next"}), (SECOND, {"per_day": NEXT_CAP})):
            partners[name] = partners[name].model_copy(update={"intake": Intake.model_validate(intake)})
        rule = RoutingRule.model_validate({"to": [FIRST, SECOND], "next_on": ["capped"]})
        sources[SOURCE] = sources[SOURCE].model_copy(update={"partners": (rule,), "per_minute": None})
        made = World(stack)
        for function in ("ReceiveLead", "PublishChanges", "SubmitLead"):
            with patch.dict(os.environ, stack._environment(function)):
                made.handlers[function] = stack._module(function).handler
            os.environ.update(stack._environment(function))
        yield made


def test_no_cap_is_exceeded_and_no_lead_is_lost(world: World, sandbox: Sandbox) -> None:
    with patch.dict(os.environ), ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(world.receive, range(1, LEADS + 1)))
        while sum(threads.map(lambda _: world.work(), range(THREADS))):
            pass
    assert Counter(answer["statusCode"] for answer in world.answers) == {202: LEADS}
    created = {name: Remote(sandbox.url).calls(name, "create") for name in (FIRST, SECOND)}
    assert {name: len(calls) for name, calls in created.items()} == {FIRST: CAP, SECOND: NEXT_CAP}
    assert all(call["account_uuid"] for calls in created.values() for call in calls)
    deliveries: Counter[tuple[str, State, str | None]] = Counter()
    for answer in world.answers:
        journey = world.stack.store.journey(json.loads(answer["body"])["lead_id"])
        assert journey is not None
        deliveries.update((one.partner, one.state, one.waiting_reason) for one in journey.deliveries.values())
    assert deliveries == {
        (FIRST, State.SUBMITTED, None): CAP,
        (FIRST, State.SKIPPED, None): LEADS - CAP,
        (SECOND, State.SUBMITTED, None): NEXT_CAP,
        (SECOND, State.RECEIVED, "capped"): LEADS - CAP - NEXT_CAP,
    }
