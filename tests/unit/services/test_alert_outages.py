"""No alert is lost: alarms in any order, repeated notifications, outages of the chat and of SNS, workers that die."""

import heapq
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadbridge.domain.alerts.alarm import Notice
from leadbridge.domain.alerts.bulletin import TargetState
from leadbridge.domain.alerts.group import AlertGroup
from leadbridge.domain.transitions import Conflict
from leadbridge.runtime.budget import Budget
from leadbridge.services.alerts.send_alert import AlertSender
from leadbridge.services.alerts.texts import AlertTexts
from leadbridge.services.ports.alerts import OutgoingMessage
from leadbridge.settings.alerts import LONGEST, AlertSettings
from quality.testkit.services.alerts import alarm, kicked, unavailable

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
SETTINGS = AlertSettings.model_validate(
    {"language": "en", "time_zone": "UTC", "email_after": "30m", "digest": {"on": False, "at": "09:00"}}
)
VISIBILITY = timedelta(seconds=360)
MAX_RECEIVES = 100  # of the queue; template.yaml
OUTAGES = ("away", "lossy", "dies", "kicked", "well")


class WorkerDied(BaseException):
    """The worker stops, and so does everything that it would have done."""


@dataclass
class Ledger:
    """The table, as the repository guards it."""

    groups: dict[str, AlertGroup] = field(default_factory=dict)
    states: dict[str, dict[str, TargetState]] = field(default_factory=dict)
    leases: dict[str, datetime] = field(default_factory=dict)

    def group(self, name: str) -> AlertGroup:
        return self.groups.get(name, AlertGroup(name))

    def save_group(self, group: AlertGroup, now: datetime) -> None:
        if self.group(group.name).version != group.version:
            raise Conflict
        self.groups[group.name] = replace(group, version=group.version + 1)

    def lease(self, key: Mapping[str, str], now: datetime, until: datetime) -> Any:
        if self.leases.get(key["pk"], now) > now:
            return None
        self.leases[key["pk"]] = until
        return {}, dict(self.states.get(key["pk"], {}))

    def group_of(self, name: str, values: Any) -> AlertGroup:
        return self.group(name)

    def save_states(
        self,
        key: Mapping[str, str],
        lease_until: datetime,
        states: Mapping[str, TargetState],
        *,
        keep_lease: bool = False,
    ) -> None:
        if self.leases.get(key["pk"]) != lease_until:
            raise Conflict
        self.states[key["pk"]] = dict(states)
        if not keep_lease:
            del self.leases[key["pk"]]

    def add_notice(self, notice: Notice, now: datetime) -> Notice:
        raise AssertionError("the model has alarms only")

    def notice(self, notice_id: str) -> Notice | None:
        raise AssertionError("the model has alarms only")


@dataclass
class Run:
    """The flow with its queue; `states` is what goes wrong in each quarter of an hour, and afterwards nothing does."""

    states: list[str]
    sns_fails: list[bool]
    now: datetime = START
    ledger: Ledger = field(default_factory=Ledger)
    shown: list[tuple[datetime, str]] = field(default_factory=list)  # in the chat, by e-mail
    emails: int = 0
    name: str = "telegram -1"
    numbers: Any = field(default_factory=lambda: count(1))

    @property
    def state(self) -> str:
        quarter = int((self.now - START) / timedelta(minutes=15))
        return self.states[quarter] if quarter < len(self.states) else "well"

    def send(self, message: OutgoingMessage, budget: Budget) -> str:
        match self.state:
            case "away":
                raise unavailable()
            case "kicked":
                raise kicked()
        self.shown.append((self.now, message.text))
        match self.state:
            case "lossy":
                raise unavailable()
            case "dies":
                raise WorkerDied
        return message.edits or str(next(self.numbers))

    def publish(self, subject: str, text: str) -> None:
        if self.sns_fails and self.sns_fails.pop():
            raise WorkerDied
        self.emails += 1
        self.shown.append((self.now, text))

    def work(self, notifications: list[tuple[datetime, Any]]) -> None:
        """Process the queue until it is empty."""
        sender = AlertSender(
            ledger=self.ledger,
            targets=lambda: [self],
            publish=self.publish,
            texts=AlertTexts(SETTINGS, "leadbridge", ""),
            email_after=SETTINGS.email_after,
            digest=lambda _: Notice("", "", ""),
            clock=lambda: self.now,
        )
        queue = [(moment, number, body) for number, (moment, body) in enumerate(notifications)]
        heapq.heapify(queue)
        for _ in range(5000):
            if not queue:
                return
            moment, number, body = heapq.heappop(queue)
            self.now = max(self.now, moment)
            try:
                retry_after = sender.process(body, Budget(time.monotonic() + 60)).retry_after
            except WorkerDied:
                retry_after = VISIBILITY
            if retry_after is not None:
                heapq.heappush(queue, (self.now + retry_after, number, body))
        raise AssertionError("the queue does not become empty")


@dataclass
class Slow:
    """A target whose calls take ten seconds and fail, if it hangs; one of several."""

    world: "SlowWorld"
    name: str
    hangs: bool
    took: list[timedelta] = field(default_factory=list)  # since the start

    def send(self, message: OutgoingMessage, budget: Budget) -> str:
        if self.hangs:
            self.world.now += timedelta(seconds=10)
            raise unavailable()
        self.took.append(self.world.now - START)
        return ""


@dataclass
class SlowWorld:
    """One alarm, targets of which the first ones hang, and the queue."""

    hanging: int
    healthy: int
    email_after: timedelta
    now: datetime = START
    receives: int = 0
    emails: list[tuple[timedelta, str]] = field(default_factory=list)

    def run(self) -> list[Slow]:
        targets = [Slow(self, f"t{number}", number < self.hanging) for number in range(self.hanging + self.healthy)]
        sender = AlertSender(
            ledger=Ledger(),
            targets=lambda: targets,
            publish=lambda _, text: self.emails.append((self.now - START, text)),
            texts=AlertTexts(SETTINGS, "leadbridge", ""),
            email_after=self.email_after,
            digest=lambda _: Notice("", "", ""),
            clock=lambda: self.now,
        )

        def seconds() -> float:
            return (self.now - START).total_seconds()

        for self.receives in range(1, MAX_RECEIVES + 1):
            budget = Budget(seconds() + 60, reserve=20, monotonic=seconds)
            wait = sender.process(alarm("a", START), budget).retry_after
            if wait is None:
                return targets
            self.now += wait
        raise AssertionError("the message moves to the dead-letter queue")


@pytest.mark.parametrize("hanging", [1, 3, 10, 17])
def test_targets_that_hang_do_not_keep_an_alert_from_the_others(hanging: int) -> None:
    world = SlowWorld(hanging, healthy=3, email_after=LONGEST)
    targets = world.run()
    for target in targets[hanging:]:
        assert len(target.took) == 1, "a target that has the alert does not get it again"
        assert target.took[0] < timedelta(seconds=30 + 45 * (hanging // 3))
    ((emailed_after, _),) = world.emails
    assert LONGEST <= emailed_after < LONGEST + timedelta(minutes=5)
    assert world.receives < MAX_RECEIVES / 2


@settings(max_examples=60)
@given(data=st.data())
def test_every_alarm_is_shown_or_e_mailed(data: st.DataObject) -> None:
    notifications: list[tuple[datetime, Any]] = []
    triggered: list[tuple[str, datetime, datetime]] = []  # alarm, when it triggered, when SNS first said so
    for name in ("first", "second"):
        moment, times = START, data.draw(st.integers(1, 3))
        for number in range(times):
            moment += timedelta(minutes=data.draw(st.integers(1, 40)))
            is_last = number == times - 1
            for state in ("ALARM", "OK")[: data.draw(st.integers(1, 2)) if is_last else 2]:
                body = alarm(name, moment, state=state, before="OK", text=f"the {name}: docs/runbook.md#unknown")
                late = [timedelta(minutes=data.draw(st.integers(0, 30))) for _ in range(data.draw(st.integers(1, 2)))]
                notifications += [(moment + wait, body) for wait in late]
                if state == "ALARM":
                    triggered.append((name, moment, moment + min(late)))
                moment += timedelta(minutes=data.draw(st.integers(1, 20)))
    states = data.draw(st.lists(st.sampled_from(OUTAGES), max_size=12))
    run = Run(states, data.draw(st.lists(st.booleans(), max_size=3)))
    run.work(notifications)
    for name, at, _ in triggered:  # a text about a later trigger of the same alarm covers it
        since = min(delivered for other, when, delivered in triggered if other == name and when >= at)
        after = [text for moment, text in run.shown if moment >= since and f"the {name}" in text]
        before = [text for moment, text in run.shown if moment < since and f"the {name}" in text]
        # Its recovery was late, so the alarm was shown as triggered all the time.
        was_open = bool(before) and before[-1].startswith("🔴") and f"• the {name}" in before[-1]
        assert after or was_open, f"{name} of {at}"
    group = run.ledger.group("unknown")
    assert run.ledger.states["ALERT#unknown"][run.name].revision == group.revision
    assert run.ledger.leases == {}
    if set(states) <= {"well"}:
        assert run.emails == 0
        assert len(run.shown) <= group.revision, "nothing is sent twice"
    if not group.is_open:
        assert "OK again" in run.shown[-1][1]
