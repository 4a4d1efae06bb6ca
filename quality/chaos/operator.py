"""An operator during a run, and the final probe of every route, without faults."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from devstack.partners import partner_profiles
from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.lead import Lead, find_missing_fields
from leadbridge.storage.leads import Journey
from quality.chaos.people import sections
from quality.chaos.records import ADDED, AMOUNT, NAME, TERM, AddedPartner, Correction, Pause, Posted, Snapshot
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
DIGITS = str.maketrans("0123456789", "абвгдеєжзи")  # a name has letters only
SHARES = {"erase": 4, "write": 16, "redrive": 10, "check": 10, "correct": 30, "settle": 18, "add": 6, "pause": 6}

type OnStatus = Callable[[int], None]
type Values = dict[str, Any] | None  # of a path, or of a body


def ignore(_status: int) -> None:
    pass


class Operator:
    def __init__(self, world: World) -> None:
        self.world, self.random, self.counters, self.posted = world, world.aside, world.counters, world.posted
        self.last_call = 0
        self.to_be_erased: dict[str, None] = {}
        self.erased: set[str] = set()
        self.corrections: list[Correction] = []
        self.pauses: list[Pause] = []
        self.added_partners: list[AddedPartner] = []
        self._moments, self._names, self._texts = itertools.count(1), itertools.count(1), itertools.count(1)

    def posted_of(self, lead_id: str) -> Posted:
        return next(one for one in self.posted if one.lead_id == lead_id)

    def journey(self, lead_id: str) -> Journey | None:
        return self.world.stores.leads.journey(lead_id)

    def act(self) -> None:
        """One action on a random lead."""
        if not self.posted:
            return
        posted, shares = self.random.choice(self.posted), self.world.shares
        place = {"lead_id": posted.lead_id}
        match self.random.choices(list(shares), list(shares.values()))[0]:
            case "erase":
                self.counters.add("people erased")
                self.erase(posted.lead_id)
            case "write":
                text = {**place, "text": f"Лист {next(self._texts)}"}
                self._post("messages written by operators", "/messages", text)
            case "redrive":
                self._post("dead letters redriven", REDRIVE, {}, {"queue": self.random.choice(QUEUES)})
            case "check":
                self.counters.add("statuses checked by operators")
                for partner in partner_profiles():
                    self.world.call("POST", CHECK, place={**place, "partner": partner})
            case "correct":
                self._correct_one(posted)
            case "settle":
                self._settle(posted)
            case "add":
                self.add_partner(posted.lead_id)
            case "pause":
                self._pause_or_resume(self.random.choice(list(partner_profiles())))

    def add_partner(self, lead_id: str, *, is_confirmed: bool | None = None) -> None:
        """Give a lead to a partner that has no delivery of it; by chance with a confirmation."""
        if (found := self.journey(lead_id)) is not None:
            names = [name for name in partner_profiles() if name not in found.deliveries]
            self.counters.add("leads given to another partner")
            partner = self.random.choice(names or list(partner_profiles()))
            confirm = self.random.random() < 0.5 if is_confirmed is None else is_confirmed
            self._add(found.lead, {"partner": partner, "confirm": confirm})

    def resume_all(self) -> None:
        for partner in sorted({pause.partner for pause in self.pauses}):
            any(self._resume(partner) for _ in range(MAX_RESUMES))

    def redrive_all(self) -> None:
        for queue in QUEUES:
            self.world.call("POST", REDRIVE, {}, {"queue": queue})

    def new_values(self) -> dict[str, str]:
        """Values that no other correction has, so that a call shows which of them it was made with."""
        number = next(self._names)
        values = {NAME: f"Виправна Олена{str(number).translate(DIGITS)} Іванівна"}
        if self.random.random() < 0.7:
            values[AMOUNT] = f"{7000 + number}.00"
        if self.random.random() < 0.3:
            values[TERM] = str(12 + number)
        return values

    def correct(
        self, lead_id: str, values: Mapping[str, str], *, on: OnStatus = ignore, allowed: frozenset[int] = CORRECTED
    ) -> None:
        correction = Correction(lead_id, dict(values), next(self._moments))
        self.corrections.append(correction)

        def answered(status: int) -> None:
            since = self.last_call  # other threads may change it meanwhile
            correction.calls = max([since, *(call["number"] for call in self.world.partner.calls(since=since))])
            self.last_call, correction.status = max(self.last_call, correction.calls), status
            correction.ended = next(self._moments) if status else None
            on(status)

        self.world.call("PATCH", LEAD, sections(values), {"lead_id": lead_id}, on=answered, allowed=allowed)

    def erase(self, lead_id: str) -> None:
        self.erased.add(lead_id)
        self.to_be_erased[lead_id] = None

        def done(status: int) -> None:
            if status == 204:
                self.to_be_erased.pop(lead_id, None)

        self.world.call("DELETE", LEAD, None, {"lead_id": lead_id}, on=done)

    def erase_the_rest(self) -> None:
        """Repeat the erasures that were not confirmed."""
        for lead_id in list(self.to_be_erased):
            self.erase(lead_id)

    def probe_all(self, snapshot: Snapshot) -> None:
        """Call every route, for random leads, half of the incomplete ones, and a delivery in each state."""
        lead_ids, random = sorted(snapshot.leads), self.random
        if lead_ids:
            erased = lead_ids.pop(random.randrange(len(lead_ids)))
            self.erased.add(erased)
            self._probe({204}, "DELETE", LEAD, {"lead_id": erased})
        for path in ("/leads", "/partners", "/stats", "/sync", "/dead-letters"):
            self._probe({200}, "GET", path)
        partner = {"partner": random.choice(sorted(snapshot.partners))}
        self._probe({200}, "POST", PAUSE, partner, {"reason": "a probe"})
        self._probe({200}, "POST", RESUME, partner)
        for queue in QUEUES:
            self._probe({200}, "POST", DISCARD, {"queue": queue}, {"dead_letter_id": "a-letter-that-does-not-exist"})
            self._probe({200}, "POST", REDRIVE, {"queue": queue}, {})
        for lead_id in random.sample(lead_ids, min(2, len(lead_ids))):
            self._probe_lead(snapshot, lead_id)
        incomplete = [lead_id for lead_id in lead_ids if snapshot.leads[lead_id].has_problems]
        for lead_id in random.sample(incomplete, (len(incomplete) + 1) // 2):
            self._probe({200}, "PATCH", LEAD, {"lead_id": lead_id}, self.posted_of(lead_id).missing_values)
        deliveries = [one for lead_id in lead_ids for one in snapshot.leads[lead_id].deliveries.values()]
        for state in State:
            if in_state := [one for one in deliveries if one.state is state]:
                self._probe_delivery(random.choice(in_state))

    def _probe_lead(self, snapshot: Snapshot, lead_id: str) -> None:
        """Read, correct and write; then give the lead to a partner that can take it, with the confirmation."""
        record, place = snapshot.leads[lead_id], {"lead_id": lead_id}
        conflict = {409} if record.is_erased else None
        self._probe({200}, "GET", LEAD, place)
        self._probe(conflict or {200}, "POST", f"{LEAD}/reveal", place)
        can_be_corrected = record.is_fetched and not record.is_erased
        self._probe({200 if can_be_corrected else 409}, "PATCH", LEAD, place, self.new_values())
        self._probe(conflict or {202}, "POST", "/messages", None, {**place, "text": f"Лист у тиші {lead_id}"})
        others = sorted(partner_profiles().keys() & snapshot.partners.keys() - record.deliveries.keys())
        fit = [name for name in others if not find_missing_fields(record.lead, snapshot.partners[name])]
        if record.deliveries and fit:
            self._probe(conflict or {ADDED}, "POST", ADD, place, {"partner": fit[0], "confirm": True})

    def _probe_delivery(self, delivery: Delivery) -> None:
        """Check, retry and resolve it, each with what its state does not allow, too."""
        state, place = delivery.state, {"lead_id": delivery.lead_id, "partner": delivery.partner}
        is_followed = state is State.SUBMITTED and not delivery.is_erased
        self._probe({202 if is_followed else 409}, "POST", CHECK, place)
        can_be_retried = state in RETRIED - {State.SKIPPED} and not delivery.is_erased  # without `confirm`
        # 409 if the partner would not accept the lead, or has its person from elsewhere
        self._probe({202, 409} if can_be_retried else {409}, "POST", RETRY, place, {})
        if delivery.is_erased or state not in RETRIED | {State.UNKNOWN}:
            self._probe({409}, "POST", RESOLVE, place, {"outcome": "not_created", "expected_state": "unknown"})
        elif state is State.UNKNOWN:
            self._probe({200, 409}, "POST", RESOLVE, place, self._find_at_partner(delivery))
        elif state is State.SKIPPED:
            self._probe({202, 409}, "POST", RETRY, place, {"confirm": True})

    def _probe(self, expected: set[int], method: str, resource: str, place: Values = None, body: Values = None) -> None:
        """Call a route, which must return one of these statuses. The body of a correction is its values."""

        def answered(status: int) -> None:
            self.counters.add("probes without faults")
            if status not in expected:
                what = f"answered {status} without faults, expected {', '.join(map(str, sorted(expected)))}"
                self.counters.fail(f"{method} {resource}", what)

        found = self.journey(place["lead_id"]) if place and resource == ADD else None
        if place and body is not None and method == "PATCH":
            self.correct(place["lead_id"], body, on=answered)
        elif found is not None and body is not None:
            self._add(found.lead, body, answered)
        else:
            self.world.call(method, resource, body, place, on=answered)

    def _post(self, counted_as: str, resource: str, body: Values, place: Values = None) -> None:
        self.counters.add(counted_as)
        self.world.call("POST", resource, body, place)

    def _add(self, lead: Lead, body: dict[str, Any], on: OnStatus = ignore) -> None:
        added = AddedPartner(lead, body["partner"], body["confirm"])
        self.added_partners.append(added)

        def answered(status: int) -> None:
            added.status = status
            on(status)

        self.world.call("POST", ADD, body, {"lead_id": lead.lead_id}, on=answered, allowed=CHOSEN)

    def _pause_or_resume(self, partner: str) -> None:
        """Pause a partner, or resume it if it may be paused."""
        pause = Pause(partner)

        def answered(status: int) -> None:
            if status == 200:
                pause.since = self.world.now()

        if any(one.partner == partner and one.until is None for one in self.pauses):
            self.counters.add("partners resumed")
            self._resume(partner)
        else:
            self.counters.add("partners paused")
            self.pauses.append(pause)
            self.world.call("POST", PAUSE, {"reason": "a pause of the chaos"}, {"partner": partner}, on=answered)

    def _resume(self, partner: str) -> bool:
        """Resume a partner. Returns whether that was confirmed."""
        answers: list[int] = []
        for pause in self.pauses:
            if pause.partner == partner and pause.until is None:
                pause.until = self.world.now()
        self.world.call("POST", RESUME, None, {"partner": partner}, on=answers.append)
        return answers == [200]

    def _settle(self, posted: Posted) -> None:
        """Retry failed deliveries, and resolve unknown ones."""
        for partner in partner_profiles():
            delivery = self.world.delivery(posted.lead_id, partner)
            place = {"lead_id": posted.lead_id, "partner": partner}
            if delivery is not None and delivery.state in RETRIED:
                body = {"confirm": True} if delivery.state is State.SKIPPED else {}
                self._post("failed deliveries retried", RETRY, body, place)
            elif delivery is not None and delivery.state is State.UNKNOWN and self.world.can_be_settled(delivery):
                if self.random.random() < 0.2:
                    self._post("unknown deliveries retried", RETRY, {"confirm": True}, place)
                else:
                    self._post("unknown deliveries resolved", RESOLVE, self._find_at_partner(delivery), place)

    def _find_at_partner(self, delivery: Delivery) -> dict[str, Any]:
        """The body of a resolution: what the partner has of a lead's person."""
        posted = self.posted_of(delivery.lead_id)
        same = [one.lead_id for one in list(self.posted) if one.phone == posted.phone]
        found = (self.world.delivery(lead_id, delivery.partner) for lead_id in same)
        known = {one.created for one in found if one is not None and one.created is not None}
        profile = partner_profiles()[delivery.partner]
        created = profile.find(self.world.partner.at(delivery.partner), posted, known)
        return {"outcome": "not_created"} if created is None else {profile.id_field: created}

    def _correct_one(self, posted: Posted) -> None:
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
                self._settle(posted)
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
                path = self.random.choice(sorted(values))
                self.counters.add("incomplete leads corrected in part")
                self.correct(posted.lead_id, {path: values[path]})
            case _:
                self.counters.add("incomplete leads corrected")
                self.correct(posted.lead_id, values)
                if self.random.random() < 0.3:
                    self.counters.add("incomplete leads corrected twice at once")
                    self.correct(posted.lead_id, self.new_values())
