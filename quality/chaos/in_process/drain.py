"""The end of a run in one process: time passes until nothing moves, then an operator probes every route."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from leadbridge import settings
from leadbridge.domain.clock import from_text
from leadbridge.runtime import aws
from leadbridge.storage import items
from quality.chaos.final_probe import CHECK, probes
from quality.chaos.in_process.chaos import PACE, Chaos
from quality.chaos.in_process.harness import INVOCATION
from quality.chaos.partner_statuses import is_followed
from quality.chaos.reading import Stores, all_partner_records, read
from quality.chaos.reconciliation import Snapshot
from quality.chaos.settling import unsettled
from quality.testkit.aws.memory_dynamodb import memory_table
from quality.testkit.wiring import queues

EVERY_MINUTE = timedelta(minutes=1)
SHORTEST_WINDOW = timedelta(hours=1)  # of a cap
MAX_ROUNDS = 5000  # a day of waiting for a cap is several hundred
MAX_TIME = timedelta(days=20)  # with a cap of some leads a day
MAX_WAITS = 200  # for the same things; those for a daily cap and its repeats are up to seventy a day
MAX_CHECK_WAIT = timedelta(days=4)  # about what `MAX_WAITS` take; an operator checks what the product checks later
MAX_ERASURES = 20  # without faults
WITHOUT_BUS = 0.25  # the share of runs in which the event bus stays off until everything has ended


class MemoryStores(Stores):
    """Reads the items directly, which is faster than a scan."""

    def table_items(self) -> Iterator[dict[str, Any]]:
        yield from map(items.decode, list(memory_table(self.table).items.values()))


class Drain:
    def __init__(self, run: Chaos) -> None:
        self.run = run
        dead_letters = {name: run.stack.ref(queue) for name, queue in queues("DEAD_LETTER_QUEUES").items()}
        self.waits, self.waited_for = 0, Counter[str]()
        self.stores = MemoryStores(aws.dynamodb(), aws.sqs(), "Leads", {}, dead_letters)

    def drain(self) -> Snapshot:
        """Stop the faults, let time pass until everything has settled, then probe every route.

        Returns the snapshot before the probes, because they resolve some failures. In some runs the event bus stays
        off, so that find_due must process everything.
        """
        run = self.run
        run.is_draining = True
        for worker in list(run.harness.frozen):
            run.harness.resume(worker, kill=run.random.random() < 0.5)
        run.partner.disarm()
        run.refusals.arm_again()
        run.secrets.put_late()
        run.operator.resume_all()
        if run.random.random() < 0.5:
            run.operator.redrive_all()
        run.harness.bus_is_off = run.random.random() < WITHOUT_BUS
        if run.harness.bus_is_off:
            run.counters.add("runs that ended without the event bus")
        self.wait_until_settled()
        run.harness.bus_is_off = False
        snapshot = self.snapshot()
        for probe in probes(snapshot, run.random, run.operator.find_at_partner, run.operator.correction_body):
            run.operator.probe(probe)
        self.wait_until_settled()
        return snapshot

    def wait_until_settled(self) -> None:
        """Let time pass until nothing moves, or until a limit; then the checks report what still moves."""
        run = self.run
        began_at = looked_at = run.time.now
        erasures = 0
        self.waits, self.waited_for = 0, Counter()
        for _ in range(MAX_ROUNDS):
            if run.time.now - began_at > MAX_TIME or self.waits > MAX_WAITS:
                break
            run.transit.collect()
            if run.time.now - looked_at >= EVERY_MINUTE:
                looked_at = run.time.now
                run.invoke("FindDue", {}, lambda _: None)
            if run.transit.stats_records:
                run.update_stats()
            elif run.transit.records:
                run.publish()
            elif run.transit.visible():
                run.deliver()
            elif run.unanswered:
                run.time.advance(6)  # a secret is read once in a few seconds at most
                run.post(run.unanswered[0])
            elif run.operator.to_be_erased and erasures < MAX_ERASURES:
                erasures += 1
                run.time.advance(PACE)
                run.operator.erase_the_rest()
            elif run.transit.messages:
                run.time.now = max(run.time.now, min(message.visible_at for message in run.transit.messages))
            elif self._wait_for_due():
                run.invoke("FindDue", {}, lambda _: None)
                run.invoke("SyncAccounts", {}, lambda _: None)
            else:
                run.time.advance(60)  # hidden dead letters become visible
                return
        run.counters.fail("the run", f"is not settled: {', '.join(unsettled(self._moving()))}")

    def _wait_for_due(self) -> bool:
        """Let time pass until the next status, or until lost messages are due. Returns False if nothing is pending."""
        snapshot = self._moving()
        moving = unsettled(snapshot)
        if not moving:
            return False
        self.waits = self.waits + 1 if moving == self.waited_for else 0
        self.waited_for = moving
        self._check_old_deals(snapshot)
        waits = [self._ends_at(values) for values in snapshot.table if values.get("state") in {"received", "pending"}]
        soonest = min(waits) if waits and moving.total() <= len(waits) else self.run.time.now
        self.run.time.now = max(soonest, self.run.time.now + timedelta(seconds=PACE) * (1 + self.waits))
        return True

    def _check_old_deals(self, snapshot: Snapshot) -> None:
        """Have an operator check the changed statuses of deals whose next check is further away than `MAX_CHECK_WAIT`.

        A deal that the run has aged by months is checked at twice its age.
        """
        for record in snapshot.leads.values():
            for delivery in record.deliveries.values():
                made = snapshot.partner_record_of(delivery)
                if not is_followed(delivery) or made is None or made.status in {None, delivery.partner_status}:
                    continue
                schedule = settings.settings().partners[delivery.partner].check_schedule
                if schedule is None or delivery.followed_since is None:
                    continue
                next_check = schedule.next_check(delivery.followed_since, self.run.time.now)
                if next_check is None or next_check - self.run.time.now > MAX_CHECK_WAIT:
                    self.run.counters.add("old deals that an operator checked")
                    place = {"lead_id": delivery.lead_id, "partner": delivery.partner}
                    self.run.operator.call("POST", CHECK, place=place)

    def _ends_at(self, values: dict[str, Any]) -> datetime:
        """When a wait ends. After a wait that has ended the cap is full again, so the next window is tried."""
        if "waiting_until" not in values:
            return from_text(values["due_at"])
        until = from_text(values["waiting_until"])
        return until if until > self.run.time.now else self.run.time.now + SHORTEST_WINDOW

    def _moving(self) -> Snapshot:
        """The part of the snapshot that shows what moves."""
        partner = self.run.partner
        table, made = list(self.stores.table_items()), list(all_partner_records(partner))
        return Snapshot([], table, partner_records=made, queue_sizes=self._waiting())

    def _waiting(self) -> dict[str, int]:
        waiting = Counter(message.queue for message in self.run.transit.messages)
        transit = self.run.transit
        return {"stream": len(transit.records), "stream of statistics": len(transit.stats_records), **waiting}

    def snapshot(self) -> Snapshot:
        run = self.run
        return read(
            self.stores,
            run.partner,
            run.posted,
            settings.settings(),
            self._waiting(),
            to_be_erased=frozenset(run.operator.erased),
            failures=dict(run.counters.failures),
            send_window=timedelta(seconds=INVOCATION),
            faulted_posts=run.faulted_posts,
            creates=run.creates,
            now=run.time.now,
            index_key=run.stack.secret("index")["key"],
            expired=frozenset(run.operator.expired),
            posts=frozenset(post.post_id for post in run.sent),
            refused=list(run.refused.values()),
            corrections=list(run.operator.corrections.made),
            pauses=list(run.operator.pauses),
            added_partners=list(run.operator.added_partners),
            overwritten=list(run.transit.overwritten),
        )
