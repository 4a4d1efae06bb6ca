"""What happens in one run: as many post_leads as there are leads, in each turn some things at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any

from devstack.partners import partner_profiles
from devstack.sandbox.remote import Remote
from leadbridge import settings
from quality.chaos.counters import Counters
from quality.chaos.in_process.aws_faults import Throttling
from quality.chaos.in_process.harness import STEPS, FaultPlan, Harness, Time, Worker
from quality.chaos.in_process.operator import InProcessOperator
from quality.chaos.in_process.queues import QueueMessage, Transit
from quality.chaos.in_process.scenarios import Scenarios
from quality.chaos.in_process.secrets import Secrets
from quality.chaos.partner_faults import DOWN, Outages, Refusals, fault
from quality.chaos.people import META, META_NAMES, SOURCES, Post, posts
from quality.chaos.reconciliation import Create, Posted, Refused
from quality.testkit.aws.moto_stack import MotoStack
from quality.testkit.wiring import schedules

PACE = 20.0  # seconds that a deal stays in one status


class Chaos:
    """One stack, its partners, and the events.

    `ordered` are the sources that try the broker after the lender. `sources` has the weight of each source.
    """

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
        self.stack, self.partner, self.time = stack, partner, time
        self.random, self.counters = Random(seed), Counters()
        self.transit = Transit(stack, time)
        self.harness = Harness(time, self.transit.hides, self.transit.delay, self.note_create, Random(seed + 1))
        self.refusals, self.outages = Refusals(partner), Outages(partner)
        self.scenarios = Scenarios(self)
        self.creates: list[Create] = []
        self._numbers = dict.fromkeys(partner_profiles(), 0)
        self.secrets = Secrets(stack, partner, self.random)
        self.posts: Iterator[Post] = posts(self.random, f"{seed & 0xFFFFFF:x}", ordered, sources)
        self.posted: list[Posted] = []
        self.operator = InProcessOperator(self)
        self.sent: list[Post] = []
        self.unanswered: list[Post] = []
        self.refused: dict[str, Refused] = {}
        self.faulted_posts = 0
        self.is_draining = False

    def new_lead(self) -> None:
        """A person fills in a form."""
        post = next(self.posts)
        self.refusals.add(post.visitor)
        if post.source == META:
            self.partner.add_lead(post.visitor.fill_in(META_NAMES), leadgen_id=post.visitor.leadgen_id)
        elif self.random.random() < 0.5:
            self.partner.add_person(post.visitor.name, phone=post.visitor.phone, accounts=["TELEGRAM"])
        self.sent.append(post)
        self.unanswered.append(post)
        self.counters.add("forms posted")
        self.post(post)

    def post(self, post: Post) -> None:
        request = post.proven(self.secrets.of(post.source), self.time.now)
        event: dict[str, Any] = {
            "headers": request.headers,
            "pathParameters": {"source": post.source},
            "queryStringParameters": request.query or None,
        }

        def on_answer(answer: Any) -> None:
            if answer is None or answer["statusCode"] in {401, 429, 500, 503}:
                return
            if post in self.unanswered:
                self.unanswered.remove(post)
            if answer["statusCode"] == 422 and settings.settings().sources[post.source].refuses_invalid:
                self.counters.add("forms refused")
                self.refused[post.post_id] = Refused(post.post_id, post.source, post.visitor.unusable)
                return
            if answer["statusCode"] not in {200, 202}:
                self.counters.fail("ReceiveLead", f"answered {answer['statusCode']}: {answer['body']}")
                return
            content = json.loads(answer["body"])
            if content.get("status") == "incomplete":
                self.counters.add("forms answered that the lead is incomplete")
            for lead_id in content.get("lead_ids") or [content["lead_id"]]:
                self.posted.append(Posted.of(post, lead_id))

        body = request.body.decode()
        self.work("ReceiveLead", lambda: self.stack.ask("POST", "/webhooks/{source}", body, **event), on_answer)

    def post_again(self) -> None:
        """A form repeats a post that had no answer, or an older one."""
        if self.sent:
            self.counters.add("forms posted again")
            self.post(self.random.choice(self.unanswered or self.sent))

    def publish(self) -> None:
        """The stream's next records go to publish_changes, some twice, in another order, or never."""
        records = self.transit.records
        if not records:
            return
        if not self.is_draining and self.random.random() < 0.05:
            self.counters.add("stream records lost", len(records))
            records.clear()
            return
        if not self.is_draining and self.random.random() < 0.2:
            self.counters.add("stream records reordered", len(records))
            self.random.shuffle(records)
        batch = records[: self.random.randint(1, 20)] if not self.is_draining else list(records)
        comes_twice = not self.is_draining and self.random.random() < 0.2

        def settle(answer: Any) -> None:
            if answer is None or answer["batchItemFailures"]:
                return
            if comes_twice:
                self.counters.add("stream records sent twice", len(batch))
                return
            for record in batch:
                if record in records:
                    records.remove(record)

        self.invoke("PublishChanges", {"Records": batch}, settle)

    def update_stats(self) -> None:
        """Some of the stream's records go to update_stats, in any order, some twice. None is lost."""
        records = self.transit.stats_records
        if not records:
            return
        if not self.is_draining:
            self.random.shuffle(records)
        batch = list(records) if self.is_draining else records[: self.random.randint(1, 20)]
        comes_twice = not self.is_draining and self.random.random() < 0.3

        def settle(answer: Any) -> None:
            if answer is None or answer["batchItemFailures"] or comes_twice:
                return
            for record in batch:
                if record in records:
                    records.remove(record)

        self.invoke("UpdateStats", {"Records": batch}, settle)

    def deliver(self) -> None:
        """A visible message goes to its worker; some are delivered twice, some are lost."""
        visible = self.transit.visible()
        if not visible:
            return
        message = visible[0] if self.is_draining else self.random.choice(visible)
        if not self.is_draining and self.random.random() < 0.03:
            self.counters.add("queue messages lost")
            self.transit.messages.remove(message)
            return
        self.give(message)

    def give(self, message: QueueMessage, fault_plan: FaultPlan | None = None) -> None:
        """A worker processes a message, with a random fault plan or with this one."""
        comes_twice = not self.is_draining and self.random.random() < 0.3
        again = self.transit.copy(message) if comes_twice else None
        self.transit.take(message)
        frozen = len(self.harness.frozen)
        if fault_plan is None and comes_twice and self.random.random() < 0.6:
            fault_plan = FaultPlan(frozen_at=self.random.randint(1, STEPS))
        self.invoke(
            message.function,
            message.event(),
            lambda answer: self.transit.settle(message, answer),
            fault_plan,
            lead_id=message.lead_id,
        )
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

    def tick(self) -> None:
        """A schedule calls its function."""
        function = self.random.choice([*schedules().values(), "FindDue", "FindDue", "SyncAccounts"])
        self.counters.add(f"{function} called by its schedule")
        self.invoke(function, {}, lambda _: None)

    def advance_time(self) -> None:
        """Half a second to half an hour passes."""
        self.time.advance(self.random.choice([0.5, 1, 1, 2, 2, 5, 5, 10, 20, 30, 70, 400, 2000]))

    def resume(self) -> None:
        """A frozen worker continues, if Lambda has not stopped it."""
        if self.harness.frozen:
            self.harness.resume(self.random.choice(self.harness.frozen))

    def break_partner(self) -> None:
        """Arm a fault of a partner, for one or a few calls."""
        partner, operation, name, order = fault(self.random, DOWN)
        self.partner.arm(partner, operation, order, times=self.random.randint(1, 3))
        self.counters.add(f"{partner} {name}")

    def rotate(self) -> None:
        if self.random.random() < 0.5:
            self.counters.add(f"secret of {self.secrets.rotate_source()} rotated")
        elif self.secrets.late:
            self.secrets.put_late()
        else:
            self.counters.add(f"secret of {self.secrets.rotate_partner()} rotated")

    def restart(self) -> None:
        """A function's execution environment is replaced by a new one."""
        self.stack.restart(self.random.choice(list(self.stack._modules) or [""]))

    def invoke(
        self,
        function: str,
        event: dict[str, Any],
        settle: Callable[[Any], None],
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
            self.faulted_posts += worker.was_faulted and function == "ReceiveLead"
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

    def post_leads(self, leads: int) -> None:
        """Random events, until this number of leads was posted."""
        events = {
            self.deliver: 34,
            self.publish: 18,
            self.update_stats: 6,
            self.advance_time: 14,
            self.post_again: 5,
            self.resume: 8,
            self.tick: 6,
            self.break_partner: 5,
            self.scenarios.refuse: 2,
            self.scenarios.next_outage: 2,
            self.scenarios.flip_status: 5,
            self.scenarios.correct: 6,
            self.scenarios.give_by_hand: 2,
            self.scenarios.switch_bus: 1,
            self.operator.act: 6,
            self.rotate: 1,
            self.restart: 2,
        }
        for _ in range(leads):
            self.new_lead()
            for action in self.random.choices(list(events), list(events.values()), k=26):
                action()
                self.transit.collect()
