"""Statuses at the partners that flip: A, B and A again, read by a sync, by an operator's check, or by nobody."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from random import Random

from urllib3.exceptions import HTTPError

from chaos.calm import CHECK
from chaos.deployed.repeats import Repeats
from chaos.deployed.world import World
from chaos.settling import LAST, LENDERS_OPEN
from chaos.tally import Tally
from leadbridge.leads.delivery import Delivery, State
from local.pacemaker import scheduled_event
from sandbox.matchtrade.statuses import SEEN

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
        """Put a status to another one and back, and have it read in between."""
        delivery = self._followed()
        if delivery is None:
            return
        known = LENDERS_OPEN if delivery.deal_id is not None else SEEN
        first = self._status(delivery)
        other = self.random.choice([status for status in known if status != first])
        self.tally.add("statuses that flip back")
        for status in (first, other, first):
            self._put(delivery, status)
            self.random.choice(self._readers(delivery))()

    def _readers(self, delivery: Delivery) -> list[Callable[[], object]]:
        sync = partial(self.repeats.call, "SyncMatchtrade", scheduled_event())
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
            for name in ("leadleader", "matchtrade"):
                delivery = self.world.table.delivery(posted.lead_id, name)
                if delivery is not None and _is_followed(delivery) and self._status(delivery) not in LAST:
                    return delivery
        return None

    def _status(self, delivery: Delivery) -> str:
        if delivery.deal_id is not None:
            return str(self.world.partner.deal(delivery.deal_id)["status"])
        return str(self.world.partner.account(delivery.account_uuid or "")["leadStatus"])

    def _put(self, delivery: Delivery, status: str) -> None:
        if delivery.deal_id is not None:
            self.world.partner.pin(delivery.deal_id, status)
        else:
            self.world.partner.put_account(delivery.account_uuid or "", status)


def _is_followed(delivery: Delivery) -> bool:
    is_known = delivery.deal_id is not None or delivery.account_uuid is not None
    return delivery.state is State.SUBMITTED and not delivery.is_erased and is_known
