"""The stack of a run in one process: workers with faults, operators' calls, forms' posts, queues in transit."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any

from devstack.partners import partner_profiles, stored_secrets
from devstack.sandbox.profile import profiles
from devstack.sandbox.remote import Remote
from devstack.seed import source_secret
from leadbridge import settings
from leadbridge.domain.delivery import Delivery
from leadbridge.runtime import aws
from leadbridge.storage import items
from quality.chaos.in_process.aws_faults import Throttling
from quality.chaos.in_process.harness import INVOCATION, STEPS, FaultPlan, Harness, Time, Worker
from quality.chaos.in_process.queues import QueueMessage, Transit
from quality.chaos.operator import ALLOWED_STATUSES, RESOLVE, OnStatus, ignore
from quality.chaos.people import META, SOURCES, Post, posts
from quality.chaos.reading import Stores
from quality.chaos.records import Create
from quality.chaos.world import ROTATED_SOURCES, World
from quality.testkit.aws.memory_dynamodb import memory_table
from quality.testkit.aws.moto_stack import MotoStack
from quality.testkit.wiring import queues

TOKEN = "an-operator-of-the-chaos"
HEADERS = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}


class MemoryStores(Stores):
    """Reads the items directly, which is faster than a scan."""

    def table_items(self) -> Iterator[dict[str, Any]]:
        yield from map(items.decode, list(memory_table(self.table).items.values()))


class InProcess(World):
    """`ordered` are the sources that try the broker after the lender. `sources` has the weight of each source."""

    send_window = timedelta(seconds=INVOCATION)

    def __init__(
        self,
        stack: MotoStack,
        partner: Remote,
        time: Time,
        seed: int,
        *,
        ordered: frozenset[str] = frozenset(),
        sources: Mapping[str, int] = SOURCES,
    ) -> None:
        random = Random(seed)
        people = posts(random, f"{seed & 0xFFFFFF:x}", ordered, sources)
        super().__init__(partner, settings.settings(), random, people)
        self.stack, self.time, self.transit = stack, time, Transit(stack, time)
        self.harness = Harness(time, self.transit.hides, self.transit.delay, self.note_create, Random(seed + 1))
        dead_letters = {name: stack.ref(queue) for name, queue in queues("DEAD_LETTER_QUEUES").items()}
        self.stores = MemoryStores(aws.dynamodb(), aws.sqs(), "Leads", {}, dead_letters)
        self.overwritten, self.faulted_posts = self.transit.overwritten, 0
        self.next_plan: FaultPlan | None = None  # of the operator's next call, instead of a random one
        self.unanswered: list[Post] = []
        self.is_draining = False
        self._numbers = dict.fromkeys(partner_profiles(), 0)

    def now(self) -> datetime:
        return self.time.now

    def secret(self, name: str) -> dict[str, Any]:
        return self.stack.secret(name)

    def put_secret(self, name: str, value: dict[str, Any]) -> None:
        self.stack.put_secret(name, value)

    def new_source_secret(self) -> str:
        return str(source_secret("standard_webhooks")["secrets"][0])

    def put_secrets(self, of_partners: dict[str, dict[str, Any]]) -> None:
        """Store the first secrets."""
        stored = stored_secrets(of_partners)
        for name in profiles():
            self.put_secret(name, stored[name])
        self.put_secret("leeloo", {**of_partners["leeloo"], "webhook_token": "leeloo-of-the-chaos"})
        self.put_tracker(of_partners["feedback"])
        graph = of_partners["graph"]
        sources: dict[str, Any] = {name: {"secrets": [self.new_source_secret()]} for name in ROTATED_SOURCES}
        meta = {"access_token": graph["access_token"], "graph_url": graph["graph_url"]}
        self.put_secret("sources", {**sources, META: {"secrets": [graph["app_secret"]], **meta}})
        self.put_secret("operators", {"anna": TOKEN})

    def can_be_settled(self, delivery: Delivery) -> bool:  # noqa: ARG002
        return not self.harness.frozen

    def waiting(self) -> dict[str, int]:
        records = {"stream": len(self.transit.records), "stream of statistics": len(self.transit.stats_records)}
        return records | Counter(message.queue for message in self.transit.messages)

    def call(
        self,
        method: str,
        resource: str,
        body: Any = None,
        place: dict[str, str] | None = None,
        *,
        on: OnStatus = ignore,
        allowed: frozenset[int] = ALLOWED_STATUSES,
    ) -> None:
        text, name = None if body is None else json.dumps(body), f"{method} {resource}"

        def check(answer: Any) -> None:
            status = 0 if answer is None else answer["statusCode"]
            on(status)
            if status:
                self.counters.add(f"operators answered {status}")
            if 0 < status < 500 and status not in allowed:  # the worker's failure explains a 5xx
                self.counters.fail(name, f"answered {status}: {answer['body']}")

        # A resolution asks the partner; without its answer nothing is stored.
        may_answer = 503 if resource == RESOLVE and not self.is_draining else None
        fault_plan, self.next_plan = self.next_plan, None
        self.work(
            "ManageLeads",
            lambda: self.stack.ask(method, resource, text, headers=HEADERS, pathParameters=place),
            check,
            fault_plan,
            name=name,
            may_answer=may_answer,
        )

    def post(self, post: Post) -> None:
        secret = str(self.random.choice(self.secret("sources")[post.source]["secrets"]))
        request = post.proven(secret, self.now())
        event: dict[str, Any] = {"headers": request.headers, "queryStringParameters": request.query or None}
        body = request.body.decode()
        event["pathParameters"] = {"source": post.source}

        def on_answer(answer: Any) -> None:
            status = 0 if answer is None else answer["statusCode"]
            if status in {0, 401, 429, 500, 503}:
                return
            if post in self.unanswered:
                self.unanswered.remove(post)
            if not self.record_answer(post, status, json.loads(answer["body"]) if status < 300 else {}):
                self.counters.fail("ReceiveLead", f"answered {status}: {answer['body']}")

        self.work("ReceiveLead", lambda: self.stack.ask("POST", "/webhooks/{source}", body, **event), on_answer)

    def give(self, message: QueueMessage, fault_plan: FaultPlan | None = None) -> None:
        """A worker processes a message, with a random fault plan or with this one. Some are delivered twice."""
        comes_twice = not self.is_draining and self.random.random() < 0.3
        again = self.transit.copy(message) if comes_twice else None
        self.transit.take(message)
        frozen = len(self.harness.frozen)
        if fault_plan is None and comes_twice and self.random.random() < 0.6:
            fault_plan = FaultPlan(frozen_at=self.random.randint(1, STEPS))
        settle, lead_id = lambda answer: self.transit.settle(message, answer), message.lead_id
        self.invoke(message.function, message.event(), settle, fault_plan, lead_id=lead_id)
        if again is not None:
            self.counters.add("queue messages sent twice")
            if len(self.harness.frozen) > frozen and again in self.transit.messages:
                self._process_concurrently(self.harness.frozen[-1], again)

    def _process_concurrently(self, first: Worker, again: QueueMessage) -> None:
        """A second worker gets the same message while the first one is frozen."""
        self.counters.add("messages with two workers")
        self.time.advance(self.random.choice([0, 0, 1, 5, 21, 30]))
        self.give(again)
        if first in self.harness.frozen and self.random.random() < 0.7:
            self.harness.resume(first)

    def invoke(
        self,
        function: str,
        event: dict[str, Any],
        settle: Callable[[Any], None] = lambda _: None,
        fault_plan: FaultPlan | None = None,
        *,
        lead_id: str | None = None,
    ) -> None:
        self.work(function, lambda: self.stack.invoke(function, event), settle, fault_plan, lead_id=lead_id)

    def work(
        self,
        function: str,
        run: Callable[[], Any],
        settle: Callable[[Any], None],
        fault_plan: FaultPlan | None = None,
        *,
        name: str | None = None,
        lead_id: str | None = None,
        may_answer: int | None = None,
    ) -> None:
        """Run a worker with a fault plan, by default a random one.

        A failure that the plan does not explain is counted under `name`, except the status `may_answer`. `lead_id` is
        the lead of the event.
        """

        def end(worker: Worker) -> None:
            if worker.failure is not None and worker.failure != f"answered {may_answer}":
                self.counters.fail(name or function, worker.failure)
            self.faulted_posts = (self.faulted_posts or 0) + (worker.was_faulted and function == "ReceiveLead")
            for partner, number, is_answered in worker.creates:
                survived = is_answered and not worker.died
                self.creates.append(Create(lead_id or "", partner, number, is_answered=survived))
            if worker.was_throttled:
                self.counters.add("workers whose calls to AWS were throttled")
            if worker.died:
                self.counters.add(f"{function} killed")
                self.stack.restart(function)
            self.stack._function = None
            settle(worker.answer)

        self.harness.work(Worker(function, self.time.seconds(), fault_plan or self.fault_plan(), run, end))
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
            return FaultPlan(throttling=Throttling.random_one(self.random))
        self.counters.add("calls to AWS that are not answered")
        return FaultPlan(unanswered_at=self.random.randint(1, STEPS // 2), took_place=self.random.random() < 0.5)

    def note_create(self, worker: Worker, partner: str, is_answered: bool) -> None:
        """Record the end of a create call, by its number in the partner's log, and whether it was answered."""
        for call in self.partner.calls(partner, "create", since=self._numbers[partner]):
            self._numbers[partner] = call["number"]
            worker.creates.append((partner, call["number"], is_answered))
