"""Statuses at the partners that flip: A, B and A again, read by a sync, by an operator's check, or by nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from random import Random

from urllib3.exceptions import HTTPError

from devstack.sandbox.profile import profiles
from devstack.scheduler import scheduled_event
from leadbridge.domain.delivery import Delivery
from quality.chaos.counters import Tally
from quality.chaos.deployed.repeats import Repeats
from quality.chaos.deployed.world import World
from quality.chaos.final_probe import CHECK
from quality.chaos.partner_statuses import is_followed, is_last, put_status, status_at, statuses_of

RECENT = 20  # so many of the latest leads are looked at
READ_WITHIN = 2.0  # seconds that a check has for its way through the queue


@dataclass(frozen=True)
class Statuses:
    """Flips the status of a deal or an account that is followed."""

    world: World
    random: Random
    tally: Tally
    repeats: Repeats

    def flip_status(self) -> None:
        """Change a status and change it back, and have it read in between."""
        delivery = self._followed()
        if delivery is None:
            return
        first = status_at(self.world.partner, delivery)
        other = self.random.choice([status for status in statuses_of(delivery) if status != first])
        self.tally.add("statuses that flip back")
        for status in (first, other, first):
            put_status(self.world.partner, delivery, status)
            self.random.choice(self._readers(delivery))()

    def _readers(self, delivery: Delivery) -> list[Callable[[], object]]:
        sync = partial(self.repeats.call, "SyncAccounts", scheduled_event())
        return [sync, sync, partial(self._check, delivery), partial(time.sleep, 0.5)]

    def _check(self, delivery: Delivery) -> None:
        path = CHECK.format(lead_id=delivery.lead_id, partner=delivery.partner)
        with suppress(HTTPError):
            self.world.operator.post(path)
        time.sleep(self.random.uniform(0, READ_WITHIN))

    def _followed(self) -> Delivery | None:
        with self.world.lock:
            recent = self.world.posted[-RECENT:]
        self.random.shuffle(recent)
        for posted in recent:
            for name in profiles():
                delivery = self.world.table.delivery(posted.lead_id, name)
                if delivery is None or not is_followed(delivery):
                    continue
                if not is_last(delivery, status_at(self.world.partner, delivery)):
                    return delivery
        return None
