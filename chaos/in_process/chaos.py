"""What happens in one run: as many turns as there are leads, in each turn some things at once, then the drain."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from random import Random
from typing import Any

from chaos.books import Books, Posted
from chaos.calm import questions
from chaos.in_process.operator import Operator
from chaos.in_process.queues import Held, Transit
from chaos.in_process.secrets import Secrets
from chaos.in_process.stage import INVOCATION, Fate, Stage, Time, Worker
from chaos.partner_faults import DOWN, fault
from chaos.people import META, Post, posts
from chaos.reading import Stores, read
from chaos.settling import unsettled
from chaos.tally import Tally
from leadbridge import aws, settings
from leadbridge.clock import from_text
from sandbox.remote import Remote
from tests.moto_stack import MotoStack
from tests.wiring import schedules

PACE = 20.0  # seconds that a deal stays in one status
STEPS = 18  # of a worker, at which something may befall it
DEAD_LETTERS = {
    "submit-leadleader": "SubmitDeadLetterQueue",
    "submit-matchtrade": "AccountDeadLetterQueue",
    "messages": "MessageDeadLetterQueue",
    "fetch": "FetchDeadLetterQueue",
    "checks": "CheckDeadLetterQueue",
    "events": "EventDeadLetterQueue",
}
EVERY_MINUTE = timedelta(minutes=1)
DRAIN = 1000  # rounds after which something goes in circles
ERASURES = 20  # how often one that does not succeed in calm is tried


class Chaos:
    """One stack, its partners, and all that happens to them."""

    def __init__(self, stack: MotoStack, partner: Remote, time: Time, seed: int) -> None:
        self.stack, self.partner, self.time = stack, partner, time
        self.random, self.tally = Random(seed), Tally()
        self.transit = Transit(stack, time)
        self.stage = Stage(time, self.transit.hides)
        self.secrets = Secrets(stack, partner, self.random)
        self.operator = Operator(self)
        self.posts: Iterator[Post] = posts(self.random, f"{seed & 0xFFFFFF:x}")
        self.posted: list[Posted] = []
        self.sent: list[Post] = []
        self.unanswered: list[Post] = []
        self.struck_posts = 0
        self.is_calm = False

    # What happens

    def new_lead(self) -> None:
        """Somebody fills in a form."""
        post = next(self.posts)
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
            assert answer["statusCode"] in {200, 202}, answer
            content = json.loads(answer["body"])
            for lead_id in content.get("lead_ids") or [content["lead_id"]]:
                self.posted.append(Posted(post.post_id, lead_id, post.visitor.phone, post.visitor.email))
            if post in self.unanswered:
                self.unanswered.remove(post)

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

    def give(self, message: Held) -> None:
        """A worker works on a message."""
        comes_twice = not self.is_calm and self.random.random() < 0.3
        again = self.transit.copy(message) if comes_twice else None
        self.transit.take(message)
        frozen = len(self.stage.frozen)
        fate = Fate(frozen_at=self.random.randint(1, STEPS)) if comes_twice and self.random.random() < 0.6 else None
        self.invoke(message.function, message.event(), lambda answer: self.transit.settle(message, answer), fate)
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
        function = self.random.choice([*schedules().values(), "FindDue", "FindDue", "SyncMatchtrade"])
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
        self, function: str, event: dict[str, Any], settle: Callable[[Any], None], fate: Fate | None = None
    ) -> None:
        """Call a function with an event."""
        self.work(function, lambda: self.stack.invoke(function, event), settle, fate)

    def work(
        self,
        function: str,
        run: Callable[[], Any],
        settle: Callable[[Any], None],
        fate: Fate | None = None,
        *,
        name: str | None = None,
    ) -> None:
        """Have a worker do something, and die or freeze over it as the seed has it, or as its fate is.

        What goes wrong otherwise is noted, as the failure of what `name` says.
        """

        def end(worker: Worker) -> None:
            if worker.failure is not None:
                self.tally.fail(name or function, worker.failure)
            self.struck_posts += worker.was_struck and function == "ReceiveLead"
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
        if self.is_calm or drawn > 0.35:
            return Fate()
        if drawn < 0.15:
            return Fate(killed_at=self.random.randint(1, STEPS))
        if drawn < 0.27:
            self.tally.add("workers frozen at some step")
            return Fate(frozen_at=self.random.randint(1, STEPS))
        self.tally.add("calls to AWS that are not answered")
        return Fate(unanswered_at=self.random.randint(1, STEPS // 2), took_place=self.random.random() < 0.5)

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
            self.operator.acts: 6,
            self.rotate: 1,
            self.restart: 2,
        }
        for _ in range(leads):
            self.new_lead()
            for action in self.random.choices(list(happens), list(happens.values()), k=24):
                action()
                self.transit.collect()

    # Until it is quiet

    def drain(self) -> None:
        """Nothing goes wrong any more, and time passes, until everything has ended; then operators ask in calm."""
        self.is_calm = True
        for worker in list(self.stage.frozen):
            self.stage.thaw(worker, kill=self.random.random() < 0.5)
        self.partner.disarm()
        self.secrets.put_late()
        if self.random.random() < 0.5:
            self.operator.redrive_all()
        self.come_to_rest()
        for question in questions(self.books(), self.random, self.operator.truth):
            self.operator.ask(question)
        self.come_to_rest()

    def come_to_rest(self) -> None:
        """Let time pass until nothing moves; if it does for ever, the books tell what."""
        looked_at, erasures = self.time.now, 0
        for _ in range(DRAIN):
            self.transit.collect()
            if self.time.now - looked_at >= EVERY_MINUTE:
                looked_at = self.time.now
                self.invoke("FindDue", {}, lambda _: None)
            if self.transit.records:
                self.announce()
            elif self.transit.visible():
                self.deliver()
            elif self.unanswered:
                self.time.pass_(6)  # a secret is read anew every few seconds at most
                self.post(self.unanswered[0])
            elif self.transit.messages:
                self.time.now = max(self.time.now, min(message.visible_at for message in self.transit.messages))
            elif self.operator.to_be_erased and erasures < ERASURES:
                erasures += 1
                self.time.pass_(PACE)
                self.operator.erase_the_rest()
            elif self.waits_for_what_is_due():
                self.invoke("FindDue", {}, lambda _: None)
                self.invoke("SyncMatchtrade", {}, lambda _: None)
            else:
                self.time.pass_(60)  # letters that somebody held are there again
                return
        self.tally.fail("the run", f"is not quiet after {DRAIN} rounds")

    def waits_for_what_is_due(self) -> bool:
        """Let time pass until the next status, or, where only lost messages are waited for, until they are missed.

        Whether there is anything to wait for.
        """
        books = self.books()
        moving = unsettled(books).total()
        if not moving:
            return False
        waits = [values["due_at"] for values in books.table if values.get("state") in {"received", "pending"}]
        soonest = from_text(min(waits)) if waits and moving <= len(waits) else self.time.now
        self.time.now = max(soonest, self.time.now + timedelta(seconds=PACE))
        return True

    def books(self) -> Books:
        """The books as they are now."""
        stores = Stores(
            aws.dynamodb(),
            aws.sqs(),
            "Leads",
            {},
            {name: self.stack.ref(queue) for name, queue in DEAD_LETTERS.items()},
        )
        waiting = {"stream": len(self.transit.records)}
        for message in self.transit.messages:
            waiting[message.queue] = waiting.get(message.queue, 0) + 1
        return read(
            stores,
            self.partner,
            self.posted,
            settings.settings().sources,
            waiting,
            to_be_erased=frozenset(self.operator.erased),
            failures=dict(self.tally.failures),
            under_way=timedelta(seconds=INVOCATION),
            struck_posts=self.struck_posts,
        )
