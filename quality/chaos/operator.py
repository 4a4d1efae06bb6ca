"""An operator during a run: erases, writes, corrects, redrives, checks and resolves as the partner's records say."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any

from devstack.partners import partner_profiles
from devstack.sandbox.remote import Remote
from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.lead import Lead
from leadbridge.storage.leads import Journey
from quality.chaos.corrections import Corrections, body_of, values_of
from quality.chaos.counters import Counters
from quality.chaos.final_probe import (
    ADD,
    CHECK,
    LEAD,
    PAUSE,
    QUEUES,
    REDRIVE,
    RESOLVE,
    RESUME,
    RETRIED,
    RETRY,
    Probe,
    check_answer,
)
from quality.chaos.lead_orders import ADDED, AddedPartner
from quality.chaos.reconciliation import Pause, Posted

ALLOWED_STATUSES = frozenset({200, 202, 204, 404, 409})
CORRECTED = frozenset({200, 404, 409})
CHOSEN = frozenset({ADDED, 404, 409, 422})
WRONGLY_CORRECTED = frozenset({404, 409, 422})
UNREADABLE = {"person.phone": "нема", "loan.amount": "від 5 до 10 тисяч"}
MAX_RESUMES = 20  # calls until one is answered
LOOKED_AT = 6  # leads among which an operator looks for an incomplete one
ERASED_AFTERWARDS = 0.3

type OnStatus = Callable[[int], None]


def ignore(_status: int) -> None:
    pass


@dataclass(frozen=True)
class Shares:
    """How often an operator acts on a lead, on a queue, and on a partner. The rest are deliveries to settle."""

    erase: float
    write: float
    redrive: float = 0.1
    pause: float = 0.06
    check: float = 0.1
    correct: float = 0.3
    add: float = 0.0


class Operator(ABC):
    """`posted` is filled by the run while it runs."""

    def __init__(
        self, partner: Remote, random: Random, counters: Counters, posted: Sequence[Posted], shares: Shares
    ) -> None:
        self.partner, self.random, self.counters, self.posted, self.shares = partner, random, counters, posted, shares
        self.written = 0
        self.to_be_erased: list[str] = []
        self.erased: set[str] = set()
        self.corrections = Corrections()
        self.last_call = 0
        self.pauses: list[Pause] = []
        self.added_partners: list[AddedPartner] = []

    @abstractmethod
    def now(self) -> datetime: ...

    @abstractmethod
    def call(
        self,
        method: str,
        resource: str,
        body: Any = None,
        place: dict[str, str] | None = None,
        *,
        on: OnStatus = ignore,
        allowed: frozenset[int] = ALLOWED_STATUSES,
    ) -> None:
        """Call a route. `on` gets the status, 0 if there was no answer. A 4xx that is not allowed is a failure."""

    @abstractmethod
    def delivery(self, lead_id: str, partner: str) -> Delivery | None: ...

    @abstractmethod
    def journey(self, lead_id: str) -> Journey | None: ...

    @abstractmethod
    def can_be_settled(self, delivery: Delivery) -> bool:
        """Whether no create call of an unknown delivery is still running."""

    def to_settle(self, posted: Posted) -> Iterable[Posted]:
        """The leads to settle if an operator opens this one."""
        return (posted,)

    def act(self) -> None:
        """One action on a random lead."""
        if not self.posted:
            return
        posted = self.random.choice(self.posted)
        drawn, shares = self.random.random(), self.shares
        if drawn > 1 - shares.pause:
            self.pause_or_resume(self.random.choice(list(partner_profiles())))
        elif drawn > 1 - shares.pause - shares.add:
            self.add_partner(posted.lead_id)
        elif drawn < shares.erase:
            self.counters.add("people erased")
            self.erase(posted.lead_id)
        elif drawn < shares.erase + shares.write:
            self.written += 1
            self.counters.add("messages written by operators")
            self.call("POST", "/messages", {"lead_id": posted.lead_id, "text": f"Лист {self.written}"})
        elif drawn < shares.erase + shares.write + shares.redrive:
            self.counters.add("dead letters redriven")
            self.call("POST", REDRIVE, {}, {"queue": self.random.choice(QUEUES)})
        elif drawn < shares.erase + shares.write + shares.redrive + shares.check:
            self.counters.add("statuses checked by operators")
            for partner in partner_profiles():
                self.call("POST", CHECK, place={"lead_id": posted.lead_id, "partner": partner})
        elif drawn < shares.erase + shares.write + shares.redrive + shares.check + shares.correct:
            self.correct_one(posted)
        else:
            for one in self.to_settle(posted):
                self.settle(one)

    def add_partner(self, lead_id: str, *, is_confirmed: bool | None = None) -> None:
        """Give a lead to a partner that has no delivery of it; by chance with a confirmation."""
        found = self.journey(lead_id)
        if found is None:
            return
        names = [name for name in partner_profiles() if name not in found.deliveries]
        self.counters.add("leads given to another partner")
        body = {
            "partner": self.random.choice(names or list(partner_profiles())),
            "confirm": self.random.random() < 0.5 if is_confirmed is None else is_confirmed,
        }
        self._add(found.lead, body)

    def _add(
        self, lead: Lead, body: dict[str, Any], *, on: OnStatus = ignore, allowed: frozenset[int] = CHOSEN
    ) -> None:
        added = AddedPartner(lead.lead_id, body["partner"], body["confirm"], lead.fallbacks, lead.next_on)
        self.added_partners.append(added)

        def answered(status: int) -> None:
            added.status = status
            on(status)

        self.call("POST", ADD, body, {"lead_id": lead.lead_id}, on=answered, allowed=allowed)

    def pause_or_resume(self, partner: str) -> None:
        """Pause a partner, or resume it if it may be paused."""
        if any(one.partner == partner and one.until is None for one in self.pauses):
            self.counters.add("partners resumed")
            self.resume(partner)
            return
        self.counters.add("partners paused")
        pause = Pause(partner)
        self.pauses.append(pause)

        def answered(status: int) -> None:
            if status == 200:
                pause.since = self.now()

        self.call("POST", PAUSE, {"reason": "a pause of the chaos"}, {"partner": partner}, on=answered)

    def resume(self, partner: str) -> bool:
        """Resume a partner. Returns whether that was confirmed."""
        answers: list[int] = []
        for pause in self.pauses:
            if pause.partner == partner and pause.until is None:
                pause.until = self.now()
        self.call("POST", RESUME, None, {"partner": partner}, on=answers.append)
        return answers == [200]

    def resume_all(self) -> None:
        """Resume every partner that was paused."""
        for partner in sorted({pause.partner for pause in self.pauses}):
            for _ in range(MAX_RESUMES):
                if self.resume(partner):
                    break

    def settle(self, posted: Posted) -> None:
        """Retry failed deliveries, and resolve unknown ones."""
        for partner in partner_profiles():
            delivery = self.delivery(posted.lead_id, partner)
            if delivery is None:
                continue
            place = {"lead_id": posted.lead_id, "partner": partner}
            if delivery.state is State.UNKNOWN and self.can_be_settled(delivery):
                if self.random.random() < 0.2:
                    self.counters.add("unknown deliveries retried")
                    self.call("POST", RETRY, {"confirm": True}, place)
                else:
                    self.counters.add("unknown deliveries resolved")
                    self.call("POST", RESOLVE, self._find_at_partner(delivery, posted), place)
            elif delivery.state in RETRIED:
                self.counters.add("failed deliveries retried")
                self.call("POST", RETRY, {"confirm": True} if delivery.state is State.SKIPPED else {}, place)

    def correct_one(self, posted: Posted) -> None:
        """Correct a lead: an incomplete one if there is any, in one step or in several, else any lead."""
        for one in self.random.sample(list(self.posted), min(LOOKED_AT, len(self.posted))):
            found = self.journey(one.lead_id)
            if found is not None and found.is_incomplete:
                self._complete(one)
                return
        self.counters.add("leads corrected")
        self.correct(posted.lead_id, self.corrections.new_values(self.random))
        match self.random.choice(["alone", "alone", "twice", "retried", "erased"]):
            case "twice":
                self.counters.add("leads corrected twice at once")
                self.correct(posted.lead_id, self.corrections.new_values(self.random))
            case "retried":
                self.settle(posted)
            case "erased" if self.random.random() < ERASED_AFTERWARDS:
                self.counters.add("people erased during a correction")
                self.erase(posted.lead_id)

    def correct(
        self, lead_id: str, values: Mapping[str, str], *, on: OnStatus = ignore, allowed: frozenset[int] = CORRECTED
    ) -> None:
        """Correct fields, and record the correction."""
        correction = self.corrections.begin(lead_id, values)

        def answered(status: int) -> None:
            since = self.last_call  # other threads may change it meanwhile
            last = max([since, *(call["number"] for call in self.partner.calls(since=since))])
            self.last_call = max(self.last_call, last)
            self.corrections.end(correction, status, last)
            on(status)

        self.call("PATCH", LEAD, body_of(values), {"lead_id": lead_id}, on=answered, allowed=allowed)

    def _complete(self, posted: Posted) -> None:
        """Correct an incomplete lead: wrongly, in part, or fully, then also with another name."""
        values = posted.missing_values
        match self.random.choice(["wrongly", "in part", "fully", "fully", "fully"]):
            case "wrongly":
                self.counters.add("incomplete leads corrected wrongly")
                self.correct(posted.lead_id, UNREADABLE, allowed=WRONGLY_CORRECTED)
            case "in part" if len(values) > 1:
                self.counters.add("incomplete leads corrected in part")
                path = self.random.choice(sorted(values))
                self.correct(posted.lead_id, {path: values[path]})
            case _:
                self.counters.add("incomplete leads corrected")
                self.correct(posted.lead_id, values)
                if self.random.random() < 0.3:
                    self.counters.add("incomplete leads corrected twice at once")
                    self.correct(posted.lead_id, self.corrections.new_values(self.random))

    def erase(self, lead_id: str) -> None:
        self.erased.add(lead_id)
        if lead_id not in self.to_be_erased:
            self.to_be_erased.append(lead_id)

        def done(status: int) -> None:
            if status == 204 and lead_id in self.to_be_erased:
                self.to_be_erased.remove(lead_id)

        self.call("DELETE", LEAD, None, {"lead_id": lead_id}, on=done)

    def erase_the_rest(self) -> None:
        """Repeat the erasures that were not confirmed."""
        for lead_id in list(self.to_be_erased):
            self.erase(lead_id)

    def redrive_all(self) -> None:
        for queue in QUEUES:
            self.call("POST", REDRIVE, {}, {"queue": queue})

    def probe(self, probe: Probe) -> None:
        """Call a route without faults, and check the status."""

        def answered(status: int) -> None:
            check_answer(probe, status, self.counters)

        if probe.method == "DELETE":
            self.erased.add(probe.place["lead_id"])
        if probe.method == "PATCH":
            self.correct(probe.place["lead_id"], values_of(probe.body or {}), on=answered)
            return
        found = self.journey(probe.place["lead_id"]) if probe.resource == ADD else None
        if found is not None:
            self._add(found.lead, probe.body or {}, on=answered)
            return
        self.call(probe.method, probe.resource, probe.body, probe.place or None, on=answered)

    def correction_body(self, lead_id: str, is_incomplete: bool) -> dict[str, Any]:
        """The body of a correction: the missing values of an incomplete lead, else new ones."""
        posted = next(one for one in self.posted if one.lead_id == lead_id)
        values = posted.missing_values if is_incomplete else self.corrections.new_values(self.random)
        return body_of(values)

    def find_at_partner(self, delivery: Delivery) -> dict[str, Any]:
        """The body of a resolution: what the partner has of a lead's person."""
        return self._find_at_partner(delivery, next(one for one in self.posted if one.lead_id == delivery.lead_id))

    def _find_at_partner(self, delivery: Delivery, posted: Posted) -> dict[str, Any]:
        found = (self.delivery(one.lead_id, delivery.partner) for one in list(self.posted) if one.phone == posted.phone)
        known = {one.created for one in found if one is not None and one.created is not None}
        profile = partner_profiles()[delivery.partner]
        created = profile.find(self.partner, posted, known)
        return {"outcome": "not_created"} if created is None else {profile.id_field: created}
