"""leadbridge under comparison: the built functions, each environment a process under Lambda's own runtime client.

The benchmark is API Gateway, the stream and the queue: it invokes receive_lead with a post, and submit_lead with each
stored lead, as many at a time as the template allows. An interrupted submission is invoked again, as the queue and the
sweep do. publish_changes is measured apart, with the changes of one lead an invocation.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import time
from collections.abc import Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from urllib3.exceptions import HTTPError

from devstack.workdir import LocalError
from leadbridge.storage import items
from quality.benchmarks.cold import runs_the_client
from quality.benchmarks.in_process import SECRET, Event, post, submission
from quality.benchmarks.processes import under
from quality.benchmarks.runtime_stack import RuntimeStack
from quality.testkit.lambda_runtime.runtime import Function, FunctionFailed, running
from quality.testkit.template import template

HANDLER = "app.handler"
LEASE = 240.0  # seconds: longer than a submission's lease, after which an interrupted one is processed again
AGAIN = 3.0  # seconds between two invocations for an interrupted submission
IN_PROGRESS = {"received", "submitting"}
MAX_TRIES = 3  # another process may take a chosen port before the function listens


class Environments:
    """The environments of one function, each for one event at a time. As on Lambda, the last used one is next."""

    def __init__(self, name: str, count: int) -> None:
        self.name, self.count = name, count
        self.functions: list[Function] = []
        self._free: queue.LifoQueue[Function] = queue.LifoQueue()

    def start(self, stack: ExitStack, set_up: RuntimeStack, environment: dict[str, str]) -> None:
        self.functions, self._free = [], queue.LifoQueue()
        for number in range(self.count):
            self.functions.append(stack.enter_context(_started(self.name, number, set_up, environment)))
            self._free.put(self.functions[-1])

    def invoke(self, event: Event) -> Any:
        """Invoke a free environment. Raises HTTPError if it was killed."""
        function = self._free.get(timeout=120)
        try:
            return function.invoke(event)
        finally:
            self._free.put(function)


@contextmanager
def _started(name: str, number: int, set_up: RuntimeStack, environment: dict[str, str]) -> Iterator[Function]:
    shop, log = set_up.workshop, set_up.folder / f"{name}-{number}.log"
    for remaining in reversed(range(MAX_TRIES)):
        with ExitStack() as stack:
            try:
                function = stack.enter_context(
                    running(
                        name, path=shop.path(name), handler=HANDLER, environment=environment, log=log, lock=shop.lock
                    )
                )
            except LocalError:
                if not remaining:
                    raise
                continue
            yield function
            return


class Leadbridge:
    """receive_lead and submit_lead, and what runs between them."""

    name = "leadbridge"
    answers: tuple[bool, ...] = (False,)

    def __init__(self, stack: ExitStack, set_up: RuntimeStack, concurrency: int) -> None:
        self._set_up, self._cloud = set_up, set_up.cloud()
        self._cloud.put_secret("sources", {"web": {"secrets": [SECRET]}})
        submissions = int(template()["Parameters"]["LeadLeaderConcurrency"]["Default"])
        self.receive = Environments("ReceiveLead", concurrency)
        self.submit = Environments("SubmitLead", submissions)
        self.publish = Environments("PublishChanges", 1)
        self.leads: dict[int, str] = {}
        self._workers = stack.enter_context(ThreadPoolExecutor(submissions))
        self._pending: list[Future[None]] = []
        self._running = ExitStack()
        stack.callback(self.stop)
        self.restart()

    def stop(self) -> None:
        self._running.close()

    def restart(self) -> None:
        self.stop()
        self._running = ExitStack()
        for one in (self.receive, self.submit, self.publish):
            one.start(self._running, self._set_up, self._cloud.environment(one.name))

    def warm_up(self, numbers: list[int]) -> None:
        """Use every environment at least once. Takes as many numbers as there are environments of receive_lead."""
        ids = [
            str(json.loads(function.invoke(post(number))["body"])["lead_id"])
            for number, function in zip(numbers, self.receive.functions, strict=True)
        ]
        for number, lead_id in enumerate(ids):
            self.submit.functions[number % self.submit.count].invoke(submission(lead_id))

    def post(self, number: int, *, at_end: bool = False) -> bool:
        assert not at_end
        try:
            answer = self.receive.invoke(post(number))
        except (HTTPError, FunctionFailed, ValueError, queue.Empty):
            return False
        if answer["statusCode"] not in (200, 202):
            return False
        self.leads[number] = str(json.loads(answer["body"])["lead_id"])
        self._pending.append(self._workers.submit(self._submit, self.leads[number]))
        return True

    def _submit(self, lead_id: str) -> None:
        """Process the lead's message. If the function is killed, the message stays in the queue."""
        with suppress(HTTPError, FunctionFailed, ValueError, queue.Empty):
            self.submit.invoke(submission(lead_id))

    def processes(self) -> list[int]:
        return [pid for one in (self.receive, self.submit) for pid in self._runtimes(one)]

    def publishers(self) -> list[int]:
        return self._runtimes(self.publish)

    @staticmethod
    def _runtimes(one: Environments) -> list[int]:
        return [pid for function in one.functions for pid in under(function.child.guard.pid) if runs_the_client(pid)]

    def kill(self) -> None:
        for one in (self.receive, self.submit):
            for function in one.functions:
                for pid in list(under(function.child.guard.pid)):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
        for waiting in self._pending:  # the queue keeps what was not processed
            waiting.cancel()
        self._pending.clear()

    def recover(self, numbers: Collection[int]) -> None:
        """Deliver the messages that are still in the queue, and sweep after the leases of the killed submissions."""
        deadline = time.monotonic() + LEASE
        while waiting := [number for number in numbers if self._state(number) in IN_PROGRESS]:
            if time.monotonic() > deadline:
                raise LocalError(f"{len(waiting)} submissions did not end in {LEASE:g} s.")
            again = [self._workers.submit(self._submit, self.leads[number]) for number in waiting]
            for one in again:
                one.result()
            if any(self._state(number) in IN_PROGRESS for number in waiting):
                time.sleep(AGAIN)

    def kept(self, numbers: Collection[int]) -> set[int]:
        return {number for number in numbers if self._state(number)}

    def unsettled(self, numbers: Collection[int]) -> int | None:
        return sum(self._state(number) == "unknown" for number in numbers)

    def publish_all(self, numbers: Collection[int]) -> None:
        """Invoke publish_changes with the changes of each lead: both items stored, then the delivery changed twice."""
        for number in numbers:
            pk = items.lead_key(self.leads[number])["pk"]
            found = self._cloud.client("dynamodb").query(
                TableName=self._cloud.ref("Leads"),
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": pk}},
            )["Items"]
            records = [_record("INSERT", one) for one in found if one["sk"]["S"].startswith(("LEAD", "DELIVERY#"))]
            delivery = next(one for one in found if one["sk"]["S"].startswith("DELIVERY#"))
            before = {**delivery, "version": {"N": "0"}, "state": {"S": "received"}}
            records += [_record("MODIFY", delivery, before)] * 2
            self.publish.invoke({"Records": records})

    def _state(self, number: int) -> str:
        """The state of the lead's delivery; empty if the lead is not stored."""
        if number not in self.leads:
            return ""
        key = items.encode(items.delivery_key(self.leads[number], "leadleader"))
        found = self._cloud.client("dynamodb").get_item(
            TableName=self._cloud.ref("Leads"), Key=key, ConsistentRead=True
        )
        return str(found["Item"]["state"]["S"]) if "Item" in found else ""


def _record(kind: str, after: Event, before: Event | None = None) -> Event:
    images = {"NewImage": after} | ({"OldImage": before} if before else {})
    return {
        "eventID": "1",
        "eventName": kind,
        "eventSource": "aws:dynamodb",
        "dynamodb": {"SequenceNumber": "1", "Keys": {"pk": after["pk"], "sk": after["sk"]}, **images},
    }
