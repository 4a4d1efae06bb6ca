"""What happens in one run: as many turns as there are leads, in each turn some things at once."""

from typing import Any

from leadbridge.domain.delivery import Delivery
from quality.chaos.in_process.aws_faults import QueueMessage
from quality.chaos.in_process.stack import STEPS, InProcess
from quality.chaos.operator import CHECK
from quality.chaos.records import AMOUNT, NAME, TERM
from quality.testkit.fakes.workers import FaultPlan, Worker
from quality.testkit.wiring import schedules


class Chaos(InProcess):
    def post_leads(self, leads: int) -> None:
        """Random events, until this number of leads was posted."""
        events = {
            self.deliver: 34,
            self.publish: 18,
            self.update_stats: 6,
            self.advance_time: 14,
            self.post_again: 5,
            self.resume: 8,
            self.tick: 6,
            self.break_partner: 5,
            self.refuse: 2,
            self.next_outage: 2,
            self.flip_status: 5,
            self.correct_meanwhile: 6,
            self.give_by_hand: 2,
            self.switch_bus: 1,
            self.operator.act: 6,
            self.rotate: 1,
            self.restart: 2,
        }
        for _ in range(leads):
            post = self.next_post()
            self.unanswered.append(post)
            self.post(post)
            for action in self.random.choices(list(events), list(events.values()), k=26):
                action()
                self.transit.collect()

    def post_again(self) -> None:
        """A form repeats a post that had no answer, or an older one."""
        if self.sent:
            self.counters.add("forms posted again")
            self.post(self.random.choice(self.unanswered or self.sent))

    def publish(self) -> None:
        """The stream's next records go to publish_changes, some twice, in another order, or never."""
        records = self.transit.records
        if records and not self.is_draining and self.random.random() < 0.05:
            self.counters.add("stream records lost", len(records))
            records.clear()
        elif records:
            if not self.is_draining and self.random.random() < 0.2:
                self.counters.add("stream records reordered", len(records))
                self.random.shuffle(records)
            self._read_stream("PublishChanges", records, repeated=0.2)

    def update_stats(self) -> None:
        """Some of the stream's records go to update_stats, in any order, some twice. None is lost."""
        if records := self.transit.stats_records:
            if not self.is_draining:
                self.random.shuffle(records)
            self._read_stream("UpdateStats", records, repeated=0.3)

    def _read_stream(self, function: str, records: list[dict[str, Any]], *, repeated: float) -> None:
        batch = list(records) if self.is_draining else records[: self.random.randint(1, 20)]
        comes_twice = not self.is_draining and self.random.random() < repeated

        def settle(worker: Worker) -> None:
            if worker.answer is None or worker.answer["batchItemFailures"]:
                return
            if comes_twice:
                self.counters.add("stream records sent twice", len(batch))
            else:
                records[:] = [record for record in records if record not in batch]

        self.invoke(function, {"Records": batch}, settle)

    def deliver(self) -> None:
        """A visible message goes to its worker; some are delivered twice, some are lost."""
        visible = self.transit.visible()
        if self.is_draining and visible:
            self.give(visible[0])
        elif visible:
            message = self.random.choice(visible)
            if self.random.random() < 0.03:
                self.counters.add("queue messages lost")
                self.transit.messages.remove(message)
            else:
                self.give(message)

    def tick(self) -> None:
        function = self.random.choice([*schedules().values(), "FindDue", "FindDue", "SyncAccounts"])
        self.counters.add(f"{function} called by its schedule")
        self.invoke(function, {})

    def advance_time(self) -> None:
        self.time.advance(self.random.choice([0.5, 1, 1, 2, 2, 5, 5, 10, 20, 30, 70, 400, 2000]))

    def resume(self) -> None:
        """A frozen worker continues, if Lambda has not stopped it."""
        if self.harness.frozen:
            self.harness.resume(self.random.choice(self.harness.frozen))

    def restart(self) -> None:
        """A function's execution environment is replaced by a new one."""
        self.stack.restart(self.random.choice(list(self.stack._modules) or [""]))

    def switch_bus(self) -> None:
        """The event bus delivers nothing for a while: a rule, or its key, is disabled."""
        self.transit.bus_is_off = not self.transit.bus_is_off
        if self.transit.bus_is_off:
            self.counters.add("times that the event bus was off")

    def correct_meanwhile(self) -> None:
        """An operator corrects a lead while a worker, another operator or an erasure is at one of its steps."""
        waiting, frozen = self._waiting_leads(), len(self.harness.frozen)
        if waiting and self.random.random() < 0.6:
            message = self.random.choice(waiting)
            self.counters.add("leads corrected during their submission")
            self.give(message, self._frozen_somewhere())
            self._correct(str(message.lead_id))
        elif self.posted:
            lead_id = self.random.choice(self.posted).lead_id
            self.next_plan = self._frozen_somewhere()
            match self.random.choices(["operators", "erasure", "correction"], [10, 1, 1])[0]:
                case "operators":
                    self.counters.add("leads corrected by two operators")
                    self._correct(lead_id, (NAME,))
                    self._correct(lead_id, (AMOUNT, TERM))
                case "erasure":
                    self.counters.add("leads corrected during their erasure")
                    self.operator.erase(lead_id)
                    self._correct(lead_id)
                case _:
                    self.counters.add("people erased during a correction")
                    self._correct(lead_id)
                    self.operator.erase(lead_id)
        self._resume_after(frozen)

    def give_by_hand(self) -> None:
        """An operator gives a lead to another partner while a worker is at one of its steps."""
        waiting, frozen = self._waiting_leads(), len(self.harness.frozen)
        if waiting:
            message = self.random.choice(waiting)
            self.counters.add("leads given to another partner during their submission")
            self.give(message, self._frozen_somewhere())
            self.next_plan = FaultPlan()
            self.operator.add_partner(str(message.lead_id))
            self.next_plan = None
            self._resume_after(frozen)

    def read_status(self, delivery: Delivery, reader: str) -> None:
        match reader:
            case "sync":
                self.invoke("SyncAccounts", {}, plan=self._mostly_without_fault())
                self._give_messages_of("SyncAccounts")
            case "operator":
                self.call("POST", CHECK, place={"lead_id": delivery.lead_id, "partner": delivery.partner})
                self._give_messages_of("CheckStatus")
            case _:
                self.time.advance(20)

    def _waiting_leads(self) -> list[QueueMessage]:
        return [one for one in self.transit.visible() if one.function == "SubmitLead" and one.lead_id is not None]

    def _frozen_somewhere(self) -> FaultPlan:
        return FaultPlan(frozen_at=self.random.randint(1, STEPS))

    def _resume_after(self, frozen: int) -> None:
        """Resume the workers that were frozen since there were `frozen`."""
        for worker in self.harness.frozen[frozen:]:
            self.harness.resume(worker)

    def _correct(self, lead_id: str, paths: tuple[str, ...] = (NAME, AMOUNT, TERM)) -> None:
        """Correct some fields of a lead, mostly without faults, and what an incomplete lead lacks."""
        if self.next_plan is None and self.random.random() < 0.8:
            self.next_plan = FaultPlan()
        found = self.operator.journey(lead_id)
        missing = self.operator.posted_of(lead_id).missing_values if found is not None and found.is_incomplete else {}
        new = self.operator.new_values() if not missing or self.random.random() < 0.5 else {}
        self.operator.correct(lead_id, missing | ({path: new[path] for path in paths if path in new} or new))

    def _give_messages_of(self, function: str) -> None:
        for message in self.transit.visible():
            if message.function == function and message in self.transit.messages:
                self.give(message, self._mostly_without_fault())

    def _mostly_without_fault(self) -> FaultPlan | None:
        return FaultPlan() if self.random.random() < 0.7 else None
