"""A group of alarms that share a message, and how a state change alters it.

An incident begins when an alarm triggers while no other of the group is, and ends when all are OK. Alarms that trigger
within `WINDOW` of the incident's message belong in that message; later ones need a new message, so that people notice.
An incident that begins within `WINDOW` of the last one's message has its own message too, but only once in `WINDOW`: an
alarm that flaps continues its incident.
SNS delivers at least once and in any order: each alarm has the times of its latest changes, so repeated changes alter
nothing, and an old one is added where it belongs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from leadbridge.domain.alerts.alarm import AlarmChange

WINDOW = timedelta(minutes=10)  # after a message, in which changes alter it
MAX_SEEN = 20  # changes of an alarm that are remembered; an older one counts as repeated
MAX_ALARMS = 100  # of a group; the stack has about as many in total
STALE = timedelta(days=30)  # without a change, such as of an alarm that was deleted while it was triggered


@dataclass(frozen=True)
class GroupedAlarm:
    """One alarm: whether it is triggered, since when, and when its state changed last. `seen` are all known changes.

    `incident` is the number of the group's incident in which it triggered last; 0 if it never did.
    """

    text: str
    runbook: str
    is_triggered: bool
    changed_at: datetime
    incident: int = 0
    since: datetime | None = None
    seen: tuple[datetime, ...] = ()


@dataclass(frozen=True)
class AlertGroup:
    """All alarms of a group. `revision` grows with each change that people must learn of.

    `opened_at` is the start of the incident, `window_at` that of the current message. `reopened_at` is when an incident
    last began within the window of an earlier one. `version` guards the write.
    """

    name: str
    alarms: Mapping[str, GroupedAlarm] = field(default_factory=dict)
    incident: int = 0
    opened_at: datetime | None = None
    window_at: datetime | None = None
    reopened_at: datetime | None = None
    revision: int = 0
    version: int = 0

    @property
    def members(self) -> list[GroupedAlarm]:
        """The alarms of the incident, in the order in which they triggered."""
        return self.members_after(self.incident - 1)

    def members_after(self, incident: int) -> list[GroupedAlarm]:
        """Return the alarms that triggered in later incidents, in the order in which they triggered."""
        found = [alarm for alarm in self.alarms.values() if alarm.incident > incident]
        return sorted(found, key=lambda alarm: (alarm.since or alarm.changed_at, alarm.text))

    @property
    def is_open(self) -> bool:
        """Whether an alarm of the group is triggered."""
        return any(alarm.is_triggered for alarm in self.alarms.values())

    @property
    def closed_at(self) -> datetime | None:
        """When the last alarm of the incident became OK; None while one is triggered, or without an incident."""
        if self.is_open or not self.incident:
            return None
        return max((alarm.changed_at for alarm in self.members), default=None)

    def changed(self, change: AlarmChange, now: datetime) -> AlertGroup:
        """Return the group after a state change, or the same group if the change is known already."""
        known = self.alarms.get(change.alarm)
        if known is None and not change.is_triggered and change.from_nothing:
            return self  # a new alarm
        seen = known.seen if known else ()
        if change.at in seen or (len(seen) == MAX_SEEN and change.at < seen[0]):
            return self
        is_newest = known is None or change.at >= known.changed_at
        was_triggered = known is not None and known.is_triggered
        alarm = GroupedAlarm(
            text=change.text,
            runbook=change.runbook,
            is_triggered=change.is_triggered if is_newest else was_triggered,
            changed_at=max(change.at, known.changed_at) if known else change.at,
            incident=known.incident if known else 0,
            since=known.since if known else None,
            seen=tuple(sorted((*seen, change.at))[-MAX_SEEN:]),
        )
        if change.is_triggered and not was_triggered:
            return self._triggered(change, alarm, now)
        after = replace(self, alarms=self._with(change.alarm, alarm))
        return replace(after, revision=self.revision + 1) if self.is_open and not after.is_open else after

    def _triggered(self, change: AlarmChange, alarm: GroupedAlarm, now: datetime) -> AlertGroup:
        """Add an alarm to the incident, or begin one."""
        is_in_window = _is_within_window(self.window_at, now)
        current = self if is_in_window else self._without_stale(now)
        # An alarm that is OK by now, because SNS was late, needs no sound.
        reopens = is_in_window and not self.is_open and alarm.is_triggered
        reopens = reopens and not _is_within_window(self.reopened_at, now)
        is_new = reopens or (not is_in_window and not current.is_open)
        incident = self.incident + 1 if is_new else self.incident
        opened_at = change.at if is_new or self.opened_at is None else min(self.opened_at, change.at)
        return replace(
            self,
            alarms=current._with(change.alarm, replace(alarm, incident=incident, since=change.at)),
            incident=incident,
            opened_at=opened_at,
            window_at=self.window_at if is_in_window and not reopens else now,
            reopened_at=now if reopens else self.reopened_at,
            revision=self.revision + 1,
        )

    def _without_stale(self, now: datetime) -> AlertGroup:
        """Return the group without alarms that have not changed for `STALE`."""
        kept = {name: alarm for name, alarm in self.alarms.items() if now - alarm.changed_at <= STALE}
        return replace(self, alarms=kept)

    def _with(self, name: str, alarm: GroupedAlarm) -> dict[str, GroupedAlarm]:
        alarms = {**self.alarms, name: alarm}
        if len(alarms) > MAX_ALARMS:
            oldest = min((one for one in alarms if one != name), key=lambda one: alarms[one].changed_at)
            del alarms[oldest]
        return alarms


def _is_within_window(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and now - moment <= WINDOW
