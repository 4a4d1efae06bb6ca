"""Scenes that need several things in a row: a status that flips back, an event bus that loses events for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chaos.books import Books
from chaos.calm import CHECK
from chaos.in_process.stage import Fate
from chaos.partner_faults import REFUSALS, refusal
from chaos.settling import LAST, LENDERS_OPEN
from leadbridge.leads.delivery import Delivery, State
from sandbox.matchtrade.statuses import SEEN

if TYPE_CHECKING:
    from chaos.in_process.chaos import Chaos

CHECKS = "CheckStatus"
READERS = ("sync", "operator", "sync", "nobody")  # who reads a status that flips, and its two changes, most of the time
FOLLOWED = frozenset({State.SUBMITTED})


class Scenes:
    """What happens in several steps, with whatever else the seed puts between them."""

    def __init__(self, run: Chaos) -> None:
        self.run = run

    def refuse(self) -> None:
        """A partner refuses for good whatever it is sent next."""
        partner = self.run.random.choice(list(REFUSALS))
        self.run.partner.arm(partner, "create", refusal(partner), times=self.run.random.randint(1, 2))
        self.run.tally.add(f"{partner} refuses")

    def flip_status(self) -> None:
        """A partner's status becomes another and then the first one again, read by anybody in between, or by nobody."""
        delivery = self._followed()
        if delivery is None:
            return
        first = self._status_at_partner(delivery)
        other = self.run.random.choice([one for one in self._statuses(delivery) if one != first])
        self.run.tally.add("statuses that flip back")
        for status, reader in zip((first, other, first), READERS, strict=False):
            self.put_status(delivery, status)
            self.read_status(delivery, reader if self.run.random.random() < 0.6 else self.run.random.choice(READERS))

    def put_status(self, delivery: Delivery, status: str) -> None:
        """Put a deal or an account in a status, for good."""
        if delivery.deal_id is not None:
            self.run.partner.pin(delivery.deal_id, status)
        elif delivery.account_uuid is not None:
            self.run.partner.put_account(delivery.account_uuid, status)

    def another_status(self, delivery: Delivery) -> str:
        """A status that does not close the delivery, and is not the one that it has."""
        now = self._status_at_partner(delivery)
        return str(self.run.random.choice([one for one in self._statuses(delivery) if one != now]))

    def read_status(self, delivery: Delivery, reader: str) -> None:
        """The sync reads the status, or a check that an operator asks for, or nobody for a while."""
        match reader:
            case "sync":
                self.run.invoke("SyncMatchtrade", {}, lambda _: None, self._mostly_calm())
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
        """A delivery that is followed, by chance."""
        found = []
        for posted in self.run.posted[-8:]:
            for partner in ("leadleader", "matchtrade"):
                delivery = self.run.stack.store.delivery(posted.lead_id, partner)
                if delivery is not None and is_followed(delivery) and self._is_there(delivery):
                    found.append(delivery)
        return self.run.random.choice(found) if found else None

    def _is_there(self, delivery: Delivery) -> bool:
        return (delivery.deal_id or delivery.account_uuid) is not None and self._status_at_partner(delivery) not in LAST

    def _status_at_partner(self, delivery: Delivery) -> str:
        if delivery.deal_id is not None:
            return str(self.run.partner.deal(delivery.deal_id)["status"])
        return str(self.run.partner.account(delivery.account_uuid or "")["leadStatus"])

    @staticmethod
    def _statuses(delivery: Delivery) -> tuple[str, ...]:
        return LENDERS_OPEN if delivery.deal_id is not None else SEEN


def is_followed(delivery: Delivery) -> bool:
    """Whether the partner is still asked about a delivery."""
    return delivery.state in FOLLOWED and not delivery.is_erased and bool(delivery.deal_id or delivery.account_uuid)


def followed(books: Books) -> list[Delivery]:
    """The deliveries that are still followed."""
    return [one for file in books.files.values() for one in file.deliveries.values() if is_followed(one)]
