"""What happens in one run: as many turns as there are leads, in each turn some things at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any

from devstack.sandbox.profile import profiles
from devstack.sandbox.remote import Remote
from quality.chaos.counters import Tally
from quality.chaos.in_process.aws_faults import Throttling
from quality.chaos.in_process.operator import Operator
from quality.chaos.in_process.queues import Held, Transit
from quality.chaos.in_process.scenes import Scenes
from quality.chaos.in_process.secrets import Secrets
from quality.chaos.in_process.stage import Fate, Stage, Time, Worker
from quality.chaos.partner_faults import DOWN, Refusals, fault
from quality.chaos.people import META, SOURCES, Post, posts
from quality.chaos.reconciliation import Create, Posted
from quality.testkit.aws.moto_stack import MotoStack
from quality.testkit.wiring import schedules

PACE = 20.0  # seconds that a deal stays in one status
STEPS = 18  # of a worker, at which something may befall it


class Chaos:
    """One stack, its partners, and all that happens to them.

    `ordered` are the sources with an order of partners. `sources` says how often each is posted to.
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
        self.random, self.tally = Random(seed), Tally()
        self.transit = Transit(stack, time)
        self.stage = Stage(time, self.transit.hides, self.note_create, Random(seed + 1), Random(seed + 2))
        self.refusals = Refusals(partner)
        self.scenes = Scenes(self)
        self.creates: list[Create] = []
        self._numbers = dict.fromkeys(profiles(), 0)
        self.secrets = Secrets(stack, partner, self.random)
        self.operator = Operator(self)
        self.posts: Iterator[Post] = posts(self.random, f"{seed & 0xFFFFFF:x}", ordered, sources)
        self.posted: list[Posted] = []
        self.sent: list[Post] = []
        self.unanswered: list[Post] = []
        self.struck_posts = 0
        self.is_calm = False

    # What happens

    def new_lead(self) -> None:
        """Somebody fills in a form."""
        post = next(self.posts)
        self.refusals.add(post.visitor)
        if post.source == META:
            self.partner.add_lead(post.visitor.at_meta(), leadgen_id=post.visitor.leadgen_id)
        elif self.random.random() < 0.5:
            self.partner.add_person(post.visitor.name, phone=post.visitor.phone, accounts=["TELEGRAM"])
        self.sent.append(post)
        self.unanswered.append(post)
        self.tally.add("forms posted")
        self.post(post)

    def post(self, post: Post) -> None:
        """A form posts, and hears an answer or none."""
        request = post.proven(self.secrets.of(post.source), self.time.now)
        event: dict[str, Any] = {
            "headers": request.headers,
            "pathParameters": {"source": post.source},
            "queryStringParameters": request.query or None,
        }

        def hear(answer: Any) -> None:
            if answer is None or answer["statusCode"] in {401, 429, 500, 503}:
                return
            if post in self.unanswered:
                self.unanswered.remove(post)
            if answer["statusCode"] not in {200, 202}:
                self.tally.fail("ReceiveLead", f"answered {answer['statusCode']}: {answer['body']}")
                return
            content = json.loads(answer["body"])
            for lead_id in content.get("lead_ids") or [content["lead_id"]]:
                self.posted.append(Posted.of(post, lead_id))

        body = request.body.decode()
        self.work("ReceiveLead", lambda: self.stack.ask("POST", "/webhooks/{source}", body, **event), hear)

    def post_again(self) -> None:
        """A form sends what it had no answer to, or what was taken long ago."""
        if self.sent:
            self.tally.add("forms posted again")
            self.post(self.random.choice(self.unanswered or self.sent))

    def announce(self) -> None:
        """The stream's next records go to publish_changes; some come twice, in another order, or never."""
        records = self.transit.records
        if not records:
            return
        if not self.is_calm and self.random.random() < 0.05:
            self.tally.add("stream records lost", len(records))
            records.clear()
            return
        if not self.is_calm and self.random.random() < 0.2:
            self.tally.add("stream records reordered", len(records))
            self.random.shuffle(records)
        batch = records[: self.random.randint(1, 20)] if not self.is_calm else list(records)
        comes_twice = not self.is_calm and self.random.random() < 0.2

        def settle(answer: Any) -> None:
            if answer is None or answer["batchItemFailures"]:
                return
            if comes_twice:
                self.tally.add("stream records sent twice", len(batch))
                return
            for record in batch:
                if record in records:
                    records.remove(record)

        self.invoke("PublishChanges", {"Records": batch}, settle)

    def deliver(self) -> None:
        """Some message that can be seen goes to its worker, whichever comes first; some come twice, some are lost."""
        visible = self.transit.visible()
        if not visible:
            return
        message = visible[0] if self.is_calm else self.random.choice(visible)
        if not self.is_calm and self.random.random() < 0.03:
            self.tally.add("queue messages lost")
            self.transit.messages.remove(message)
            return
        self.give(message)

    def give(self, message: Held, fate: Fate | None = None) -> None:
        """A worker works on a message, with a fate of its own, or with this one."""
        comes_twice = not self.is_calm and self.random.random() < 0.3
        again = self.transit.copy(message) if comes_twice else None
        self.transit.take(message)
        frozen = len(self.stage.frozen)
        if fate is None and comes_twice and self.random.random() < 0.6:
            fate = Fate(frozen_at=self.random.randint(1, STEPS))
        self.invoke(
            message.function,
            message.event(),
            lambda answer: self.transit.settle(message, answer),
            fate,
            lead_id=message.lead_id,
        )
        if again is not None:
            self.tally.add("queue messages sent twice")
            if len(self.stage.frozen) > frozen and again in self.transit.messages:
                self._meet(self.stage.frozen[-1], again)

    def _meet(self, first: Worker, again: Held) -> None:
        """A second worker has the same message while the first one stands still in the middle of it."""
        self.tally.add("workers that met at one message")
        self.time.pass_(self.random.choice([0, 0, 1, 5, 21, 30]))
        self.give(again)
        if first in self.stage.frozen and self.random.random() < 0.7:
            self.stage.thaw(first)

    def tick(self) -> None:
        """A schedule strikes, at whatever moment."""
        function = self.random.choice([*schedules().values(), "FindDue", "FindDue", "SyncAccounts"])
        self.tally.add(f"{function} called by its schedule")
        self.invoke(function, {}, lambda _: None)

    def let_time_pass(self) -> None:
        """A moment, a minute, or an hour passes."""
        self.time.pass_(self.random.choice([0.5, 1, 1, 2, 2, 5, 5, 10, 20, 30, 70, 400, 2000]))

    def thaw(self) -> None:
        """A frozen worker goes on, if Lambda has not stopped it."""
        if self.stage.frozen:
            self.stage.thaw(self.random.choice(self.stage.frozen))

    def break_partner(self) -> None:
        """A partner does something wrong, once or a few times."""
        partner, operation, name, order = fault(self.random, DOWN)
        self.partner.arm(partner, operation, order, times=self.random.randint(1, 3))
        self.tally.add(f"{partner} {name}")

    def rotate(self) -> None:
        """Secrets change."""
        if self.random.random() < 0.5:
            self.tally.add(f"secret of {self.secrets.rotate_source()} rotated")
        elif self.secrets.late:
            self.secrets.put_late()
        else:
            self.tally.add(f"secret of {self.secrets.rotate_partner()} rotated")

    def restart(self) -> None:
        """A function's worker is replaced by a new one, which knows nothing."""
        self.stack.restart(self.random.choice(list(self.stack._modules) or [""]))

    # How it happens

    def invoke(
        self,
        function: str,
        event: dict[str, Any],
        settle: Callable[[Any], None],
        fate: Fate | None = None,
        *,
        lead_id: str | None = None,
    ) -> None:
        """Call a function with an event."""
        self.work(function, lambda: self.stack.invoke(function, event), settle, fate, lead_id=lead_id)

    def work(
        self,
        function: str,
        run: Callable[[], Any],
        settle: Callable[[Any], None],
        fate: Fate | None = None,
        *,
        name: str | None = None,
        lead_id: str | None = None,
    ) -> None:
        """Have a worker do something, and die or freeze over it as the seed has it, or as its fate is.

        What goes wrong otherwise is noted, as the failure of what `name` says. `lead_id` is the lead that it is about.
        """

        def end(worker: Worker) -> None:
            if worker.failure is not None:
                self.tally.fail(name or function, worker.failure)
            self.struck_posts += worker.was_struck and function == "ReceiveLead"
            for partner, number, is_answered in worker.creates:
                is_heard = is_answered and not worker.died
                self.creates.append(Create(lead_id or "", partner, number, is_heard=is_heard))
            if worker.was_throttled:
                self.tally.add("workers whose calls to AWS were throttled")
            if worker.died:
                self.tally.add(f"{function} killed")
                self.stack.restart(function)
            self.stack._function = None
            settle(worker.answer)

        self.stage.work(Worker(function, self.time.seconds(), fate or self.fate(), run, end))
        self.transit.collect()

    def fate(self) -> Fate:
        """What befalls a worker."""
        drawn = self.random.random()
        if self.is_calm or drawn > 0.44:
            return Fate()
        if drawn < 0.13:
            return Fate(killed_at=self.random.randint(1, STEPS))
        if drawn < 0.24:
            self.tally.add("workers frozen at some step")
            return Fate(frozen_at=self.random.randint(1, STEPS))
        if drawn < 0.37:
            return Fate(throttling=Throttling.drawn(self.random))
        self.tally.add("calls to AWS that are not answered")
        return Fate(unanswered_at=self.random.randint(1, STEPS // 2), took_place=self.random.random() < 0.5)

    def note_create(self, worker: Worker, partner: str, is_answered: bool) -> None:
        """Note by its number in the partner's log that a create call is over, and whether its answer came back."""
        for call in self.partner.calls(partner, "create", since=self._numbers[partner]):
            self._numbers[partner] = call["number"]
            worker.creates.append((partner, call["number"], is_answered))

    def turns(self, leads: int) -> None:
        """All that happens, until so many leads were posted."""
        happens = {
            self.deliver: 34,
            self.announce: 18,
            self.let_time_pass: 14,
            self.post_again: 5,
            self.thaw: 8,
            self.tick: 6,
            self.break_partner: 5,
            self.scenes.refuse: 2,
            self.scenes.flip_status: 5,
            self.scenes.switch_bus: 1,
            self.operator.acts: 6,
            self.rotate: 1,
            self.restart: 2,
        }
        for _ in range(leads):
            self.new_lead()
            for action in self.random.choices(list(happens), list(happens.values()), k=26):
                action()
                self.transit.collect()
