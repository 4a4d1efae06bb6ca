"""The stack of a run in one process: workers with faults, operators' calls, forms' posts, queues in transit."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any

from devstack.sandbox.remote import Remote
from devstack.seed import source_secret
from leadbridge import settings
from leadbridge.domain.delivery import Delivery
from leadbridge.runtime import aws
from leadbridge.storage import items
from quality.chaos.in_process.aws_faults import QueueMessage, Throttling, Transit
from quality.chaos.operator import RESOLVE
from quality.chaos.people import MANY_REPEATS, SOURCES, Post, posts
from quality.chaos.reading import Stores
from quality.chaos.records import Create
from quality.chaos.world import ADAPTER, ROTATED_SOURCES, OnAnswer, World
from quality.testkit.aws.all_flows import put_secrets
from quality.testkit.aws.memory_dynamodb import memory_table
from quality.testkit.aws.memory_stack import MemoryStack, sqs_event
from quality.testkit.aws.operator_flows import BEARER
from quality.testkit.fakes.workers import INVOCATION, FaultPlan, Harness, Time, Worker
from quality.testkit.wiring import queues

type Settle = Callable[[Worker], None]

STEPS = 18  # of a worker, at which a fault may occur
MANY_REPEATS_EVERY = 4  # runs: in one of them most people post again


@dataclass(frozen=True)
class MemoryStores(Stores):
    """Reads the items directly, which is faster than a scan, and the queues in transit."""

    transit: Transit

    def table_items(self) -> Iterator[dict[str, Any]]:
        yield from map(items.decode, list(memory_table(self.table).items.values()))

    def waiting(self) -> dict[str, int]:
        records = {"stream": len(self.transit.records), "stream of statistics": len(self.transit.stats_records)}
        return records | Counter(message.queue for message in self.transit.messages)


class InProcess(World):
    """`ordered` are the sources that try the broker after the lender."""

    send_window = timedelta(seconds=INVOCATION)
    faulted_posts: int

    def __init__(self, stack: MemoryStack, partner: Remote, time: Time, seed: int, ordered: frozenset[str]) -> None:
        random = Random(seed)
        sources = MANY_REPEATS if seed % MANY_REPEATS_EVERY == 0 else SOURCES
        people = posts(random, f"{seed & 0xFFFFFF:x}", ordered, sources)
        super().__init__(partner, settings.settings(), random, people)
        self.stack, self.time, self.transit = stack, time, Transit(stack, time, Random(seed + 1))
        self.harness = Harness(time, self.transit.call_aws, self.note_create)
        dead_letters = {name: stack.ref(queue) for name, queue in queues("DEAD_LETTER_QUEUES").items()}
        self.stores = MemoryStores(aws.dynamodb(), aws.sqs(), "Leads", {}, dead_letters, self.transit)
        self.secrets_manager, self.now = aws.secrets_manager(), lambda: time.now
        self.overwritten, self.faulted_posts = self.transit.overwritten, 0
        self.next_plan: FaultPlan | None = None  # of the operator's next call, instead of a random one
        self.unanswered: list[Post] = []
        self.is_draining = False
        self._last_create = 0  # its number in the partners' log

    def put_secrets(self, of_partners: dict[str, dict[str, Any]]) -> None:
        """Store the first secrets."""
        put_secrets(self.stack, of_partners)
        self.put_tracker(of_partners["feedback"])
        self.put_secret("sources", self.secret("sources") | {name: source_secret(ADAPTER) for name in ROTATED_SOURCES})

    def can_be_settled(self, delivery: Delivery) -> bool:  # noqa: ARG002
        return not self.harness.frozen

    def request(self, method: str, resource: str, body: Any, place: dict[str, str] | None, on: OnAnswer) -> None:
        text, headers = None if body is None else json.dumps(body), {**BEARER, "Content-Type": "application/json"}

        def settle(worker: Worker) -> None:  # `work` counts its failure
            on(worker.status, worker.answer and worker.answer["body"], worker.status >= 500)

        plan, self.next_plan = self.next_plan, None
        ask = partial(self.stack.ask, method, resource, text, headers=headers, pathParameters=place)
        self.work("ManageLeads", ask, settle, plan, name=f"{method} {resource}")

    def post(self, post: Post) -> None:
        secret = str(self.random.choice(self.secret("sources")[post.source]["secrets"]))
        request = post.proven(secret, self.now())
        event = {"headers": request.headers, "queryStringParameters": request.query or None}
        event |= {"pathParameters": {"source": post.source}}

        def settle(worker: Worker) -> None:
            status, answer = worker.status, worker.answer
            if status in {0, 401, 429, 500, 503}:
                return
            if post in self.unanswered:
                self.unanswered.remove(post)
            if not self.record_answer(post, status, json.loads(answer["body"]) if status < 300 else {}):
                self.counters.fail("ReceiveLead", f"answered {status}: {answer['body']}")

        ask = partial(self.stack.ask, "POST", "/webhooks/{source}", request.body.decode(), **event)
        self.work("ReceiveLead", ask, settle, None)

    def give(self, message: QueueMessage, plan: FaultPlan | None = None) -> None:
        """A worker processes a message, with a random fault plan or with this one. Some are delivered twice.

        Then a second worker may get the same message while the first one is frozen.
        """
        comes_twice = not self.is_draining and self.random.random() < 0.3
        again = self.transit.add(message.queue, message.function, message.body, self.time.now) if comes_twice else None
        self.transit.take(message)
        frozen = len(self.harness.frozen)
        if plan is None and comes_twice and self.random.random() < 0.6:
            plan = FaultPlan(frozen_at=self.random.randint(1, STEPS))

        def settle(worker: Worker) -> None:
            self.transit.settle(message, worker.answer)
            for partner, number, is_answered in worker.creates:
                answered = is_answered and not worker.died
                self.creates.append(Create(message.lead_id or "", partner, number, is_answered=answered))

        event = sqs_event(message.body, message.name, message.name, message.received)
        self.invoke(message.function, event, settle, plan)
        if again is None:
            return
        self.counters.add("queue messages sent twice")
        if len(self.harness.frozen) > frozen and again in self.transit.messages:
            first = self.harness.frozen[-1]
            self.counters.add("messages with two workers")
            self.time.advance(self.random.choice([0, 0, 1, 5, 21, 30]))
            self.give(again)
            if first in self.harness.frozen and self.random.random() < 0.7:
                self.harness.resume(first)

    def invoke(
        self, function: str, event: dict[str, Any], settle: Settle = lambda _: None, plan: FaultPlan | None = None
    ) -> None:
        self.work(function, partial(self.stack.invoke, function, event), settle, plan)

    def work(
        self, function: str, run: Callable[[], Any], settle: Settle, plan: FaultPlan | None, name: str = ""
    ) -> None:
        """Run a worker with a fault plan, or with a random one.

        A failure that the plan does not explain is counted under `name`.
        """

        def end(worker: Worker) -> None:
            # A resolution asks the partner; without its answer nothing is stored.
            may_fail = name == f"POST {RESOLVE}" and worker.failure == "answered 503" and not self.is_draining
            if worker.failure is not None and not may_fail:
                self.counters.fail(name or function, worker.failure)
            self.faulted_posts += worker.was_faulted and function == "ReceiveLead"
            if worker.was_throttled:
                self.counters.add("workers whose calls to AWS were throttled")
            if worker.died:
                self.counters.add(f"{function} killed")
                self.stack.restart(function)
            settle(worker)

        self.harness.work(Worker(self.time.seconds(), plan or self.fault_plan(), run, end))
        self.transit.collect()

    def fault_plan(self) -> FaultPlan:
        """A random fault plan."""
        drawn = self.random.random()
        if self.is_draining or drawn > 0.44:
            return FaultPlan()
        if drawn < 0.13:
            return FaultPlan(killed_at=self.random.randint(1, STEPS))
        if drawn < 0.24:
            self.counters.add("workers frozen at some step")
            return FaultPlan(frozen_at=self.random.randint(1, STEPS))
        if drawn < 0.37:
            return Throttling.random_one(self.random)
        self.counters.add("calls to AWS that are not answered")
        return FaultPlan(unanswered_at=self.random.randint(1, STEPS // 2), took_place=self.random.random() < 0.5)

    def note_create(self, worker: Worker, partner: str, is_answered: bool) -> None:
        """Record the end of a create call, by its number in the partner's log, and whether it was answered."""
        for call in self.partner.calls(partner, "create", since=self._last_create):
            self._last_create = call["number"]
            worker.creates.append((partner, call["number"], is_answered))
