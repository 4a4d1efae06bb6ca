"""The load on one system: leads one after the other, or several at a time."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import count, islice

from devstack.sandbox.remote import ControlError, Remote
from devstack.workdir import LocalError, wait_until
from quality.benchmarks.compare.systems import System
from quality.benchmarks.processes import cpu_seconds, under

TIMEOUT = 180.0  # seconds for all leads of a phase to reach the partner
# A system is idle when it used less than this share of a core for so long. The wait for that is limited.
IDLE_SHARE, IDLE_SECONDS, IDLE_TIMEOUT = 0.1, 0.4, 30.0


@dataclass(frozen=True)
class Phase:
    """What a number of leads took. CPU in milliseconds for a lead; latencies in seconds, by lead."""

    cpu: float
    aws_cpu: float
    rate: float
    latencies: tuple[float, ...]


class Load:
    """Posts leads and observes the partner. Each lead has its own number in the whole run."""

    def __init__(self, partners: Remote, aws: int) -> None:
        self._partners, self._aws = partners, aws
        self._numbers = count(1)
        self._last_deal = 0

    def numbers(self, amount: int) -> list[int]:
        return list(islice(self._numbers, amount))

    def run(self, system: System, amount: int, concurrency: int) -> Phase:
        """Post leads: so many at a time, or each when the partner has the one before."""
        self._last_deal = max(
            [self._last_deal, *(int(one["deal_id"]) for one in self._partners.rows("leadleader/deals"))]
        )
        self._partners.reset()  # it lists all deals, and each read would take longer
        before, aws, posted = idle(system), cpu_seconds(under(self._aws)), dict[int, float]()

        def send(number: int) -> None:
            posted[number] = time.time()
            system.post(number)

        if concurrency == 1:
            for done, number in enumerate(self.numbers(amount), 1):
                send(number)
                self._wait_for_deals(done)
        else:
            with ThreadPoolExecutor(concurrency) as senders:
                list(senders.map(send, self.numbers(amount)))
            self._wait_for_deals(amount)
        used = idle(system) - before
        deals = [
            (int(one["clientInfo"]["telephone"][3:]), one["created_at"])
            for one in self._partners.rows("leadleader/deals")
        ]
        if sorted(number for number, _ in deals) != sorted(posted):
            raise LocalError(f"{amount} leads have become {len(deals)} deals")
        created = {number: datetime.fromisoformat(at).timestamp() for number, at in deals}
        return Phase(
            used / amount * 1000,
            (cpu_seconds(under(self._aws)) - aws) / amount * 1000,
            amount / (max(created.values()) - min(posted.values())),
            tuple(created[number] - at for number, at in posted.items()),
        )

    def _wait_for_deals(self, amount: int) -> None:
        """Wait until so many leads have reached the partner in this phase. Deals have consecutive numbers."""

        def is_there() -> bool:
            try:
                self._partners.get(f"leadleader/deals/{self._last_deal + amount}")
            except ControlError:
                return False
            return True

        otherwise = f"{amount} leads did not reach the partner in {TIMEOUT:g} s."
        wait_until(is_there, timeout=TIMEOUT, interval=0.01, otherwise=otherwise)


def idle(system: System) -> float:
    """Wait until a system has finished its work for the last lead. Returns its CPU seconds so far."""
    deadline, used = time.monotonic() + IDLE_TIMEOUT, cpu_seconds(system.processes())
    while time.monotonic() < deadline:
        time.sleep(IDLE_SECONDS)
        before, used = used, cpu_seconds(system.processes())
        if used - before < IDLE_SHARE * IDLE_SECONDS:
            break
    return used
