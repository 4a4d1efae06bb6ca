"""What partners have is what our deliveries say they have: each lead once, and nothing that nobody knows of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from devstack.sandbox.profile import profiles
from leadbridge.domain.clock import from_text
from leadbridge.domain.delivery import Delivery, State
from leadbridge.partners.registry import kind_named
from quality.chaos.checks.history import History
from quality.chaos.partner_faults import REFUSED_STATUS
from quality.chaos.reconciliation import Books, File, check

THERE = frozenset({State.SUBMITTED, State.CLOSED})
WRITTEN = frozenset({"submitted", "rejected"})  # timeline entries that hold a partner's clear answer
CLOCKS_DIFFER = timedelta(seconds=1)  # between the partner's log and the timeline


@check
def no_lead_is_created_twice(books: Books) -> Iterator[tuple[str, str]]:
    """A partner's log has one create for each lead that was attempted, and one more for each time a person asked."""
    made: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for call in books.calls:
        if call["operation"] != "create":
            continue
        partner = call["partner"]
        if partner in profiles() and call.get(kind_named(partner).id.field) is not None:
            made[partner, tuple(books.leads_of(**profiles()[partner].person_of(call)))] += 1
    for (partner, lead_ids), number in made.items():
        allowed = sum(_may_be_created(books, lead_id, partner) for lead_id in lead_ids)
        if number > allowed:
            yield ", ".join(lead_ids) or partner, f"{partner} made {number} of what may be {allowed}"


@check
def answers_are_written_down(books: Books) -> Iterator[tuple[str, str]]:
    """No delivery is unknown although the partner answered the last create clearly, and a worker received the answer.

    A dead letter may hold the answer until somebody puts it back.
    """
    calls = {(call["partner"], call["number"]): call for call in books.calls}
    held = {(letter.lead_id, letter.partner) for letter in books.letters if letter.step == "record_answer"}
    last = {(one.lead_id, one.partner): one for one in sorted(books.creates, key=lambda one: one.number)}
    for (lead_id, partner), create in last.items():
        file = books.files.get(lead_id)
        delivery = None if file is None else file.deliveries.get(partner)
        if file is None or delivery is None or delivery.state is not State.UNKNOWN or delivery.is_erased:
            continue
        call = calls.get((partner, create.number), {})
        says = _clear_answer(call)
        if says is not None and "at" in call and _is_written_down(file, partner, call):
            continue  # and the worker of a later attempt died before its create call
        if create.is_heard and says is not None and (lead_id, partner) not in held:
            yield lead_id, f"is unknown at {partner}, which said: {says}"


@check
def submitted_leads_are_at_the_partner(books: Books) -> Iterator[tuple[str, str]]:
    """Every delivery that is submitted or closed has an id that the partner knows, and it is that lead's."""
    for lead_id, delivery in _deliveries(books):
        if delivery.state not in THERE or delivery.is_erased:
            continue
        made, what = books.made_as(delivery), f"is {delivery.state} as {delivery.created} at {delivery.partner}"
        if made is None:
            yield lead_id, f"{what}, which does not have it"
        elif lead_id not in books.leads_of(**made.person):
            yield lead_id, f"{what}, which is another person's"


@check
def whatever_partners_have_is_known(books: Books) -> Iterator[tuple[str, str]]:
    """All that partners have is some delivery's own, or its lead is unknown, erased, or sent again by a person."""
    known = {(delivery.partner, delivery.created) for _, delivery in _deliveries(books)}
    for made in books.made:
        if not made.is_registered or (made.partner, made.id) in known:
            continue
        lead_ids = books.leads_of(**made.person)
        if not any(_is_in_doubt(books, one, made.partner) for one in lead_ids):
            yield ", ".join(lead_ids) or "nobody", f"{made.id} at {made.partner} is no delivery's"


@check
def the_last_status_is_known(books: Books) -> Iterator[tuple[str, str]]:
    """The last status that a partner has of something is the status of its delivery."""
    for lead_id, delivery in _deliveries(books):
        made = books.made_as(delivery)
        there = None if made is None else made.status
        if delivery.state in THERE and there is not None and there != delivery.partner_status:
            yield lead_id, f"is {delivery.partner_status} to us and {there} to {delivery.partner}"


def _clear_answer(call: Mapping[str, Any]) -> str | None:
    """What a partner said to a create call, if it said so clearly."""
    if call.get("fault") is not None:
        return "refused" if call["status"] == REFUSED_STATUS else None
    created = call.get(kind_named(str(call["partner"])).id.field) if call.get("partner") in profiles() else None
    return f"created {created}" if created is not None and call.get("outcome") == "answered" else None


def _is_written_down(file: File, partner: str, call: Mapping[str, Any]) -> bool:
    """Whether the timeline has the answer to a create call."""
    called_at = from_text(call["at"]) - CLOCKS_DIFFER
    return any(
        step.partner == partner and step.what in WRITTEN and step.at >= called_at for step in file.steps.values()
    )


def _deliveries(books: Books) -> list[tuple[str, Delivery]]:
    return [(lead_id, one) for lead_id, file in books.files.items() for one in file.deliveries.values()]


def _may_be_created(books: Books, lead_id: str, partner: str) -> int:
    """Once if it was attempted, and once more each time a person had it sent though it might be there."""
    file = books.files.get(lead_id)
    if file is None or partner not in file.deliveries or not file.deliveries[partner].attempts:
        return 0
    return 1 + History.of(file.steps, partner).permissions()


def _is_in_doubt(books: Books, lead_id: str, partner: str) -> bool:
    file = books.files.get(lead_id)
    if file is None or partner not in file.deliveries:
        return False
    delivery = file.deliveries[partner]
    asked = History.of(file.steps, partner).permissions()
    return delivery.state is State.UNKNOWN or delivery.is_erased or asked > 0
