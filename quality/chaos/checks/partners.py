"""Partners have each lead once, and nothing that no delivery knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from devstack.partners import partner_profiles
from devstack.sandbox.profile import REFUSED_STATUS
from leadbridge.domain.clock import from_text
from leadbridge.domain.delivery import Delivery, State
from quality.chaos.checks.history import History
from quality.chaos.reconciliation import LeadRecord, Snapshot, check

SUBMITTED = frozenset({State.SUBMITTED, State.CLOSED})
RECORDED = frozenset({"submitted", "rejected"})  # timeline entries with a partner's clear answer
CLOCK_DIFFERENCE = timedelta(seconds=1)  # between the partner's log and the timeline


@check
def leads_are_created_once(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """A partner's log has at most one successful create for each attempted lead, and one for each confirmed retry."""
    created: Counter[tuple[str, tuple[str, ...]]] = Counter()
    profiles = partner_profiles()
    for call in snapshot.calls:
        if call["operation"] != "create":
            continue
        partner = call["partner"]
        if partner in profiles and call.get(profiles[partner].id_field) is not None:
            created[partner, tuple(snapshot.leads_of(**profiles[partner].person_of(call)))] += 1
    for (partner, lead_ids), number in created.items():
        allowed = sum(_may_be_created(snapshot, lead_id, partner) for lead_id in lead_ids)
        if number > allowed:
            yield ", ".join(lead_ids) or partner, f"{partner} created {number}, allowed are {allowed}"


@check
def answers_are_recorded(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """No delivery is unknown if a worker received a clear answer to the last create.

    A dead letter may hold the answer until it is redriven.
    """
    calls = {(call["partner"], call["number"]): call for call in snapshot.calls}
    held = {(letter.lead_id, letter.partner) for letter in snapshot.dead_letters if letter.step == "record_answer"}
    last = {(one.lead_id, one.partner): one for one in sorted(snapshot.creates, key=lambda one: one.number)}
    for (lead_id, partner), create in last.items():
        record = snapshot.leads.get(lead_id)
        delivery = None if record is None else record.deliveries.get(partner)
        if record is None or delivery is None or delivery.state is not State.UNKNOWN or delivery.is_erased:
            continue
        call = calls.get((partner, create.number), {})
        answer = _clear_answer(call)
        if answer is not None and "at" in call and _is_recorded(record, partner, call):
            continue  # the worker of a later attempt died before its create call
        if create.is_answered and answer is not None and (lead_id, partner) not in held:
            yield lead_id, f"is unknown at {partner}, which answered: {answer}"


@check
def submitted_leads_exist_at_partner(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Every submitted or closed delivery has an id that exists at the partner, for the same person."""
    for lead_id, delivery in _deliveries(snapshot):
        if delivery.state not in SUBMITTED or delivery.is_erased:
            continue
        found = snapshot.partner_record_of(delivery)
        what = f"is {delivery.state} as {delivery.created} at {delivery.partner}"
        if found is None:
            yield lead_id, f"{what}, which does not have it"
        elif lead_id not in snapshot.leads_of(**found.person):
            yield lead_id, f"{what}, which belongs to another person"


@check
def partner_records_are_known(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Every record of a partner belongs to a delivery, or its lead is unknown, erased, or retried by a person."""
    known = {(delivery.partner, delivery.created) for _, delivery in _deliveries(snapshot)}
    for one in snapshot.partner_records:
        if not one.is_registered or (one.partner, one.id) in known:
            continue
        lead_ids = snapshot.leads_of(**one.person)
        if not any(_is_uncertain(snapshot, lead_id, one.partner) for lead_id in lead_ids):
            yield ", ".join(lead_ids) or "no lead", f"{one.id} at {one.partner} belongs to no delivery"


@check
def last_status_is_known(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """The present status at the partner is the status of the delivery."""
    for lead_id, delivery in _deliveries(snapshot):
        found = snapshot.partner_record_of(delivery)
        status = None if found is None else found.status
        if delivery.state in SUBMITTED and status is not None and status != delivery.partner_status:
            yield lead_id, f"is {delivery.partner_status} here and {status} at {delivery.partner}"


def _clear_answer(call: Mapping[str, Any]) -> str | None:
    """A partner's answer to a create call, if it is clear."""
    if call.get("fault") is not None:
        return "refused" if call["status"] == REFUSED_STATUS else None
    profile = partner_profiles().get(str(call.get("partner")))
    created = None if profile is None else call.get(profile.id_field)
    return f"created {created}" if created is not None and call.get("outcome") == "answered" else None


def _is_recorded(record: LeadRecord, partner: str, call: Mapping[str, Any]) -> bool:
    """Whether the timeline has the answer to a create call."""
    called_at = from_text(call["at"]) - CLOCK_DIFFERENCE
    return any(
        step.partner == partner and step.what in RECORDED and step.at >= called_at for step in record.timeline.values()
    )


def _deliveries(snapshot: Snapshot) -> list[tuple[str, Delivery]]:
    return [(lead_id, one) for lead_id, record in snapshot.leads.items() for one in record.deliveries.values()]


def _may_be_created(snapshot: Snapshot, lead_id: str, partner: str) -> int:
    """One if it was attempted, and one for each retry that a person confirmed."""
    record = snapshot.leads.get(lead_id)
    if record is None or partner not in record.deliveries or not record.deliveries[partner].attempts:
        return 0
    return 1 + History.of(record.timeline, partner).permissions()


def _is_uncertain(snapshot: Snapshot, lead_id: str, partner: str) -> bool:
    record = snapshot.leads.get(lead_id)
    if record is None or partner not in record.deliveries:
        return False
    delivery = record.deliveries[partner]
    asked = History.of(record.timeline, partner).permissions()
    return delivery.state is State.UNKNOWN or delivery.is_erased or asked > 0
