"""The texts of alerts: plain text, at most `MAX_LENGTH` long, with links at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from leadbridge.domain.alerts.alarm import Notice
from leadbridge.domain.alerts.bulletin import Bulletin, TargetState
from leadbridge.domain.alerts.group import WINDOW, AlertGroup, GroupedAlarm
from leadbridge.domain.clock import to_text
from leadbridge.services.alerts.words import LANGUAGES, Words, duration_text
from leadbridge.settings.alerts import AlertSettings

MAX_LENGTH = 4096  # of a Telegram message, in the units of UTF-16
INCLUDED = timedelta(days=1)  # after which an earlier incident is not included any more
ROOM_FOR_MORE = 100  # for the line that says how many more there are, and line ends
MAX_SUBJECT = 100  # characters of an SNS subject, which is ASCII


@dataclass(frozen=True)
class AlertTexts:
    """Writes texts in the configured language. `stack` names the stack, `console_url` is the console's address."""

    settings: AlertSettings
    stack: str
    console_url: str

    @property
    def words(self) -> Words:
        """The words of the configured language."""
        return LANGUAGES[self.settings.language]

    def of_group(self, group: AlertGroup, now: datetime, known: TargetState) -> Bulletin:
        """Return what a target must learn about a group of alarms.

        If it has not learned of earlier incidents of the last day, because it could not be reached, they are included.
        """
        closed_at, members = group.closed_at, group.members
        late = group.members_after(min(known.incident, group.incident - 1))
        lines = [
            self._line(alarm, is_closed=closed_at is not None)
            for alarm in late
            if alarm in members or now - (alarm.since or now) <= INCLUDED
        ]
        opened_at, window_at = group.opened_at or now, group.window_at or now
        ended = self._ended(opened_at, closed_at) if closed_at else ""
        began = f"🔴 {self.words.alarm_since.format(stack=self.stack, time=self._time(opened_at))}"
        links = self._links(members)
        return Bulletin(
            revision=group.revision,
            incident=group.incident,
            thread=f"{group.incident} {to_text(window_at)}",
            text=self._fitted([ended or began], lines, links),
            recovery=self._fitted([ended], lines, []) if closed_at else "",
            subject=ascii_subject(f"{self.stack}: {'OK again' if closed_at else members[0].text if members else ''}"),
            is_fresh=now - window_at <= WINDOW,
            event={
                "type": "alert.recovered" if closed_at else "alert.triggered",
                "timestamp": to_text(closed_at or max([opened_at, *(one.changed_at for one in members)])),
                "data": {
                    "stack": self.stack,
                    "group": group.name,
                    "opened_at": to_text(opened_at),
                    "recovered_at": closed_at and to_text(closed_at),
                    "alarms": [_alarm_data(alarm) for alarm in members],
                    "runbook": self._runbook(members),
                    "console": self.console_url,
                },
            },
        )

    def of_notice(self, notice: Notice, now: datetime) -> Bulletin:
        """Return what a target must learn about a notice."""
        return Bulletin(
            revision=1,
            incident=1,
            thread="1",
            text=self._fitted([], notice.text.splitlines(), []),
            subject=ascii_subject(notice.subject),
            event={
                "type": "alert.notice",
                "timestamp": to_text(now),
                "data": {"stack": self.stack, "text": notice.text, "console": self.console_url},
            },
        )

    def email_text(self, text: str, failures: Sequence[str]) -> str:
        """Return the text of an e-mail. `failures` name the targets that did not take it, with the reasons."""
        note = self.words.not_delivered.format(targets="; ".join(failures)) if failures else self.words.no_chat
        return f"{text}\n\n{note}"

    def _ended(self, opened_at: datetime, closed_at: datetime) -> str:
        duration = duration_text(self.words, closed_at - opened_at)
        return f"✅ {self.words.ok_again.format(stack=self.stack, time=self._time(closed_at), duration=duration)}"

    def _line(self, alarm: GroupedAlarm, *, is_closed: bool) -> str:
        mark = "✅ " if not alarm.is_triggered and not is_closed else ""
        return f"• {mark}{alarm.text}"

    def _links(self, members: Sequence[GroupedAlarm]) -> list[str]:
        runbook = self._runbook(members)
        links = [f"{self.words.runbook}: {runbook}"] if runbook else []
        return [*links, *([f"{self.words.console}: {self.console_url}"] if self.console_url else [])]

    def _runbook(self, members: Sequence[GroupedAlarm]) -> str:
        path = next((alarm.runbook for alarm in members if alarm.runbook), "")
        return f"{self.settings.docs_url.rstrip('/')}/{path}" if path and self.settings.docs_url else path

    def _time(self, moment: datetime) -> str:
        local = moment.astimezone(ZoneInfo(self.settings.time_zone))
        return f"{local:%d.%m %H:%M} ({self.settings.time_zone})"

    def _fitted(self, head: Sequence[str], lines: Sequence[str], links: Sequence[str]) -> str:
        """Return all lines, without the last ones of the middle if there is no room; of the first one the beginning."""
        room = MAX_LENGTH - utf16_length("\n".join([*head, *links])) - ROOM_FOR_MORE
        lines = [cut(line, max(room, 0)) if number == 0 else line for number, line in enumerate(lines)]
        for shown in range(len(lines), -1, -1):
            more = [self.words.and_more.format(count=len(lines) - shown)] if shown < len(lines) else []
            text = "\n".join([*head, *lines[:shown], *more, *links])
            if utf16_length(text) <= MAX_LENGTH:
                return text
        return cut("\n".join([*head, *links]))


def utf16_length(text: str) -> int:
    """Return the length of a text in the units in which Telegram counts."""
    return len(text) + sum(character > "\uffff" for character in text)


def cut(text: str, longest: int = MAX_LENGTH) -> str:
    """Return the beginning of a text that is not longer than `longest`."""
    while utf16_length(text) > longest:
        text = text[: len(text) - max(1, (utf16_length(text) - longest) // 2)]
    return text


def ascii_subject(text: str) -> str:
    """Return a subject that SNS accepts."""
    plain = " ".join(text.encode("ascii", "replace").decode().split())
    return plain[:MAX_SUBJECT].strip() or "leadbridge"


def _alarm_data(alarm: GroupedAlarm) -> dict[str, Any]:
    return {
        "text": alarm.text,
        "triggered": alarm.is_triggered,
        "since": alarm.since and to_text(alarm.since),
        "changed_at": to_text(alarm.changed_at),
    }
