"""How a partner's list is gone through: three kinds of passes, in windows, and where each of them stands.

incremental   from the watermark less an overlap; when it has come to its end, the watermark is its beginning
rolling       the accounts of the last days, in every run (not where the list filters on changes)
whole         all there ever were, every few hours, so that a change of an old account is noticed under either reading

A pass that a run cannot end goes on in the next one, from the page where it stopped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from math import ceil

from leadbridge.settings.partners import SyncPlan

AHEAD = timedelta(days=1)  # by which a partner's clock, or its zone, may be ahead of ours


class Kind(StrEnum):
    """What a pass is for."""

    INCREMENTAL = "incremental"
    ROLLING = "rolling"
    WHOLE = "whole"


@dataclass(frozen=True)
class Pass:
    """One pass over [since, until]. It stands in the window that begins at `window`, before the page `page`.

    `extent` is how many rows (or pages, where rows are not told) the window had when it was last looked into.
    """

    kind: Kind
    begun_at: datetime
    since: datetime
    until: datetime
    window: datetime
    page: int = 0
    extent: int | None = None

    def window_end(self, length: timedelta) -> datetime:
        """The end of the window that it stands in."""
        return min(self.window + length, self.until)

    def after_page(self, number: int, extent: int | None) -> Pass:
        """The same pass, a page further."""
        return replace(self, page=number + 1, extent=extent)

    def after_window(self, length: timedelta) -> Pass | None:
        """The same pass in its next window; None where this one was the last."""
        end = self.window_end(length)
        return None if end >= self.until else replace(self, window=end, page=0, extent=None)

    def pages_back(self, extent: int | None, per_page: int) -> int:
        """By how many pages rows have moved forward since it was looked into: as many as have gone from the list."""
        if self.extent is None or extent is None:
            return 0
        return ceil(max(0, self.extent - extent) / max(1, per_page))

    @property
    def progress(self) -> float:
        """How much of the time it covers lies behind it, from 0 to 1."""
        return min(1.0, (self.window - self.since) / max(self.until - self.since, timedelta(seconds=1)))


@dataclass(frozen=True)
class State:
    """Where the sync of one partner stands.

    Before `watermark` nothing is missing. `under_way` are the passes that have begun and not ended. The first sync is
    done when `whole_ended_at` is there. `rests_until` is when the partner wants to be asked again.
    """

    watermark: datetime
    under_way: Mapping[Kind, Pass] = field(default_factory=dict)
    whole_begun_at: datetime | None = None
    whole_ended_at: datetime | None = None
    rests_until: datetime | None = None

    @classmethod
    def first(cls, now: datetime) -> State:
        """Where a sync stands that has never run: news from now on do not wait for the history."""
        return cls(watermark=now - timedelta(seconds=1))

    def due(self, kind: Kind, plan: SyncPlan, now: datetime) -> Pass | None:
        """The pass of this kind to go on with, or to begin; None where there is nothing to do."""
        if kind in self.under_way:
            return self.under_way[kind]
        match kind:
            case Kind.INCREMENTAL if self.watermark < now:
                return _new(kind, now, self.watermark - plan.overlap, now + AHEAD)
            case Kind.ROLLING if plan.filters_on == "created":
                return _new(kind, now, now - plan.rolling, now + AHEAD)
            case Kind.WHOLE if self.whole_begun_at is None or now - self.whole_begun_at >= plan.whole_every:
                return _new(kind, now, min(datetime.combine(plan.since, time(), UTC), now), now)
        return None

    def with_pass(self, going_on: Pass) -> State:
        """A pass has come further."""
        begun = going_on.begun_at if going_on.kind is Kind.WHOLE else self.whole_begun_at
        return replace(self, under_way={**self.under_way, going_on.kind: going_on}, whole_begun_at=begun)

    def without_pass(self, ended: Pass, now: datetime) -> State:
        """A pass has come to its end."""
        rest = {kind: going_on for kind, going_on in self.under_way.items() if kind is not ended.kind}
        state = replace(self, under_way=rest)
        match ended.kind:
            case Kind.INCREMENTAL:
                return replace(state, watermark=max(state.watermark, ended.begun_at))
            case Kind.ROLLING:
                return state
            case Kind.WHOLE:
                return replace(state, whole_begun_at=ended.begun_at, whole_ended_at=now)

    @property
    def history(self) -> float:
        """How much of the whole history has been read, from 0 to 1: in the pass that goes on, or in the last one."""
        if Kind.WHOLE in self.under_way:
            return self.under_way[Kind.WHOLE].progress
        return 0.0 if self.whole_ended_at is None else 1.0


def _new(kind: Kind, now: datetime, since: datetime, until: datetime) -> Pass:
    return Pass(kind, now, since, until, window=since)
