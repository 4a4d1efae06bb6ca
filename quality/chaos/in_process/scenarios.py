"""Scenarios of several steps: a status that changes back, an event bus that loses events for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devstack.sandbox.profile import profiles
from leadbridge.domain.delivery import Delivery
from quality.chaos.final_probe import CHECK
from quality.chaos.in_process.harness import FaultPlan
from quality.chaos.partner_faults import refusal
from quality.chaos.partner_statuses import flip_status

if TYPE_CHECKING:
    from quality.chaos.in_process.chaos import Chaos


class Scenarios:
    """The seed puts other events between the steps."""

    def __init__(self, run: Chaos) -> None:
        self.run = run

    def refuse(self) -> None:
        """A partner refuses the next one or two creates permanently."""
        partner = self.run.random.choice(list(profiles()))
        self.run.partner.arm(partner, "create", refusal(partner), times=self.run.random.randint(1, 2))
        self.run.counters.add(f"{partner} refuses")

    def flip_status(self) -> None:
        run = self.run
        if flip_status(run.random, run.partner, run.posted, run.stack.store.delivery, self._read_status):
            run.counters.add("statuses that flip back")

    def switch_bus(self) -> None:
        """The event bus delivers nothing for a while: a rule, or its key, is disabled."""
        self.run.harness.bus_is_off = not self.run.harness.bus_is_off
        if self.run.harness.bus_is_off:
            self.run.counters.add("times that the event bus was off")

    def _read_status(self, delivery: Delivery, reader: str) -> None:
        match reader:
            case "sync":
                self.run.invoke("SyncAccounts", {}, lambda _: None, self._mostly_without_fault())
            case "operator":
                self._check_by_operator(delivery)
            case _:
                self.run.time.advance(20)

    def _check_by_operator(self, delivery: Delivery) -> None:
        self.run.operator.call("POST", CHECK, place={"lead_id": delivery.lead_id, "partner": delivery.partner})
        for message in [one for one in self.run.transit.visible() if one.function == "CheckStatus"]:
            if message in self.run.transit.messages:
                self.run.give(message, self._mostly_without_fault())

    def _mostly_without_fault(self) -> FaultPlan | None:
        return FaultPlan() if self.run.random.random() < 0.7 else None
