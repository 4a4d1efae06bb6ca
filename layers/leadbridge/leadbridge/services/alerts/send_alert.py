"""Alert operators: an alarm's change, the digest or another text, to every configured chat and webhook.

The table has what must be sent, and what each target has learned. A message of the queue only starts the comparison,
so repeated, reordered and retried messages are harmless. A target that cannot be reached is retried, after the others;
after `email_after`, or at once if no retry can help, the text is e-mailed. So a message of the queue ends only when
each target has the text, or the e-mail topic has it. A worker that stops between sending and storing sends it again: an
alert may arrive twice, and is never lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from leadbridge.domain.alerts.alarm import AlarmChange, Notice, read_notification
from leadbridge.domain.alerts.bulletin import Bulletin, TargetState
from leadbridge.domain.errors.partner_errors import Misconfigured, PartnerError, Rejected, Unavailable
from leadbridge.domain.transitions import Conflict
from leadbridge.services.ports.alerts import OutgoingMessage

if TYPE_CHECKING:
    from leadbridge.domain.alerts.group import AlertGroup
    from leadbridge.domain.clock import Clock
    from leadbridge.runtime.budget import Budget
    from leadbridge.services.alerts.texts import AlertTexts
    from leadbridge.services.ports.alerts import AlertLedger, AlertTarget

LEASE = timedelta(seconds=70)  # longer than the function's timeout
LEASE_WAIT = timedelta(seconds=15)  # until a message is received again whose alert another worker sends
SECONDS_PER_TARGET = 15.0  # of one attempt
MAX_RETRY_AFTER = 3600.0  # seconds that a target may require until the next attempt
MAX_CONFLICTS = 10  # with other workers that change the same group
# Pauses after consecutive failures; the last one repeats.
PAUSES = tuple(timedelta(seconds=seconds) for seconds in (10, 20, 40, 60, 120, 300))
# While several targets fail, each at its own times, the pause of the message is at least that of so many failures.
MAX_JOINT_FAILURES = 5
EMAIL = "email"  # the target of texts that no chat takes

type Publish = Callable[[str, str], None]
"""Publish a subject and a text to the e-mail topic. Raises errors of AWS."""
type BulletinFor = Callable[[TargetState], Bulletin]
"""Return what a target must learn, by what it has learned."""


@dataclass(frozen=True)
class AlertResult:
    """The result of one message: the targets that took it or failed, whether it was e-mailed, when to retry it.

    `faults` are unexpected errors of targets.
    """

    sent: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    is_emailed: bool = False
    retry_after: timedelta | None = None
    faults: tuple[Exception, ...] = ()


@dataclass(frozen=True)
class AlertSender:
    """`targets` returns the configured targets; `digest` the notice of a day."""

    ledger: AlertLedger
    targets: Callable[[], Sequence[AlertTarget]]
    publish: Publish
    texts: AlertTexts
    email_after: timedelta
    digest: Callable[[date], Notice]
    clock: Clock

    def process(self, body: Any, budget: Budget) -> AlertResult:
        """Process a message: a notification of SNS, or `{"digest": "2026-11-27"}`. Raises ValueError for any other."""
        found = read_message(body)
        if isinstance(found, date):
            return self._send_notice(self.ledger.notice(digest_id(found)) or self.digest(found), budget)
        if isinstance(found, Notice):
            return self._send_notice(found, budget)
        group = self._apply(found, self.clock())
        if group is None:
            return AlertResult(retry_after=LEASE_WAIT)
        if not group.revision:
            return AlertResult()  # no alarm of the group was ever triggered

        def bulletins(values: Mapping[str, Any]) -> BulletinFor:
            stored, now = self.ledger.group_of(found.group, values), self.clock()
            return lambda known: self.texts.of_group(stored, now, known)

        return self._send({"pk": f"ALERT#{found.group}", "sk": "GROUP"}, bulletins, budget)

    def _apply(self, change: AlarmChange, now: datetime) -> AlertGroup | None:
        """Store a change of an alarm; return the group, or None if other workers were faster each time."""
        for _ in range(MAX_CONFLICTS):
            group = self.ledger.group(change.group)
            changed = group.changed(change, now)
            if changed is group:
                return group
            try:
                self.ledger.save_group(changed, now)
            except Conflict:
                continue
            return changed
        return None

    def _send_notice(self, notice: Notice, budget: Budget) -> AlertResult:
        bulletin = self.texts.of_notice(self.ledger.add_notice(notice, self.clock()), self.clock())
        key = {"pk": f"NOTICE#{notice.notice_id}", "sk": "NOTICE"}
        return self._send(key, lambda _values: lambda _known: bulletin, budget)

    def _send(
        self, key: Mapping[str, str], bulletins: Callable[[Mapping[str, Any]], BulletinFor], budget: Budget
    ) -> AlertResult:
        """Send each target what it has not learned yet."""
        now = self.clock()
        until = now + LEASE
        leased = self.ledger.lease(key, now, until)
        if leased is None:
            return AlertResult(retry_after=LEASE_WAIT)
        bulletin_for, states = bulletins(leased[0]), leased[1]
        targets, sent, faults = self.targets(), list[str](), list[Exception]()
        failures: dict[str, str] = {}  # why, by target
        for target in sorted(targets, key=lambda one: _order(states.get(one.name))):
            known = states.get(target.name, TargetState())
            bulletin = bulletin_for(known)
            if known.revision >= bulletin.revision or (known.next_attempt_at or now) > now:
                continue
            if budget.allows(SECONDS_PER_TARGET):
                try:
                    states[target.name] = _send_to(target, bulletin, known, key, budget)
                    sent.append(target.name)
                    continue
                except PartnerError as error:
                    failing = self._after_failure(known, error)
                except Exception as error:  # noqa: BLE001 - reported as a fault, and the other targets get the alert
                    faults.append(error)
                    text = f"an unexpected error ({type(error).__name__})"
                    failing = self._after_failure(known, Unavailable(target.name, "alert", text))
            else:
                failing = self._without_attempt(known)
            states[target.name] = failing
            if failing.next_attempt_at is None:
                failures[target.name] = failing.reason
        if not targets:
            failures[EMAIL] = ""
        is_emailed = False
        if failures:
            # What was sent is not sent again if the e-mail fails.
            self.ledger.save_states(key, until, states, keep_lease=True)
            is_emailed = self._email(bulletin_for, states, failures)
        self.ledger.save_states(key, until, states)
        failures.pop(EMAIL, None)
        failing_ones = [states[target.name] for target in targets if target.name in states]
        return AlertResult(tuple(sent), tuple(failures), is_emailed, self._retry_after(failing_ones), tuple(faults))

    def _after_failure(self, known: TargetState, error: PartnerError) -> TargetState:
        """Return the state after a failed attempt; without a next one if the text is to be e-mailed."""
        failing = replace(known, attempts=known.attempts + 1, reason=error.text)
        if isinstance(error, (Rejected, Misconfigured)):
            return replace(failing, next_attempt_at=None)
        required = timedelta(seconds=min(error.retry_after or 0, MAX_RETRY_AFTER))
        return self._paused(failing, max(_pause(failing.attempts, len(PAUSES)), required))

    def _without_attempt(self, known: TargetState) -> TargetState:
        """Return the state of a target that had no attempt, because the others took all the time."""
        return self._paused(replace(known, reason=known.reason or "other targets took all the time"), PAUSES[0])

    def _paused(self, failing: TargetState, pause: timedelta) -> TargetState:
        now = self.clock()
        since = failing.failing_since or now
        until = min(now + pause, since + self.email_after)
        return replace(failing, failing_since=since, next_attempt_at=until if until > now else None)

    def _retry_after(self, states: Sequence[TargetState]) -> timedelta | None:
        """Return the time until the first next attempt; None without one."""
        failing = [(one.next_attempt_at, one.attempts) for one in states if one.next_attempt_at is not None]
        if not failing:
            return None
        wait = max(min(moment for moment, _ in failing) - self.clock(), timedelta())
        if len(failing) == 1:
            return wait
        return max(wait, _pause(max(attempts for _, attempts in failing), MAX_JOINT_FAILURES))

    def _email(self, bulletin_for: BulletinFor, states: dict[str, TargetState], failures: Mapping[str, str]) -> bool:
        """E-mail what the failed targets have not learned, unless an e-mail has it. Returns whether it was sent.

        Raises errors of AWS.
        """
        emailed = states.get(EMAIL, TargetState())
        least = min((states.get(name, TargetState()) for name in failures), key=lambda one: one.incident)
        bulletin = bulletin_for(least)
        is_new = emailed.revision < bulletin.revision
        if is_new:
            is_informed = emailed.incident == least.incident == bulletin.incident
            text = bulletin.recovery if bulletin.recovery and is_informed else bulletin.text
            reasons = [f"{name} ({reason})" for name, reason in failures.items() if name != EMAIL]
            self.publish(bulletin.subject, self.texts.email_text(text, reasons))
        for name in (*failures, EMAIL):
            states[name] = TargetState(bulletin.revision, bulletin.incident, reason=failures.get(name, ""))
        return is_new


def read_message(body: Any) -> date | AlarmChange | Notice:
    """Return what a message says; the day of a digest. Raises ValueError if it cannot be read."""
    if isinstance(body, dict) and "digest" in body:
        return date.fromisoformat(str(body["digest"]))
    return read_notification(body)


def digest_id(day: date) -> str:
    """Return the id of a day's digest."""
    return f"digest-{day.isoformat()}"


def _order(state: TargetState | None) -> tuple[bool, int]:
    """Return the key by which targets are sorted: those that fail are last, and of them those with most attempts."""
    return (False, 0) if state is None else (state.failing_since is not None, state.attempts)


def _pause(failures: int, longest: int) -> timedelta:
    """Return the pause after a number of failures, of which `longest` count."""
    return PAUSES[max(min(failures, longest), 1) - 1]


def _send_to(
    target: AlertTarget, bulletin: Bulletin, known: TargetState, key: Mapping[str, str], budget: Budget
) -> TargetState:
    """Edit the target's message, send one about the recovery, or send the text. Raises errors of partners."""
    edits = known.message_id if known.thread == bulletin.thread and bulletin.is_fresh else ""
    is_recovery = bool(bulletin.recovery) and known.incident == bulletin.incident and not edits
    message = OutgoingMessage(
        text=bulletin.recovery if is_recovery else bulletin.text,
        event_id=f"{key['pk']} {bulletin.thread} {bulletin.revision}",
        edits=edits,
        replies_to=known.message_id if is_recovery else "",
        is_quiet=is_recovery,
        event=bulletin.event,
    )
    return TargetState(bulletin.revision, bulletin.incident, bulletin.thread, target.send(message, budget))
