"""One of three brokers of a kind hangs or is slow: the leads of the others arrive within seconds.

The functions run as the template wires them, with as many workers as it allows, each with its own memory. The clock is
simulated, and only one worker runs at a time: another one continues whenever a worker waits for a partner.
"""

from __future__ import annotations

import heapq
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import pytest

from leadbridge import settings
from leadbridge.domain.delivery import State
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.partner_errors import Unknown
from leadbridge.partners.http import Answer, Transport
from leadbridge.runtime import aws
from leadbridge.runtime.fair_share import FairShare
from leadbridge.services.submission.circuit import CircuitBreaker
from quality.testkit.aws.memory_stack import MemoryStack, memory_stack
from quality.testkit.configuration import CONFIG
from quality.testkit.fakes.workers import START, Harness, Time
from quality.testkit.people import lead
from quality.testkit.template import template
from tools.config import ship

BROKERS = ("broker-a", "broker-b", "broker-c")
HANGS = "broker-a"  # or is slow
WORKERS = int(template()["Parameters"]["MatchTradeConcurrency"]["Default"])
LEADS = 8  # of each broker at the beginning
TIME_OUT = 7.0  # seconds, of [matchtrade.timeouts]
ANSWER = 0.2  # seconds in which a broker answers
POLL = 2.0  # seconds between two looks into an empty queue
BACKLOG = 30  # leads of a slow broker, which come before all others
SLOW_ANSWER = 6.5  # seconds, shorter than the time-out


@dataclass
class Timeline:
    """Threads of which one runs at a time: when it sleeps, the clock moves on to the next that wakes up."""

    time: Time
    _sleeping: list[tuple[float, int, threading.Semaphore]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)
    _idle: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _failures: list[BaseException] = field(default_factory=list)
    is_over: bool = False

    def start(self, work: Callable[[], object]) -> None:
        """Start a thread, when the clock moves on."""
        wakes = self._wake_after(0.0)

        def run() -> None:
            wakes.acquire()
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - raised by `run_until`
                self._failures.append(error)
            self._idle.release()

        threading.Thread(target=run, daemon=True).start()

    def sleep(self, seconds: float) -> None:
        """Wait in the thread that calls this. Its environment is another one's meanwhile."""
        environment, wakes = dict(os.environ), self._wake_after(seconds)
        self._idle.release()
        wakes.acquire()
        os.environ.clear()
        os.environ.update(environment)

    def run_until(self, moment: datetime) -> None:
        """Move the clock to a time."""
        environment = dict(os.environ)
        while self._sleeping and self._sleeping[0][0] <= moment.timestamp():
            wakes_at, _, wakes = heapq.heappop(self._sleeping)
            self.time.now += timedelta(seconds=max(0.0, wakes_at - self.time.seconds()))
            wakes.release()
            self._idle.acquire()
            os.environ.clear()
            os.environ.update(environment)
            if self._failures:
                raise self._failures[0]
        self.time.now = moment

    def _wake_after(self, seconds: float) -> threading.Semaphore:
        wakes = threading.Semaphore(0)
        heapq.heappush(self._sleeping, (self.time.seconds() + seconds, next(self._numbers), wakes))
        return wakes


@dataclass
class World:
    """Three brokers, and the functions that submit leads to them."""

    stack: MemoryStack
    timeline: Timeline
    calls: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in BROKERS})
    created: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in BROKERS})
    leads: dict[str, tuple[str, float]] = field(default_factory=dict)
    arrived: dict[str, float] = field(default_factory=dict)
    hangs: bool = True
    is_slow: bool = False

    @property
    def seconds(self) -> float:
        return (self.timeline.time.now - START).total_seconds()

    def call(self, transport: Transport, operation: str, *_: Any, **given: Any) -> Answer:
        """Answer as a broker does, or take the whole time-out."""
        partner = transport.partner
        self.calls[partner].append(self.seconds)
        if partner == HANGS and self.hangs:
            self.timeline.sleep(TIME_OUT)
            raise Unknown(partner, operation, "no complete answer was received", code=ErrorCode.REPLY_LOST)
        self.timeline.sleep(SLOW_ANSWER if partner == HANGS and self.is_slow else ANSWER)
        if operation == "token":
            return Answer(200, {}, b'{"access_token": "t", "expires_in": 86400}', partner)
        email = given["json"]["account"]["email"]
        self.created[partner].append(email)
        self.arrived[email] = self.seconds
        uuid = f"{partner}-{len(self.created[partner])}"
        return Answer(200, {}, json.dumps({"uuid": uuid}).encode(), partner)

    def receive(self, partner: str) -> None:
        """Receive a lead for a partner."""
        number = len(self.leads) + 1
        one = lead(number, received_at=self.timeline.time.now)
        person = one.person.model_copy(update={"email": f"{number}@example.com"})
        self.stack.store.accept(one.model_copy(update={"partners": (partner,), "person": person}), phone_hash=None)
        self.leads[f"{number}@example.com"] = (partner, self.seconds)
        self.stack._announce()

    def work(self, queue: str, function: str) -> None:
        """Be a worker of a queue: a process, which shares nothing with the others."""
        stack = replace(self.stack, _modules={})
        url = self.stack.ref(queue)
        while True:
            messages: list[Any] = []
            if stack.has_messages(queue):
                messages = list(aws.sqs().receive_message(QueueUrl=url, WaitTimeSeconds=0).get("Messages", []))
            for message in messages:
                record = {
                    "messageId": message["MessageId"],
                    "receiptHandle": message["ReceiptHandle"],
                    "body": message["Body"],
                    "attributes": {"ApproximateReceiveCount": "1"},
                    "eventSource": "aws:sqs",
                }
                if not stack.invoke(function, {"Records": [record]})["batchItemFailures"]:
                    aws.sqs().delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            self.timeline.sleep(0.01 if messages else POLL)

    def sweep(self) -> None:
        """Be the schedule of find-due."""
        while True:
            self.timeline.sleep(60.0)
            self.stack.invoke("FindDue", {})

    def delays(self, *, begin: float, end: float) -> dict[str, list[float]]:
        """How long each broker's leads of some time took; infinity for those that have not arrived."""
        took: dict[str, list[float]] = {name: [] for name in BROKERS}
        for email, (partner, came) in self.leads.items():
            if begin <= came < end:
                took[partner].append(self.arrived.get(email, float("inf")) - came)
        return took


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    folder, shipped = tmp_path / "config", tmp_path / "shipped"
    shutil.copytree(CONFIG, folder)
    text = (folder / "partners.toml").read_text(encoding="utf-8")
    section = text[text.index("[matchtrade]") :]
    copies = "\n".join(section.replace("[matchtrade", f"[{name}") for name in BROKERS)
    (folder / "partners.toml").write_text(f"{text}\n{copies}", encoding="utf-8")
    for overlay in folder.glob("*.local.toml"):  # the times of production
        overlay.unlink()
    sources = folder / "sources.toml"
    text = sources.read_text(encoding="utf-8")
    rule = json.dumps([*BROKERS, "matchtrade"])
    begin = text.index("[web-trading]")
    sources.write_text(
        text[:begin] + text[begin:].replace('partners = ["matchtrade"]', f"partners = {rule}", 1), encoding="utf-8"
    )
    with (folder / "messages.toml").open("a", encoding="utf-8") as messages:
        messages.write("".join(f"\n[notifications.{name}.default]\non = false\n" for name in BROKERS))
    ship(folder, shipped)
    harness = Harness(Time())
    with memory_stack() as stack, patch.object(settings, "_SHIPPED", shipped):
        settings.settings.cache_clear()
        made = World(stack, Timeline(harness.time))
        monkeypatch.setattr(Transport, "call", lambda *args, **given: made.call(*args, **given))  # noqa: PLW0108
        names = ("client_id", "client_secret", "username", "password", "offer_uuid")
        broker = {"base_url": "https://broker.example.com", "partner_id": 1, **{name: name for name in names}}
        stack.put_secret("matchtrade", dict.fromkeys((*BROKERS, "matchtrade"), broker))
        with harness.open():
            yield made


def run(world: World, minutes: float) -> None:
    """The leads of the broker that hangs come first. Then one lead of each comes every ten seconds."""
    for partner in BROKERS:
        for _ in range(LEADS):
            world.receive(partner)
    for _ in range(WORKERS):
        world.timeline.start(lambda: world.work("SubmitMatchTradeQueue", "SubmitLead"))
    world.timeline.start(lambda: world.work("CheckQueue", "CheckStatus"))
    world.timeline.start(world.sweep)

    def forms() -> None:
        while world.seconds < 60 * minutes:
            world.timeline.sleep(10.0)
            for partner in BROKERS:
                world.receive(partner)

    world.timeline.start(forms)
    world.timeline.run_until(START + timedelta(minutes=minutes))


def test_the_others_get_their_leads_within_seconds_and_all_leads_arrive_once(world: World) -> None:
    run(world, 3)
    longest = max(delay for name in BROKERS[1:] for delay in world.delays(begin=0, end=170)[name])
    later = max(delay for name in BROKERS[1:] for delay in world.delays(begin=40, end=170)[name])
    assert world.created[HANGS] == []
    assert longest < 15, "each worker waits for two time-outs of seven seconds at most, with a pause between them"
    assert later < 8, "one worker at a time may wait for the broker that hangs"
    assert len(world.calls[HANGS]) <= 10
    world.hangs = False
    while len(world.arrived) < len(world.leads) and world.seconds < 1000:
        world.timeline.run_until(world.timeline.time.now + timedelta(seconds=30))
    for number, (partner, _) in enumerate(world.leads.values(), start=1):
        delivery = world.stack.store.delivery(lead(number).lead_id, partner)
        assert delivery is not None
        assert (delivery.state, delivery.waiting_reason) == (State.SUBMITTED, None)
    assert sum(map(len, world.created.values())) == len(world.arrived) == len(world.leads)


def test_a_slow_broker_does_not_delay_the_others(world: World) -> None:
    world.hangs, world.is_slow = False, True
    for _ in range(BACKLOG):
        world.receive(HANGS)
    run(world, 3)
    first = [delay for name in BROKERS[1:] for delay in world.delays(begin=0, end=10)[name]]
    later = [delay for name in BROKERS[1:] for delay in world.delays(begin=20, end=170)[name]]
    assert max(first) < 2 * SLOW_ANSWER + 3, "each worker gets a token and submits one lead, before it knows"
    assert max(later) < SLOW_ANSWER + POLL + 1
    assert median(later) < POLL, "most of the time a worker is free"
    share = 170 / (3 * SLOW_ANSWER) * WORKERS
    assert 0.7 * share < len(world.created[HANGS]) < 1.2 * share, "it takes a third of the workers' time"
    world.is_slow = False
    while len(world.arrived) < len(world.leads) and world.seconds < 1000:
        world.timeline.run_until(world.timeline.time.now + timedelta(seconds=30))
    assert sum(map(len, world.created.values())) == len(world.arrived) == len(world.leads)


@pytest.mark.parametrize("hangs", [True, False])
def test_without_circuit_and_fair_share_they_would_wait(
    world: World, monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    monkeypatch.setattr(CircuitBreaker, "leave", lambda *_: None)
    monkeypatch.setattr(FairShare, "wait", lambda *_: None)
    world.hangs, world.is_slow = hangs, not hangs
    run(world, 1)
    assert max(delay for name in BROKERS[1:] for delay in world.delays(begin=0, end=10)[name]) > 20
