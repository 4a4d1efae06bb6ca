"""Alerts: one item for each group of alarms, and one for each notice.

pk                sk       item
ALERT#{group}     GROUP    the group's alarms; `targets`: what each target has learned; `lease_until` of a worker
NOTICE#{id}       NOTICE   a text that is sent as it is, with the same `targets` and `lease_until`

A worker sends only while it has the item's lease, so that two workers do not send the same message. What has
changed meanwhile is written independently, under the group's `version`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from leadbridge.domain.alerts.alarm import Notice
from leadbridge.domain.alerts.bulletin import TargetState
from leadbridge.domain.alerts.group import AlertGroup, GroupedAlarm
from leadbridge.domain.clock import from_text, to_text
from leadbridge.domain.transitions import Conflict
from leadbridge.storage.items import Item, plain, present
from leadbridge.storage.table import Table
from leadbridge.storage.writes import DAY, put, update

KEPT_DAYS = 30  # after its last change
NOTHING_STORED = "attribute_not_exists(pk)"


def group_key(name: str) -> dict[str, str]:
    """Return the key of a group."""
    return {"pk": f"ALERT#{name}", "sk": "GROUP"}


def notice_key(notice_id: str) -> dict[str, str]:
    """Return the key of a notice."""
    return {"pk": f"NOTICE#{notice_id}", "sk": "NOTICE"}


class AlertRepository:
    """The alerts of this stack. Every method may raise Contended, and botocore's errors."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def group(self, name: str) -> AlertGroup:
        """Return a group; a new one if none is stored."""
        values = self._table.get(group_key(name))
        return AlertGroup(name) if values is None else _group_of(name, values)

    def save_group(self, group: AlertGroup, now: datetime) -> None:
        """Store a changed group. Raises Conflict if another worker has changed it since it was read."""
        times = {"opened_at": group.opened_at, "window_at": group.window_at, "reopened_at": group.reopened_at}
        changed: Item = {
            "alarms": {name: _alarm_item(alarm) for name, alarm in group.alarms.items()},
            "incident": group.incident,
            "revision": group.revision,
            "version": group.version + 1,
            "expires_at": int(now.timestamp()) + KEPT_DAYS * DAY,
            **{name: to_text(moment) for name, moment in times.items() if moment is not None},
        }
        write = update(
            group_key(group.name),
            "SET " + ", ".join(f"#{name} = :{name}" for name in changed),
            "#version = :read" if group.version else "attribute_not_exists(#version)",
            values={f":{name}": value for name, value in changed.items()}
            | ({":read": group.version} if group.version else {}),
            names={f"#{name}": name for name in changed},
        )
        self._table.write(write)

    def add_notice(self, notice: Notice, now: datetime) -> Notice:
        """Store a notice unless it is stored. Returns the stored one: its text does not change between attempts."""
        key = notice_key(notice.notice_id)
        expires_at = int(now.timestamp()) + KEPT_DAYS * DAY
        item = {**key, "text": notice.text, "subject": notice.subject, "expires_at": expires_at}
        try:
            self._table.write(put(item, NOTHING_STORED))
        except Conflict:
            return self.notice(notice.notice_id) or notice
        return notice

    def notice(self, notice_id: str) -> Notice | None:
        """Return a stored notice; None if there is none."""
        values = self._table.get(notice_key(notice_id))
        return None if values is None else Notice(notice_id, str(values["text"]), str(values["subject"]))

    def lease(
        self, key: Mapping[str, str], now: datetime, until: datetime
    ) -> tuple[Item, dict[str, TargetState]] | None:
        """Take the lease of an item; return the item and the states of its targets; None if another worker has it.

        The item is read by the same write, so it includes what the last worker stored.
        """
        free = "attribute_exists(pk) AND (attribute_not_exists(lease_until) OR lease_until <= :now)"
        values = {":until": to_text(until), ":now": to_text(now)}
        try:
            stored = self._table.write(update(key, "SET lease_until = :until", free, values=values), returns_new=True)
        except Conflict:
            return None
        return stored, {target: _state_of(one) for target, one in stored.get("targets", {}).items()}

    def save_states(
        self,
        key: Mapping[str, str],
        lease_until: datetime,
        states: Mapping[str, TargetState],
        *,
        keep_lease: bool = False,
    ) -> None:
        """Store the states of targets, and end the lease. Raises Conflict if the lease has passed to another."""
        expression = "SET targets = :targets" + ("" if keep_lease else " REMOVE lease_until")
        values = {":targets": {name: _state_item(one) for name, one in states.items()}, ":lease": to_text(lease_until)}
        self._table.write(update(key, expression, "lease_until = :lease", values=values))

    def group_of(self, name: str, values: Item) -> AlertGroup:
        """Return the group that an item of `lease` has."""
        return _group_of(name, values)


def _alarm_item(alarm: GroupedAlarm) -> Item:
    return present(
        {
            "text": alarm.text,
            "runbook": alarm.runbook,
            "triggered": alarm.is_triggered,
            "changed_at": to_text(alarm.changed_at),
            "incident": alarm.incident,
            "since": alarm.since and to_text(alarm.since),
            "seen": [to_text(one) for one in alarm.seen],
        }
    )


def _group_of(name: str, values: Item) -> AlertGroup:
    return AlertGroup(
        name,
        alarms={alarm: _alarm_of(one) for alarm, one in values["alarms"].items()},
        incident=int(values["incident"]),
        opened_at=_time(values, "opened_at"),
        window_at=_time(values, "window_at"),
        reopened_at=_time(values, "reopened_at"),
        revision=int(values["revision"]),
        version=int(values["version"]),
    )


def _alarm_of(values: Item) -> GroupedAlarm:
    return GroupedAlarm(
        text=values["text"],
        runbook=values["runbook"],
        is_triggered=values["triggered"],
        changed_at=from_text(values["changed_at"]),
        incident=int(values["incident"]),
        since=_time(values, "since"),
        seen=tuple(from_text(one) for one in values["seen"]),
    )


def _state_item(state: TargetState) -> Item:
    return present(
        {
            "revision": state.revision,
            "incident": state.incident,
            "thread": state.thread,
            "message_id": state.message_id,
            "failing_since": state.failing_since and to_text(state.failing_since),
            "attempts": state.attempts,
            "reason": state.reason,
            "next_attempt_at": state.next_attempt_at and to_text(state.next_attempt_at),
        }
    )


def _state_of(values: Item) -> TargetState:
    times = {name: _time(values, name) for name in ("failing_since", "next_attempt_at")}
    known: dict[str, Any] = {**plain(values), **times}
    return TargetState(**known)


def _time(values: Item, name: str) -> datetime | None:
    return from_text(values[name]) if name in values else None
