"""Scenes that need several things in a row: a status that flips back, an event bus that loses events for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devstack.sandbox.profile import profiles
from leadbridge.domain.delivery import Delivery
from quality.chaos.final_probe import CHECK
from quality.chaos.in_process.stage import Fate
from quality.chaos.partner_faults import refusal
from quality.chaos.partner_statuses import is_followed, is_last, put_status, status_at, statuses_of
from quality.chaos.reconciliation import Books

if TYPE_CHECKING:
    from quality.chaos.in_process.chaos import Chaos

CHECKS = "CheckStatus"
READERS = ("sync", "operator", "sync", "none")  # what reads a status that flips, and its two changes, most of the time


class Scenes:
    """Scenes of several steps; the seed puts other events between them."""

    def __init__(self, run: Chaos) -> None:
        self.run = run

    def refuse(self) -> None:
        """A partner refuses the next one or two creates for good."""
        partner = self.run.random.choice(list(profiles()))
        self.run.partner.arm(partner, "create", refusal(partner), times=self.run.random.randint(1, 2))
        self.run.tally.add(f"{partner} refuses")

    def flip_status(self) -> None:
        """A partner's status changes and changes back; each time a sync, a check or nothing reads it."""
        delivery = self._followed()
        if delivery is None:
            return
        first = status_at(self.run.partner, delivery)
        other = self.run.random.choice([one for one in statuses_of(delivery) if one != first])
        self.run.tally.add("statuses that flip back")
        for status, reader in zip((first, other, first), READERS, strict=False):
            put_status(self.run.partner, delivery, status)
            self.read_status(delivery, reader if self.run.random.random() < 0.6 else self.run.random.choice(READERS))

    def change_status(self, delivery: Delivery) -> None:
        """Put a deal or an account in another status that does not close the delivery."""
        now = status_at(self.run.partner, delivery)
        other = self.run.random.choice([one for one in statuses_of(delivery) if one != now])
        put_status(self.run.partner, delivery, other)

    def read_status(self, delivery: Delivery, reader: str) -> None:
        """The sync reads the status, or an operator's check, or nothing for a while."""
        match reader:
            case "sync":
                self.run.invoke("SyncAccounts", {}, lambda _: None, self._mostly_calm())
            case "operator":
                self._check_by_operator(delivery)
            case _:
                self.run.time.pass_(20)

    def switch_bus(self) -> None:
        """The event bus delivers nothing for a while: somebody disabled a rule, or its key."""
        self.run.stage.bus_is_off = not self.run.stage.bus_is_off
        if self.run.stage.bus_is_off:
            self.run.tally.add("times that the event bus was off")

    def _check_by_operator(self, delivery: Delivery) -> None:
        place = {"lead_id": delivery.lead_id, "partner": delivery.partner}
        self.run.operator.call("POST", CHECK, pathParameters=place)
        for message in [one for one in self.run.transit.visible() if one.function == CHECKS]:
            if message in self.run.transit.messages:
                self.run.give(message, self._mostly_calm())

    def _mostly_calm(self) -> Fate | None:
        return Fate() if self.run.random.random() < 0.7 else None

    def _followed(self) -> Delivery | None:
        """A random delivery that is followed."""
        found = []
        for posted in self.run.posted[-8:]:
            for partner in profiles():
                delivery = self.run.stack.store.delivery(posted.lead_id, partner)
                if delivery is None or not is_followed(delivery):
                    continue
                if not is_last(delivery, status_at(self.run.partner, delivery)):
                    found.append(delivery)
        return self.run.random.choice(found) if found else None


def followed(books: Books) -> list[Delivery]:
    """The deliveries that are still followed."""
    return [one for file in books.files.values() for one in file.deliveries.values() if is_followed(one)]
