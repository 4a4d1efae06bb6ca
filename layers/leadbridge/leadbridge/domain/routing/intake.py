"""How many leads a partner takes, and when: the windows of its caps, and what happens to a lead that it does not take.

A window is the period in which a cap counts: an hour of UTC, a day of the partner's time zone, or all time. The
transaction that starts an attempt counts the delivery in every window, unless one is full. An attempt that certainly
did not reach the partner is taken off the count again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, Literal

from leadbridge.domain.admission import TOTAL, Wait, WaitReason
from leadbridge.domain.clock import to_text
from leadbridge.domain.delivery import Change, Delivery, end, fail, mark_unknown
from leadbridge.domain.errors.error_codes import ErrorCode, ErrorInfo
from leadbridge.domain.routing.fallback import NextOn, open_next

if TYPE_CHECKING:
    from leadbridge.settings import Partner


type CapName = Literal["per_hour", "per_day", "total"]


@dataclass(frozen=True)
class Window:
    """The period in which a cap counts. `cap` is the setting; `key` names the counter, `limit` is its largest value."""

    cap: CapName
    key: str
    limit: int
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    def is_full(self, counts: Mapping[str, int]) -> bool:
        """Whether the count has reached the limit."""
        return counts.get(self.key, 0) >= self.limit


@dataclass(frozen=True)
class Refusal:
    """Why a partner does not take a lead now, and what happens to the lead. `until` is None if no time changes that."""

    reason: WaitReason
    until: datetime | None
    then: Literal["next", "wait", "hold"]
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_capped(self) -> bool:
        """Whether a cap is used up, and the partner is open."""
        return "cap" in self.data

    @property
    def error(self) -> ErrorInfo:
        """The reason for a delivery that ends because of it."""
        until = {} if self.until is None else {"until": to_text(self.until)}
        if not self.is_capped:
            return ErrorInfo(ErrorCode.CLOSED, "the partner takes no leads at this time", until)
        text = f"the partner takes no more leads: {self.data['cap']} is {self.data['limit']}"
        return ErrorInfo(ErrorCode.CAPPED, text, {**self.data, **until})

    @property
    def wait(self) -> Wait:
        """The wait until the partner takes leads again."""
        return Wait(self.reason, self.until, self.data)


@dataclass(frozen=True)
class IntakeStatus:
    """What a partner takes at a moment: why it takes no lead, or how many more, and since when it takes them.

    `room` is None without a limit, `since` if there was no limit before.
    """

    refusal: Refusal | None = None
    room: int | None = None
    since: datetime | None = None


def windows_at(partner: Partner, now: datetime) -> tuple[Window, ...]:
    """Return the windows of a partner's caps at a moment, the shortest first."""
    if partner.intake is None:
        return ()
    return tuple(_window(cap, limit, partner.time_zone, now) for cap, limit in partner.intake.caps.items())


def window_keys(partners: Mapping[str, Partner], now: datetime) -> dict[str, list[str]]:
    """Return the counters of the windows at a moment, by partner, of all that have caps or hours."""
    return {
        name: [window.key for window in windows_at(partner, now)]
        for name, partner in partners.items()
        if partner.intake is not None
    }


def find_refusal(
    partner: Partner, counts: Mapping[str, int], now: datetime, counted_in: Collection[str] = ()
) -> Refusal | None:
    """Return why a partner does not take a lead now; None if it takes one.

    `counts` are the counts of its windows. `counted_in` are the windows that count this lead already.
    """
    intake, hours = partner.intake, partner.intake_hours
    if intake is None:
        return None
    opening = now if hours is None else hours.next_open(now)
    if opening is None or opening > now:
        return Refusal(WaitReason.CLOSED, opening, intake.when_closed)
    full = [one for one in windows_at(partner, now) if one.key not in counted_in and one.is_full(counts)]
    if not full:
        return None
    last = full[-1]  # the longest one ends last
    until = last.ends_at if hours is None or last.ends_at is None else hours.next_open(last.ends_at)
    return Refusal(WaitReason.CAPPED, until, intake.when_capped, {"cap": last.cap, "limit": last.limit})


def intake_status(partner: Partner, counts: Mapping[str, int], now: datetime) -> IntakeStatus:
    """Return what a partner takes at a moment."""
    if (refusal := find_refusal(partner, counts, now)) is not None:
        return IntakeStatus(refusal, 0)
    windows, hours = windows_at(partner, now), partner.intake_hours
    room = min((one.limit - counts.get(one.key, 0) for one in windows), default=None)
    since = [one.starts_at for one in windows]
    if hours is not None:
        since.append(hours.opened_at(now))
    return IntakeStatus(None, room, max((moment for moment in since if moment is not None), default=None))


def expected_end(delivery: Delivery, partner: Partner | None, now: datetime) -> datetime | None:
    """Return until when a delivery waits for its partner; None if that is not known.

    The stored end is past if the next window was full, too, before its turn came. Then it is the end of the present
    window, unless several caps may be used up.
    """
    if delivery.waiting_until is None or delivery.waiting_until > now:
        return delivery.waiting_until
    if partner is None or delivery.waiting_reason not in {WaitReason.CAPPED, WaitReason.CLOSED}:
        return None
    windows = windows_at(partner, now) if delivery.waiting_reason == WaitReason.CAPPED else ()
    full = {window.key: window.limit for window in windows} if len(windows) == 1 else {}
    refusal = find_refusal(partner, full, now)
    return None if refusal is None else refusal.until


def count_attempt(change: Change, windows: Iterable[Window]) -> Change:
    """Count the attempt that a change starts in these windows, instead of those that counted an earlier attempt.

    An attempt starts only if no earlier one can have reached the partner.
    """
    limits, counted_in = {window.key: window.limit for window in windows}, change.before.counted_in
    return replace(
        change,
        after=replace(change.after, counted_in=tuple(limits)),
        counts={key: limit for key, limit in limits.items() if key not in counted_in},
        releases=tuple(key for key in counted_in if key not in limits),
    )


def end_refused(
    delivery: Delivery, now: datetime, refusal: Refusal, find_next: Callable[[NextOn], str | None]
) -> Change | None:
    """Return the change that ends a delivery which its partner does not take now; None if it waits.

    `find_next` returns the partner that gets the lead instead. A delivery that waits for no time is held for an
    operator. One that may have reached the partner is never passed on, and neither is one that an operator retried.
    """
    if not delivery.is_uncertain and delivery.retried_at is None:
        if refusal.then == "next":
            outcome = NextOn(refusal.reason.value)
            if (following := find_next(outcome)) is not None:
                return open_next(end(delivery, "skip", now, refusal.error), following, outcome)
        elif refusal.then == "hold":
            return fail(delivery, now, refusal.error)
    if refusal.until is not None:
        return None
    if delivery.is_uncertain:
        return mark_unknown(delivery, now, refusal.error)
    return fail(delivery, now, refusal.error)


def _window(cap: CapName, limit: int, time_zone: str, now: datetime) -> Window:
    if cap == TOTAL:
        return Window(cap, TOTAL, limit)
    if cap == "per_hour":
        hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        return Window(cap, f"{hour:%Y-%m-%dT%H}", limit, hour, hour + timedelta(hours=1))
    from zoneinfo import ZoneInfo

    zone = ZoneInfo(time_zone)
    today = now.astimezone(zone).date()
    starts = _midnights(today, zone)[0]
    # The clocks can change at midnight. A day can begin twice: only a later moment ends the window. Or midnight is
    # skipped: one of its readings is then still in the day that ends.
    ends = [
        end for end in _midnights(today + timedelta(days=1), zone) if end > now and end.astimezone(zone).date() > today
    ]
    return Window(cap, today.isoformat(), limit, min(starts, now), min(ends, default=now + timedelta(days=1)))


def _midnights(day: date, zone: tzinfo) -> tuple[datetime, datetime]:
    """Return both readings of the start of a local day, in UTC. They differ if the clocks change at it."""
    local = datetime.combine(day, time(), tzinfo=zone)
    return local.astimezone(UTC), local.replace(fold=1).astimezone(UTC)
