"""The final probe: without faults, an operator calls each route, and each must return the expected status."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from devstack.partners import partner_profiles
from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.fetch import FetchState
from leadbridge.domain.lead import find_missing_fields
from quality.chaos.operator import (
    ADD,
    CHECK,
    CHOSEN,
    DISCARD,
    LEAD,
    PAUSE,
    QUEUES,
    REDRIVE,
    RESOLVE,
    RESUME,
    RETRIED,
    RETRY,
    Operator,
)
from quality.chaos.records import ADDED, Snapshot

UNKNOWN_LETTER = "a-letter-that-does-not-exist"


@dataclass(frozen=True)
class Probe:
    """One call, and the statuses that are right if no fault disturbs it. A correction's body is its values."""

    expected: set[int]
    method: str
    resource: str
    body: Mapping[str, Any] | None = None
    place: Mapping[str, str] | None = None


def probe_all(operator: Operator, snapshot: Snapshot) -> None:
    """Call every operator route, for random leads, and for a delivery in each state. The erasure comes first.

    Half of the incomplete leads are completed.
    """
    for probe in _probes(operator, snapshot):
        _call(operator, probe)


def _call(operator: Operator, probe: Probe) -> None:
    def answered(status: int) -> None:
        operator.counters.add("probes without faults")
        if status not in probe.expected:
            expected = ", ".join(map(str, sorted(probe.expected)))
            what = f"answered {status} without faults, expected {expected}"
            operator.counters.fail(f"{probe.method} {probe.resource}", what)

    place, body = dict(probe.place or {}), dict(probe.body or {})
    found = operator.journey(place["lead_id"]) if probe.resource == ADD else None
    if probe.method == "DELETE":
        operator.erased.add(place["lead_id"])
    if probe.method == "PATCH":
        operator.correct(place["lead_id"], body, on=answered)
    elif found is not None:
        operator.add(found.lead, body, answered, allowed=CHOSEN)
    else:
        sent = None if probe.body is None else body
        operator.world.call(probe.method, probe.resource, sent, place or None, on=answered)


def _probes(operator: Operator, snapshot: Snapshot) -> Iterator[Probe]:
    lead_ids, random = sorted(snapshot.leads), operator.random
    if lead_ids:
        erased = lead_ids.pop(random.randrange(len(lead_ids)))
        yield Probe({204}, "DELETE", LEAD, place={"lead_id": erased})
    for path in ("/leads", "/partners", "/stats", "/sync", "/dead-letters"):
        yield Probe({200}, "GET", path)
    partner = {"partner": random.choice(sorted(snapshot.partners))}
    yield Probe({200}, "POST", PAUSE, {"reason": "a probe"}, partner)
    yield Probe({200}, "POST", RESUME, place=partner)
    for queue in QUEUES:
        yield Probe({200}, "POST", DISCARD, {"dead_letter_id": UNKNOWN_LETTER}, {"queue": queue})
        yield Probe({200}, "POST", REDRIVE, {}, {"queue": queue})
    for lead_id in random.sample(lead_ids, min(2, len(lead_ids))):
        yield from _of_lead(operator, snapshot, lead_id)
    incomplete = [lead_id for lead_id in lead_ids if snapshot.leads[lead_id].has_problems]
    for lead_id in random.sample(incomplete, (len(incomplete) + 1) // 2):
        yield Probe({200}, "PATCH", LEAD, operator.posted_of(lead_id).missing_values, {"lead_id": lead_id})
    for state in State:
        deliveries = [one for lead_id in lead_ids for one in snapshot.leads[lead_id].deliveries.values()]
        in_state = [one for one in deliveries if one.state is state]
        if in_state:
            yield from _of_delivery(operator, random.choice(in_state))


def _of_lead(operator: Operator, snapshot: Snapshot, lead_id: str) -> Iterator[Probe]:
    """Read, correct and write; then give the lead to a partner that can take it, with the confirmation for another."""
    record, place = snapshot.leads[lead_id], {"lead_id": lead_id}
    yield Probe({200}, "GET", LEAD, place=place)
    yield Probe({409 if record.is_erased else 200}, "POST", f"{LEAD}/reveal", place=place)
    is_fetched = record.fetch is None or record.fetch.state is FetchState.FETCHED
    yield Probe({409 if record.is_erased or not is_fetched else 200}, "PATCH", LEAD, operator.new_values(), place)
    text = {"lead_id": lead_id, "text": f"Лист у тиші {lead_id}"}
    yield Probe({409 if record.is_erased else 202}, "POST", "/messages", text)
    for name in sorted(partner_profiles().keys() & snapshot.partners.keys() - record.deliveries.keys()):
        if record.deliveries and not find_missing_fields(record.lead, snapshot.partners[name]):
            yield Probe({409 if record.is_erased else ADDED}, "POST", ADD, {"partner": name, "confirm": True}, place)
            return


def _of_delivery(operator: Operator, delivery: Delivery) -> Iterator[Probe]:
    place = {"lead_id": delivery.lead_id, "partner": delivery.partner}
    is_followed = delivery.state is State.SUBMITTED and not delivery.is_erased
    yield Probe({202 if is_followed else 409}, "POST", CHECK, place=place)
    if delivery.state is State.UNKNOWN and not delivery.is_erased:
        yield Probe({409}, "POST", RETRY, {}, place)  # without `confirm`
        yield Probe({200, 409}, "POST", RESOLVE, operator.find_at_partner(delivery), place)
    elif delivery.is_erased or delivery.state not in RETRIED:
        yield Probe({409}, "POST", RETRY, {}, place)
        yield Probe({409}, "POST", RESOLVE, {"outcome": "not_created", "expected_state": "unknown"}, place)
    elif delivery.state is State.SKIPPED:
        yield Probe({409}, "POST", RETRY, {}, place)  # without `confirm`
        yield Probe({202, 409}, "POST", RETRY, {"confirm": True}, place)
    else:  # 409 if the partner would not accept the lead, or has its person from elsewhere
        yield Probe({202, 409}, "POST", RETRY, {}, place)
