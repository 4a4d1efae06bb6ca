"""An operator during a run: erases, writes, corrects, redrives, checks and resolves as the partner's records say."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from devstack.partners import partner_profiles
from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.lead import Lead
from leadbridge.storage.leads import Journey
from quality.chaos.people import sections
from quality.chaos.records import ADDED, AMOUNT, NAME, TERM, AddedPartner, Correction, Pause, Posted
from quality.testkit.wiring import queues

if TYPE_CHECKING:
    from quality.chaos.world import World

LEAD, ADD, DELIVERY = "/leads/{lead_id}", "/leads/{lead_id}/deliveries", "/leads/{lead_id}/deliveries/{partner}"
CHECK, RETRY, RESOLVE = f"{DELIVERY}/check", f"{DELIVERY}/retry", f"{DELIVERY}/resolve"
PAUSE, RESUME = "/partners/{partner}/pause", "/partners/{partner}/resume"
REDRIVE, DISCARD = "/dead-letters/{queue}/redrive", "/dead-letters/{queue}/discard"
QUEUES = tuple(queues())
RETRIED = frozenset({State.FAILED, State.REJECTED, State.DUPLICATE, State.SKIPPED})

ALLOWED_STATUSES = frozenset({200, 202, 204, 404, 409})
CORRECTED = frozenset({200, 404, 409})
CHOSEN = frozenset({ADDED, 404, 409, 422})
WRONGLY_CORRECTED = frozenset({404, 409, 422})
UNREADABLE = {"person.phone": "нема", "loan.amount": "від 5 до 10 тисяч"}
MAX_RESUMES = 20  # calls until one is answered
LOOKED_AT = 6  # leads among which an operator looks for an incomplete one
ERASED_AFTERWARDS = 0.3
_LETTERS = "абвгдеєжзиіклмнопрстуфхцчшщюя"

type OnStatus = Callable[[int], None]


def ignore(_status: int) -> None:
    pass


@dataclass(frozen=True)
class Shares:
    """How often an operator acts on a lead, on a queue, and on a partner. The rest are deliveries to settle."""

    erase: float
    write: float
    redrive: float = 0.1
    check: float = 0.1
    correct: float = 0.3
    add: float = 0.0
    pause: float = 0.06


class Operator:
    def __init__(self, world: World) -> None:
        self.world, self.random, self.counters = world, world.aside, world.counters
        self.written = 0
        self.to_be_erased: list[str] = []
        self.erased: set[str] = set()
        self.corrections: list[Correction] = []
        self.last_call = 0
        self.pauses: list[Pause] = []
        self.added_partners: list[AddedPartner] = []
        self._moments, self._names = itertools.count(1), itertools.count(1)

    @property
    def posted(self) -> list[Posted]:
        return self.world.posted

    def journey(self, lead_id: str) -> Journey | None:
        return self.world.stores.leads.journey(lead_id)

    def act(self) -> None:
        """One action on a random lead."""
        if not self.posted:
            return
        posted, drawn, shares = self.random.choice(self.posted), self.random.random(), self.world.shares
        if drawn > 1 - shares.pause:
            self.pause_or_resume(self.random.choice(list(partner_profiles())))
        elif drawn > 1 - shares.pause - shares.add:
            self.add_partner(posted.lead_id)
        elif drawn < (limit := shares.erase):
            self.counters.add("people erased")
            self.erase(posted.lead_id)
        elif drawn < (limit := limit + shares.write):
            self.written += 1
            self.counters.add("messages written by operators")
            self.world.call("POST", "/messages", {"lead_id": posted.lead_id, "text": f"Лист {self.written}"})
        elif drawn < (limit := limit + shares.redrive):
            self.counters.add("dead letters redriven")
            self.world.call("POST", REDRIVE, {}, {"queue": self.random.choice(QUEUES)})
        elif drawn < (limit := limit + shares.check):
            self.counters.add("statuses checked by operators")
            for partner in partner_profiles():
                self.world.call("POST", CHECK, place={"lead_id": posted.lead_id, "partner": partner})
        elif drawn < limit + shares.correct:
            self.correct_one(posted)
        else:
            for one in self.world.to_settle(posted):
                self.settle(one)

    def add_partner(self, lead_id: str, *, is_confirmed: bool | None = None) -> None:
        """Give a lead to a partner that has no delivery of it; by chance with a confirmation."""
        found = self.journey(lead_id)
        if found is None:
            return
        names = [name for name in partner_profiles() if name not in found.deliveries]
        self.counters.add("leads given to another partner")
        partner = self.random.choice(names or list(partner_profiles()))
        confirm = self.random.random() < 0.5 if is_confirmed is None else is_confirmed
        self.add(found.lead, {"partner": partner, "confirm": confirm}, allowed=CHOSEN)

    def add(self, lead: Lead, body: dict[str, Any], on: OnStatus = ignore, *, allowed: frozenset[int]) -> None:
        added = AddedPartner(lead.lead_id, body["partner"], body["confirm"], lead.fallbacks, lead.next_on)
        self.added_partners.append(added)

        def answered(status: int) -> None:
            added.status = status
            on(status)

        self.world.call("POST", ADD, body, {"lead_id": lead.lead_id}, on=answered, allowed=allowed)

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
                pause.since = self.world.now()

        self.world.call("POST", PAUSE, {"reason": "a pause of the chaos"}, {"partner": partner}, on=answered)

    def resume(self, partner: str) -> bool:
        """Resume a partner. Returns whether that was confirmed."""
        answers: list[int] = []
        for pause in self.pauses:
            if pause.partner == partner and pause.until is None:
                pause.until = self.world.now()
        self.world.call("POST", RESUME, None, {"partner": partner}, on=answers.append)
        return answers == [200]

    def resume_all(self) -> None:
        """Resume every partner that was paused."""
        for partner in sorted({pause.partner for pause in self.pauses}):
            any(self.resume(partner) for _ in range(MAX_RESUMES))

    def settle(self, posted: Posted) -> None:
        """Retry failed deliveries, and resolve unknown ones."""
        for partner in partner_profiles():
            delivery = self.world.delivery(posted.lead_id, partner)
            if delivery is None:
                continue
            place = {"lead_id": posted.lead_id, "partner": partner}
            if delivery.state is State.UNKNOWN and self.world.can_be_settled(delivery):
                if self.random.random() < 0.2:
                    self.counters.add("unknown deliveries retried")
                    self.world.call("POST", RETRY, {"confirm": True}, place)
                else:
                    self.counters.add("unknown deliveries resolved")
                    self.world.call("POST", RESOLVE, self.find_at_partner(delivery), place)
            elif delivery.state in RETRIED:
                self.counters.add("failed deliveries retried")
                self.world.call("POST", RETRY, {"confirm": True} if delivery.state is State.SKIPPED else {}, place)

    def find_at_partner(self, delivery: Delivery) -> dict[str, Any]:
        """The body of a resolution: what the partner has of a lead's person."""
        posted = self.posted_of(delivery.lead_id)
        same = (one for one in list(self.posted) if one.phone == posted.phone)
        found = (self.world.delivery(one.lead_id, delivery.partner) for one in same)
        known = {one.created for one in found if one is not None and one.created is not None}
        profile = partner_profiles()[delivery.partner]
        created = profile.find(self.world.partner.at(delivery.partner), posted, known)
        return {"outcome": "not_created"} if created is None else {profile.id_field: created}

    def posted_of(self, lead_id: str) -> Posted:
        return next(one for one in self.posted if one.lead_id == lead_id)

    def correct_one(self, posted: Posted) -> None:
        """Correct a lead: an incomplete one if there is any, in one step or in several, else any lead."""
        for one in self.random.sample(list(self.posted), min(LOOKED_AT, len(self.posted))):
            found = self.journey(one.lead_id)
            if found is not None and found.is_incomplete:
                self._complete(one)
                return
        self.counters.add("leads corrected")
        self.correct(posted.lead_id, self.new_values())
        match self.random.choice(["alone", "alone", "twice", "retried", "erased"]):
            case "twice":
                self.counters.add("leads corrected twice at once")
                self.correct(posted.lead_id, self.new_values())
            case "retried":
                self.settle(posted)
            case "erased" if self.random.random() < ERASED_AFTERWARDS:
                self.counters.add("people erased during a correction")
                self.erase(posted.lead_id)

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
                    self.correct(posted.lead_id, self.new_values())

    def new_values(self) -> dict[str, str]:
        """Values that no other correction has, so that a call shows which of them it was made with."""
        number = next(self._names)
        values = {NAME: f"Виправна {_new_name(number)} Іванівна"}
        if self.random.random() < 0.7:
            values[AMOUNT] = f"{7000 + number}.00"
        if self.random.random() < 0.3:
            values[TERM] = str(12 + number)
        return values

    def correct(
        self, lead_id: str, values: Mapping[str, str], *, on: OnStatus = ignore, allowed: frozenset[int] = CORRECTED
    ) -> None:
        """Correct fields, and record the correction."""
        correction = Correction(lead_id, dict(values), next(self._moments))
        self.corrections.append(correction)

        def answered(status: int) -> None:
            since = self.last_call  # other threads may change it meanwhile
            last = max([since, *(call["number"] for call in self.world.partner.calls(since=since))])
            self.last_call = max(self.last_call, last)
            correction.status, correction.calls = status, last
            correction.ended = next(self._moments) if status else None
            on(status)

        self.world.call("PATCH", LEAD, sections(values), {"lead_id": lead_id}, on=answered, allowed=allowed)

    def erase(self, lead_id: str) -> None:
        self.erased.add(lead_id)
        if lead_id not in self.to_be_erased:
            self.to_be_erased.append(lead_id)

        def done(status: int) -> None:
            if status == 204 and lead_id in self.to_be_erased:
                self.to_be_erased.remove(lead_id)

        self.world.call("DELETE", LEAD, None, {"lead_id": lead_id}, on=done)

    def erase_the_rest(self) -> None:
        """Repeat the erasures that were not confirmed."""
        for lead_id in list(self.to_be_erased):
            self.erase(lead_id)

    def redrive_all(self) -> None:
        for queue in QUEUES:
            self.world.call("POST", REDRIVE, {}, {"queue": queue})


def _new_name(number: int) -> str:
    """A first name for each number."""
    letters = ""
    while number:
        number, last = divmod(number, len(_LETTERS))
        letters = _LETTERS[last] + letters
    return f"Олена{letters}"
