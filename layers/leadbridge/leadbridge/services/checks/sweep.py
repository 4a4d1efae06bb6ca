"""Queue the status checks of one partner that are due."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import batched
from typing import TYPE_CHECKING, Protocol

from leadbridge.services.checks.batch import BATCH
from leadbridge.services.checks.plan import (
    MILLISECOND,
    DueRange,
    Schedule,
    Watermarks,
    advance,
    due_ranges,
    oldest_due_seconds,
    start,
)

if TYPE_CHECKING:
    from leadbridge.storage.queries.check_progress import CheckProgress
    from leadbridge.storage.queries.due_items import FollowedDeal

# Ranges that a run reads, each with one query per shard. The rest waits for the next run. All ages become due together
# at an opening: the 300 of a schedule of ten years would take about as long as an invocation may, and a run that does
# not end stores no watermark.
MAX_RANGES = 40
MAX_SAME_MOMENT = 10_000  # deals that began to be followed in one millisecond

type ReadDeals = Callable[[datetime, datetime, int], Iterator[FollowedDeal]]
"""Returns the followed deals of a range, oldest first: after (exclusive), until (inclusive), limit."""

type SendBatches = Callable[[Sequence[Sequence[str]]], None]
"""Sends batches of leads to the queue. Raises Contended if SQS did not accept all."""


class ProgressStore(Protocol):
    """The repository of a partner's watermarks."""

    def load(self) -> CheckProgress:
        """Return the progress; an empty one before the first run."""
        ...

    def save(self, before: CheckProgress, watermarks: Watermarks) -> None:
        """Store new watermarks, unless another run was faster."""
        ...


@dataclass(frozen=True)
class CheckSweep:
    """Sends the due checks of a partner to the queue, and advances the watermarks afterwards.

    If a run stops in between, the next one sends some deals again. That is harmless: a check is safe to repeat.
    """

    schedule: Schedule
    progress: ProgressStore
    read: ReadDeals
    send: SendBatches
    margin: timedelta

    def run(self, now: datetime, max_batches: int) -> tuple[int, float]:
        """Send up to `max_batches` batches. Raises Contended.

        Returns the number sent, and by how many seconds the latest check is late afterwards. What does not fit, or is
        beyond `MAX_RANGES`, stays behind the watermarks.
        """
        before = self.progress.load()
        watermarks = start(self.schedule, before.watermarks, now, self.margin)
        ranges = due_ranges(self.schedule, watermarks, now, self.margin)[:MAX_RANGES]
        sent, unsent, reached = 0, list[str](), list[tuple[DueRange, datetime]]()
        try:
            for one in ranges:
                deals, until = self._deals(one, max(0, (max_batches - sent) * BATCH - len(unsent)))
                unsent += deals
                reached.append((one, until))
                if len(unsent) < BATCH and one is not ranges[-1]:
                    continue  # small ranges share a batch
                batches = list(batched(unsent, BATCH, strict=False))
                self.send(batches)
                sent += len(batches)
                for done, done_until in reached:
                    watermarks = advance(watermarks, done, done_until)
                unsent, reached = [], []
        finally:
            if watermarks != before.watermarks:
                self.progress.save(before, watermarks)
        return sent, oldest_due_seconds(self.schedule, watermarks, now, self.margin)

    def _deals(self, one: DueRange, room: int) -> tuple[list[str], datetime]:
        """Return the first deals of a range, about `room` of them, and the moment up to which they are all.

        Without room the moment is that before the first deal, so that a range without deals is never late.
        """
        found = list(self.read(one.after, one.until, room + 1))
        if len(found) <= room:
            return [deal.lead_id for deal in found], one.until
        until = found[-1].followed_since - MILLISECOND
        if room and found[0].followed_since > until:  # more than `room` deals of one moment
            until = found[0].followed_since
            found = list(self.read(one.after, until, MAX_SAME_MOMENT))
        return [deal.lead_id for deal in found if deal.followed_since <= until], until
