"""Scenarios of several steps: a status that changes back, an event bus that loses events for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devstack.partners import partner_profiles
from leadbridge.domain.delivery import Delivery
from quality.chaos.corrections import AMOUNT, NAME, TERM
from quality.chaos.final_probe import CHECK
from quality.chaos.in_process.harness import STEPS, FaultPlan
from quality.chaos.partner_statuses import flip_status

if TYPE_CHECKING:
    from quality.chaos.in_process.chaos import Chaos


class Scenarios:
    """The seed puts other events between the steps."""

    def __init__(self, run: Chaos) -> None:
        self.run = run

    def refuse(self) -> None:
        """A partner refuses the next one or two creates permanently."""
        partner, profile = self.run.random.choice(list(partner_profiles().items()))
        self.run.partner.arm(partner, "create", profile.refusing, times=self.run.random.randint(1, 2))
        self.run.counters.add(f"{partner} refuses")

    def next_outage(self) -> None:
        """Another partner is away until the next outage."""
        away = self.run.outages.next()
        if away is not None:
            self.run.counters.add(f"outages of {away}")

    def flip_status(self) -> None:
        run = self.run
        if flip_status(run.random, run.partner, run.posted, run.stack.store.delivery, self._read_status):
            run.counters.add("statuses that flip back")

    def switch_bus(self) -> None:
        """The event bus delivers nothing for a while: a rule, or its key, is disabled."""
        self.run.harness.bus_is_off = not self.run.harness.bus_is_off
        if self.run.harness.bus_is_off:
            self.run.counters.add("times that the event bus was off")

    def correct(self) -> None:
        """An operator corrects a lead while a worker, another operator or an erasure is at one of its steps."""
        run = self.run
        waiting = [one for one in run.transit.visible() if one.function == "SubmitLead" and one.lead_id is not None]
        frozen = len(run.harness.frozen)
        if waiting and run.random.random() < 0.6:
            message = run.random.choice(waiting)
            run.counters.add("leads corrected during their submission")
            run.give(message, FaultPlan(frozen_at=run.random.randint(1, STEPS)))
            self._correct(str(message.lead_id))
        elif run.posted:
            posted = run.random.choice(run.posted)
            run.operator.next_plan = FaultPlan(frozen_at=run.random.randint(1, STEPS))
            match run.random.choices(["operators", "erasure", "correction"], [10, 1, 1])[0]:
                case "operators":
                    run.counters.add("leads corrected by two operators")
                    self._correct(posted.lead_id, (NAME,))
                    self._correct(posted.lead_id, (AMOUNT, TERM))
                case "erasure":
                    run.counters.add("leads corrected during their erasure")
                    run.operator.erase(posted.lead_id)
                    self._correct(posted.lead_id)
                case _:
                    run.counters.add("people erased during a correction")
                    self._correct(posted.lead_id)
                    run.operator.erase(posted.lead_id)
        for worker in run.harness.frozen[frozen:]:
            run.harness.resume(worker)

    def give_by_hand(self) -> None:
        """An operator gives a lead to another partner while a worker is at one of its steps."""
        run = self.run
        waiting = [one for one in run.transit.visible() if one.function == "SubmitLead" and one.lead_id is not None]
        if not waiting:
            return
        message, frozen = run.random.choice(waiting), len(run.harness.frozen)
        run.counters.add("leads given to another partner during their submission")
        run.give(message, FaultPlan(frozen_at=run.random.randint(1, STEPS)))
        run.operator.next_plan = FaultPlan()
        run.operator.add_partner(str(message.lead_id))
        run.operator.next_plan = None
        for worker in run.harness.frozen[frozen:]:
            run.harness.resume(worker)

    def _correct(self, lead_id: str, paths: tuple[str, ...] = (NAME, AMOUNT, TERM)) -> None:
        """Correct some fields of a lead, mostly without faults, and what an incomplete lead lacks."""
        operator, random = self.run.operator, self.run.random
        if operator.next_plan is None and random.random() < 0.8:
            operator.next_plan = FaultPlan()
        posted = next((one for one in self.run.posted if one.lead_id == lead_id), None)
        found = operator.journey(lead_id)
        missing = posted.missing_values if posted is not None and found is not None and found.is_incomplete else {}
        new = operator.corrections.new_values(random) if not missing or random.random() < 0.5 else {}
        chosen = {path: value for path, value in new.items() if path in paths} or new
        operator.correct(lead_id, missing | chosen)

    def _read_status(self, delivery: Delivery, reader: str) -> None:
        match reader:
            case "sync":
                self.run.invoke("SyncAccounts", {}, lambda _: None, self._mostly_without_fault())
                self._give_messages_of("SyncAccounts")
            case "operator":
                self._check_by_operator(delivery)
            case _:
                self.run.time.advance(20)

    def _check_by_operator(self, delivery: Delivery) -> None:
        self.run.operator.call("POST", CHECK, place={"lead_id": delivery.lead_id, "partner": delivery.partner})
        self._give_messages_of("CheckStatus")

    def _give_messages_of(self, function: str) -> None:
        for message in [one for one in self.run.transit.visible() if one.function == function]:
            if message in self.run.transit.messages:
                self.run.give(message, self._mostly_without_fault())

    def _mostly_without_fault(self) -> FaultPlan | None:
        return FaultPlan() if self.run.random.random() < 0.7 else None
