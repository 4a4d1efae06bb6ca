"""After the last fault: time passes until nothing moves, then operators call every route."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from moto.dynamodb.models import dynamodb_backends

from leadbridge import settings
from leadbridge.domain.clock import from_text
from leadbridge.runtime import aws
from leadbridge.storage import items
from quality.chaos.final_probe import questions
from quality.chaos.in_process.chaos import PACE, Chaos
from quality.chaos.in_process.stage import INVOCATION
from quality.chaos.reading import Stores, all_made, read
from quality.chaos.reconciliation import Books
from quality.chaos.settling import unsettled
from quality.testkit.aws.moto_stack import ACCOUNT, REGION
from quality.testkit.wiring import queues

EVERY_MINUTE = timedelta(minutes=1)
DRAIN = 1000  # rounds after which something goes in circles
LONGEST_REST = timedelta(days=2)  # after which whatever still moves never ends
MOST_WAITS = 60  # so many times is waited for the same things
ERASURES = 20  # how often one that does not succeed in calm is tried
WITHOUT_BUS = 0.25  # the share of runs in which the event bus stays off until everything has ended


class MotoStores(Stores):
    """The stores of a run, read past the API: a scan takes moto longer than all else that a run does."""

    def table_items(self) -> Iterator[dict[str, Any]]:
        """Every item, decoded."""
        for item in dynamodb_backends[ACCOUNT][REGION].get_table(self.table).all_items():
            yield items.decode({name: value.to_regular_json() for name, value in item.attrs.items()})


class Drain:
    """Brings one run to its end."""

    def __init__(self, run: Chaos) -> None:
        self.run = run
        letters = {name: run.stack.ref(queue) for name, queue in queues("DEAD_LETTER_QUEUES").items()}
        self.waits, self.waited_for = 0, Counter[str]()
        self.stores = MotoStores(aws.dynamodb(), aws.sqs(), "Leads", {}, letters)

    def drain(self) -> Books:
        """Nothing goes wrong any more, and time passes, until everything has ended; then operators ask in calm.

        Returns the books before they ask, because their questions settle some of what went wrong. In some runs the
        event bus stays off: then everything must end by the sweep over what is due.
        """
        run = self.run
        run.is_calm = True
        for worker in list(run.stage.frozen):
            run.stage.thaw(worker, kill=run.random.random() < 0.5)
        run.partner.disarm()
        run.refusals.arm_again()
        run.secrets.put_late()
        if run.random.random() < 0.5:
            run.operator.redrive_all()
        run.stage.bus_is_off = run.random.random() < WITHOUT_BUS
        if run.stage.bus_is_off:
            run.tally.add("runs that ended without the event bus")
        self.come_to_rest()
        run.stage.bus_is_off = False
        books = self.books()
        for question in questions(books, run.random, run.operator.truth):
            run.operator.ask(question)
        self.come_to_rest()
        return books

    def come_to_rest(self) -> None:
        """Let time pass until nothing moves; if it does for ever, the books tell what."""
        run = self.run
        began_at = looked_at = run.time.now
        erasures = 0
        self.waits, self.waited_for = 0, Counter()
        for _ in range(DRAIN):
            if run.time.now - began_at > LONGEST_REST or self.waits > MOST_WAITS:
                break
            run.transit.collect()
            if run.time.now - looked_at >= EVERY_MINUTE:
                looked_at = run.time.now
                run.invoke("FindDue", {}, lambda _: None)
            if run.transit.records:
                run.announce()
            elif run.transit.visible():
                run.deliver()
            elif run.unanswered:
                run.time.pass_(6)  # a secret is read once in a few seconds at most
                run.post(run.unanswered[0])
            elif run.transit.messages:
                run.time.now = max(run.time.now, min(message.visible_at for message in run.transit.messages))
            elif run.operator.to_be_erased and erasures < ERASURES:
                erasures += 1
                run.time.pass_(PACE)
                run.operator.erase_the_rest()
            elif self._waits_for_what_is_due():
                run.invoke("FindDue", {}, lambda _: None)
                run.invoke("SyncAccounts", {}, lambda _: None)
            else:
                run.time.pass_(60)  # letters that somebody held are there again
                return
        run.tally.fail("the run", f"is not quiet: {', '.join(unsettled(self._what_moves()))}")

    def _waits_for_what_is_due(self) -> bool:
        """Let time pass until the next status, or, where only lost messages are waited for, until they are missed.

        Whether there is anything to wait for.
        """
        books = self._what_moves()
        moving = unsettled(books)
        if not moving:
            return False
        self.waits = self.waits + 1 if moving == self.waited_for else 0
        self.waited_for = moving
        waits = [values["due_at"] for values in books.table if values.get("state") in {"received", "pending"}]
        soonest = from_text(min(waits)) if waits and moving.total() <= len(waits) else self.run.time.now
        self.run.time.now = max(soonest, self.run.time.now + timedelta(seconds=PACE))
        return True

    def _what_moves(self) -> Books:
        """The part of the books that says what still moves, which is read often."""
        partner = self.run.partner
        table, made = list(self.stores.table_items()), list(all_made(partner))
        return Books([], table, made=made, waiting=self._waiting())

    def _waiting(self) -> dict[str, int]:
        waiting = Counter(message.queue for message in self.run.transit.messages)
        return {"stream": len(self.run.transit.records), **waiting}

    def books(self) -> Books:
        """The books as they are now."""
        run = self.run
        return read(
            self.stores,
            run.partner,
            run.posted,
            settings.settings(),
            self._waiting(),
            to_be_erased=frozenset(run.operator.erased),
            failures=dict(run.tally.failures),
            under_way=timedelta(seconds=INVOCATION),
            struck_posts=run.struck_posts,
            creates=run.creates,
            now=run.time.now,
            index_key=run.stack.secret("index")["key"],
            expired=frozenset(run.operator.expired),
        )
