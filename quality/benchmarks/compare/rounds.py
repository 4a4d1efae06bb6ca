"""The load on one system: leads one after the other, leads at a concurrency, and leads in flight when it is killed."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

from devstack.sandbox.remote import ControlError, Remote
from devstack.workdir import LocalError, wait_until
from quality.benchmarks.compare.servers import System, phone
from quality.benchmarks.compare.usage import cpu_seconds, wait_until_idle
from quality.benchmarks.processes import under

CONCURRENCY = 16
TIMEOUT = 180.0  # seconds for all leads of a phase to reach the partner
PARTNER_SECONDS = 0.4  # of each of the partner's two calls while leads are in flight
SETTLE = 10.0  # seconds after a restart in which a lead may still reach the partner
POSTED, CONFIRMED = 60, 30  # leads to post, and confirmed leads after which the system is killed
KILLS = 2


@dataclass
class Usage:
    """One system's figures. CPU in milliseconds for a lead, a value a round; latencies in seconds, a value a lead."""

    alone_cpu: list[float] = field(default_factory=list)
    busy_cpu: list[float] = field(default_factory=list)
    busy_aws_cpu: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)
    alone_latency: list[float] = field(default_factory=list)
    busy_latency: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Losses:
    """What happened to leads in flight. `recorded`: lost leads that its storage still has."""

    confirmed: int
    lost: int
    recorded: int
    twice: int
    unsettled: int | None


class Load:
    """Posts leads and observes the partner. Each lead has its own number in the whole run."""

    def __init__(self, partners: Remote, aws: int) -> None:
        self._partners, self._aws = partners, aws
        self._numbers = count(1)
        self._last_deal = 0

    def numbers(self, amount: int) -> list[int]:
        return [next(self._numbers) for _ in range(amount)]

    def run(self, system: System, usage: Usage, alone: int, busy: int) -> None:
        """One round of one system."""
        self._begin()
        before = wait_until_idle(system.processes)
        posted: dict[int, float] = {}
        for done, number in enumerate(self.numbers(alone), 1):
            posted[number] = time.time()
            _confirmed(system, number)
            self._reached(done)
        after = wait_until_idle(system.processes)
        usage.alone_cpu.append((after - before) / alone * 1000)
        usage.alone_latency += [at - posted[number] for number, at in self._deals(posted).items()]

        self._begin()
        before, aws = wait_until_idle(system.processes), self._aws_cpu()
        posted = {}

        def send(number: int) -> None:
            posted[number] = time.time()
            _confirmed(system, number)

        with ThreadPoolExecutor(CONCURRENCY) as senders:
            list(senders.map(send, self.numbers(busy)))
        self._reached(busy)
        after = wait_until_idle(system.processes)
        deals = self._deals(posted)
        usage.busy_cpu.append((after - before) / busy * 1000)
        usage.busy_aws_cpu.append((self._aws_cpu() - aws) / busy * 1000)
        usage.busy_latency += [at - posted[number] for number, at in deals.items()]
        usage.rate.append(busy / (max(deals.values()) - min(posted.values())))

    def kill(self, system: System, *, at_end: bool) -> Losses:
        """Kill a system with leads in flight some times. Returns the sums."""
        found = [self._kill_once(system, at_end=at_end) for _ in range(KILLS)]
        unsettled = [one.unsettled for one in found if one.unsettled is not None]
        return Losses(
            sum(one.confirmed for one in found),
            sum(one.lost for one in found),
            sum(one.recorded for one in found),
            sum(one.twice for one in found),
            sum(unsettled) if unsettled else None,
        )

    def _kill_once(self, system: System, *, at_end: bool) -> Losses:
        """Kill a system, restart it, and post the unconfirmed leads again, as a form does."""
        self._begin()
        slow = {"kind": "delay", "seconds": PARTNER_SECONDS, "when": "before"}
        faults = [self._partners.arm("leadleader", one, slow, times=None) for one in ("authorize", "create")]
        numbers = self.numbers(POSTED)
        with ThreadPoolExecutor(CONCURRENCY) as senders:
            answers = {number: senders.submit(system.post, number, at_end=at_end) for number in numbers}
            wait_until(
                lambda: sum(answer.done() and answer.result() for answer in answers.values()) >= CONFIRMED,
                timeout=TIMEOUT,
                interval=0.002,
                otherwise=f"{system.name} did not confirm {CONFIRMED} leads in {TIMEOUT:g} s.",
            )
            system.kill()
        confirmed = {number for number, answer in answers.items() if answer.result()}
        system.restart()
        with ThreadPoolExecutor(CONCURRENCY) as senders:
            again = [number for number in numbers if number not in confirmed]
            done = senders.map(lambda number: system.post(number, at_end=at_end), again)
            confirmed |= {number for number, is_confirmed in zip(again, done, strict=True) if is_confirmed}
        system.recover(numbers)
        with suppress(LocalError):  # raised for a system that loses leads
            wait_until(lambda: len(self._calls(numbers)) == len(numbers), timeout=SETTLE, interval=0.5, otherwise="")
        wait_until_idle(system.processes)
        for fault in faults:
            self._partners.disarm(fault)
        calls = self._calls(numbers)
        lost = confirmed - calls.keys()
        twice = sum(amount > 1 for amount in calls.values())
        return Losses(len(confirmed), len(lost), len(system.kept(lost)), twice, system.unsettled(numbers))

    def _begin(self) -> None:
        """Forget the earlier deals: the partner lists all of them."""
        deals = self._partners.deals()
        self._last_deal = max([self._last_deal, *(int(one["deal_id"]) for one in deals)])
        self._partners.reset()

    def _reached(self, amount: int) -> None:
        """Wait until so many leads have reached the partner in this phase. Deals have consecutive numbers."""

        def is_there() -> bool:
            try:
                self._partners.deal(self._last_deal + amount)
            except ControlError:
                return False
            return True

        wait_until(
            is_there,
            timeout=TIMEOUT,
            interval=0.01,
            otherwise=f"{amount} leads did not reach the partner in {TIMEOUT:g} s.",
        )

    def _deals(self, posted: Iterable[int]) -> dict[int, float]:
        """When the partner got each lead, in seconds since the epoch. Raises LocalError unless it has each once."""
        found = [(one["clientInfo"]["telephone"], _seconds(one)) for one in self._partners.deals()]
        by_phone = dict(found)
        wanted = {number: phone(number) for number in posted}
        if len(found) != len(wanted) or by_phone.keys() != set(wanted.values()):
            raise LocalError(f"{len(wanted)} leads have become {len(found)} deals")
        return {number: by_phone[its] for number, its in wanted.items()}

    def _calls(self, numbers: Iterable[int]) -> dict[int, int]:
        """How many deals the partner has of each lead that reached it."""
        phones = [one["clientInfo"]["telephone"] for one in self._partners.deals()]
        return {number: amount for number in numbers if (amount := phones.count(phone(number)))}

    def _aws_cpu(self) -> float:
        return cpu_seconds(under(self._aws))


def _confirmed(system: System, number: int) -> None:
    if not system.post(number):
        raise LocalError(f"{system.name} did not confirm lead {number}")


def _seconds(deal: dict[str, Any]) -> float:
    return datetime.fromisoformat(deal["created_at"]).timestamp()
