"""Test a deployed stack from end to end: send a test lead from the gateway to each worker, then remove it.

The lead belongs to the source `self-check`, whose secret the stack generates. The workers end its deliveries before
they call a partner. It always has the same id, so that a role needs access to one partition, and checks run in turn.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import urllib3

from devstack.commands.api import Answer, ask
from leadbridge.domain.clock import from_text
from leadbridge.domain.delivery import State
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.lead import lead_id_of
from leadbridge.forms.adapters import standard_webhooks
from leadbridge.settings import self_check
from leadbridge.storage import items
from leadbridge.storage.table import Query, Table
from leadbridge_cli.cloud import aws_errors

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

LEAD_ID = lead_id_of(self_check.SOURCE, f"id:{self_check.DELIVERY_ID}")
PARTITION = f"LEAD#{LEAD_ID}"
MAX_READS, PAUSE = 60, 2.0  # reads, seconds between them; in total longer than a cold start of all functions
ABANDONED_AFTER = 180.0  # seconds; a test lead that is older was left by a check that died
OTHER_CHECK = "by another check of this stack that is running. Run this one again when it has ended"
# A lead of an invented person that every partner accepts: a reserved domain, an unassigned phone number.
LEAD: dict[str, Any] = {
    "person": {
        "full_name": "Перевірка Розгортання Системи",
        "phone": "+380500000000",
        "tax_number": "3068208400",
        "activity": "self-check",
        "city": "Київ",
        "region": "Київ",
        "email": "self-check@example.com",
    },
    "loan": {"amount": "6000", "term": 12},
    "trading": {"offer": "self-check", "site": "self-check", "description": "self-check"},
}


@dataclass(frozen=True)
class DeploymentProbe:
    """The end-to-end test of a deployed stack. `queues` maps display names to URLs."""

    api_url: str
    secret: str
    table: str
    dynamodb: DynamoDBClient
    sqs: SQSClient
    queues: Mapping[str, str]
    send: Callable[..., Answer] = ask
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.time

    def passes(self, tell: Callable[[str], None] = print) -> bool:
        """Send the lead, wait for its end, remove it and report the result. Raises Failure."""
        began, stopped = self.now(), self._wait_for_others(tell)
        reached: list[str] = []
        if stopped is None:
            began = self.now()
            try:
                stopped = self._send() or self._wait(reached)
            finally:
                if stopped != OTHER_CHECK:
                    self._remove()
        if stopped is None:
            seconds, workers = f"{self.now() - began:.1f} s", ", ".join(sorted(reached))
            tell(f"end to end: {seconds} from the gateway to the workers of {workers}, and the lead is removed")
            return True
        tell(f"end to end: stopped {stopped}")
        return False

    def _wait_for_others(self, tell: Callable[[str], None]) -> str | None:
        """Wait until the table has no lead of another check; remove the lead of a dead check."""
        for turn in range(int(ABANDONED_AFTER / PAUSE) + 1):
            if turn:
                self.sleep(PAUSE)
            leads = [item for item in self._items() if item["sk"] == "LEAD"]
            if all(self.now() - from_text(one["received_at"]).timestamp() > ABANDONED_AFTER for one in leads):
                self._remove()
                return None
            if not turn:
                tell("end to end: another check of this stack is running; waiting until it ends")
        return OTHER_CHECK

    def _send(self) -> str | None:
        body = json.dumps(LEAD, ensure_ascii=False).encode()
        stamp = int(self.now())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": self_check.DELIVERY_ID,
            "webhook-timestamp": str(stamp),
            "webhook-signature": standard_webhooks.sign(self.secret, self_check.DELIVERY_ID, stamp, body),
        }
        try:
            answer = self.send("POST", f"{self.api_url}/webhooks/{self_check.SOURCE}", headers=headers, body=body)
        except urllib3.exceptions.HTTPError as error:
            return f"at the gateway: no answer ({type(error).__name__})"
        if answer.status == 422:
            wrong = ", ".join(str(one.get("field")) for one in answer.content.get("errors", []))
            return f"at the forms' function: it refuses the test lead for {wrong}"
        if answer.status not in {200, 202}:
            return f"at the gateway or the forms' function: {answer}"
        if answer.content.get("lead_id") != LEAD_ID:
            return "at the forms' function: it stored the lead under another id than infra/github-role.yaml names"
        if answer.content.get("duplicate") is True:  # another check posted it after this one looked
            return OTHER_CHECK
        return None

    def _wait(self, reached: list[str]) -> str | None:
        """Wait until the workers have ended all deliveries, of `reached` then. Return where the lead stopped."""
        deliveries: dict[str, dict[str, Any]] = {}
        for turn in range(MAX_READS):
            if turn:
                self.sleep(PAUSE)
            found = self._items()
            if not any(item["sk"] == "LEAD" for item in found):
                return "at the table: the lead was accepted and is not there"
            deliveries = {item["partner"]: item for item in found if item["sk"].startswith("DELIVERY#")}
            if not deliveries:
                return "at the table: the lead has no deliveries"
            if all(item.get("last_error_code") == ErrorCode.SELF_CHECK for item in deliveries.values()):
                reached += deliveries
                return None
            wrong = [name for name, item in deliveries.items() if item["state"] not in {State.RECEIVED, State.FAILED}]
            if wrong:
                return f"at the worker of {', '.join(wrong)}: it did not recognize the test lead"
        waiting = [name for name, item in deliveries.items() if item.get("last_error_code") != ErrorCode.SELF_CHECK]
        seconds, names = f"{MAX_READS * PAUSE:.0f} s", ", ".join(waiting)
        return f"after the table: after {seconds} no worker has processed it for {names}. {self._hint(deliveries)}"

    def _hint(self, deliveries: Mapping[str, Mapping[str, Any]]) -> str:
        """Name the hop to look at, as far as the queues show it."""
        counts = {name: self._waiting(url) for name, url in self.queues.items()}
        filled = ", ".join(f"{name} holds {number}" for name, number in counts.items() if number)
        if counts.get("EventDeadLetterQueue"):
            return f"Stream or rule: {filled} (docs/runbook.md#rules-failed)"
        if filled:
            return f"Queue or worker: {filled}"
        if any(item.get("last_error_code") == ErrorCode.SELF_CHECK for item in deliveries.values()):
            return "Rule: the stream and the bus work, because another worker has processed it"
        return "Stream, bus or rule: the queues are empty. See the log of publish-changes (docs/runbook.md#stream-lag)"

    def _waiting(self, queue_url: str) -> int:
        names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        with aws_errors(f"the queue {queue_url}"):
            found = self.sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)
        return sum(map(int, found["Attributes"].values()))

    def _items(self) -> list[items.Item]:
        with aws_errors(f"the table {self.table}"):
            return list(Table(self.dynamodb, self.table).query(Query("pk = :pk", {":pk": PARTITION}), limit=1000))

    def _remove(self) -> None:
        for item in self._items():
            with aws_errors(f"the table {self.table}"):
                self.dynamodb.delete_item(TableName=self.table, Key=items.encode({"pk": item["pk"], "sk": item["sk"]}))
