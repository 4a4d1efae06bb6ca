"""The final probe: without faults, an operator calls each route, and each must return the expected status."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from devstack.partners import partner_profiles
from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.fetch import FetchState
from leadbridge.domain.lead import find_missing_fields
from quality.chaos.counters import Counters
from quality.chaos.reconciliation import LeadRecord, Snapshot
from quality.testkit.wiring import queues

LEAD, ADD, DELIVERY = "/leads/{lead_id}", "/leads/{lead_id}/deliveries", "/leads/{lead_id}/deliveries/{partner}"
CHECK, RETRY, RESOLVE = f"{DELIVERY}/check", f"{DELIVERY}/retry", f"{DELIVERY}/resolve"
PAUSE, RESUME = "/partners/{partner}/pause", "/partners/{partner}/resume"
REDRIVE, DISCARD = "/dead-letters/{queue}/redrive", "/dead-letters/{queue}/discard"
QUEUES = tuple(queues())
RETRIED = frozenset({State.FAILED, State.REJECTED, State.DUPLICATE, State.SKIPPED})
UNKNOWN_LETTER = "a-letter-that-does-not-exist"


@dataclass(frozen=True)
class Probe:
    """One call, and the statuses that are right if no fault disturbs it."""

    method: str
    resource: str
    expected: frozenset[int]
    body: dict[str, Any] | None = None
    place: dict[str, str] = field(default_factory=dict)


type FindAtPartner = Callable[[Delivery], dict[str, Any]]
type CorrectBody = Callable[[str, bool], dict[str, Any]]


def probes(
    snapshot: Snapshot, random: Random, find_at_partner: FindAtPartner, correction: CorrectBody
) -> Iterator[Probe]:
    """Every operator route, for random leads, and for a delivery in each state. The erasure comes first.

    Half of the incomplete leads are completed. `correction` returns a body, for an incomplete lead its missing values.
    """
    lead_ids = sorted(snapshot.leads)
    if lead_ids:
        erased = lead_ids.pop(random.randrange(len(lead_ids)))
        yield Probe("DELETE", LEAD, frozenset({204}), place={"lead_id": erased})
    for path in ("/leads", "/partners", "/stats", "/sync", "/dead-letters"):
        yield Probe("GET", path, frozenset({200}))
    partner = {"partner": random.choice(sorted(snapshot.partners))}
    yield Probe("POST", PAUSE, frozenset({200}), {"reason": "a probe"}, partner)
    yield Probe("POST", RESUME, frozenset({200}), place=partner)
    for queue in QUEUES:
        yield Probe("POST", DISCARD, frozenset({200}), {"dead_letter_id": UNKNOWN_LETTER}, {"queue": queue})
        yield Probe("POST", REDRIVE, frozenset({200}), {}, {"queue": queue})
    for lead_id in random.sample(lead_ids, min(2, len(lead_ids))):
        yield from _of_lead(lead_id, snapshot.leads[lead_id], correction)
        yield from _for_another_partner(snapshot, lead_id)
    incomplete = [lead_id for lead_id in lead_ids if snapshot.leads[lead_id].is_incomplete]
    for lead_id in random.sample(incomplete, (len(incomplete) + 1) // 2):
        yield Probe("PATCH", LEAD, frozenset({200}), correction(lead_id, True), {"lead_id": lead_id})
    for state in State:
        deliveries = [
            one for lead_id in lead_ids for one in snapshot.leads[lead_id].deliveries.values() if one.state is state
        ]
        if deliveries:
            yield from _of_delivery(random.choice(deliveries), find_at_partner)


def check_answer(probe: Probe, status: int, counters: Counters) -> None:
    counters.add("probes without faults")
    if status not in probe.expected:
        expected = ", ".join(map(str, sorted(probe.expected)))
        counters.fail(f"{probe.method} {probe.resource}", f"answered {status} without faults, expected {expected}")


def _of_lead(lead_id: str, record: LeadRecord, correction: CorrectBody) -> Iterator[Probe]:
    place, is_erased = {"lead_id": lead_id}, record.lead.erased_at is not None
    yield Probe("GET", LEAD, frozenset({200}), place=place)
    yield Probe("POST", f"{LEAD}/reveal", frozenset({409 if is_erased else 200}), place=place)
    is_fetched = record.fetch is None or record.fetch.state is FetchState.FETCHED
    expected = frozenset({409 if is_erased or not is_fetched else 200})
    yield Probe("PATCH", LEAD, expected, correction(lead_id, False), place)
    text = {"lead_id": lead_id, "text": f"Лист у тиші {lead_id}"}
    yield Probe("POST", "/messages", frozenset({409 if is_erased else 202}), text)


def _for_another_partner(snapshot: Snapshot, lead_id: str) -> Iterator[Probe]:
    """Give a lead to a partner that can take it, with the confirmation that another one may have it."""
    record, place = snapshot.leads[lead_id], {"lead_id": lead_id}
    if not record.deliveries:
        return
    for name in sorted(partner_profiles().keys() & snapshot.partners.keys() - record.deliveries.keys()):
        if not find_missing_fields(record.lead, snapshot.partners[name]):
            expected = frozenset({409 if record.lead.erased_at is not None else 201})
            yield Probe("POST", ADD, expected, {"partner": name, "confirm": True}, place)
            return


def _of_delivery(delivery: Delivery, find_at_partner: FindAtPartner) -> Iterator[Probe]:
    place = {"lead_id": delivery.lead_id, "partner": delivery.partner}
    is_followed = delivery.state is State.SUBMITTED and not delivery.is_erased
    yield Probe("POST", CHECK, frozenset({202 if is_followed else 409}), place=place)
    if delivery.state is State.UNKNOWN and not delivery.is_erased:
        yield Probe("POST", RETRY, frozenset({409}), {}, place)  # without `confirm`
        yield Probe("POST", RESOLVE, frozenset({200, 409}), find_at_partner(delivery), place)
    elif delivery.is_erased or delivery.state not in RETRIED:
        yield Probe("POST", RETRY, frozenset({409}), {}, place)
        body = {"outcome": "not_created", "expected_state": "unknown"}
        yield Probe("POST", RESOLVE, frozenset({409}), body, place)
    elif delivery.state is State.SKIPPED:
        yield Probe("POST", RETRY, frozenset({409}), {}, place)  # without `confirm`
        yield Probe("POST", RETRY, frozenset({202, 409}), {"confirm": True}, place)
    else:  # 409 if the partner would not accept the lead, or has its person from elsewhere
        yield Probe("POST", RETRY, frozenset({202, 409}), {}, place)
