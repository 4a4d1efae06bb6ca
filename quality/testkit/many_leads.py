"""Thousands of leads in a table, for what must not depend on their number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

from leadbridge.domain.delivery import State, new_delivery
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.fields.hashes import hashes_of
from leadbridge.domain.lead import lead_id_of
from leadbridge.storage import items
from leadbridge.storage.table import Table
from leadbridge.storage.writes import put
from quality.testkit.people import NOW, lead

COMMON = "Прикладенко"  # the surname of two of three
SOURCES = ("web", "tilda-credit", "plain-credit")
STATES = (State.SUBMITTED, State.FAILED, State.RECEIVED, State.CLOSED)
ERRORS = {
    State.FAILED: ErrorCode.RATE_LIMITED,
    State.REJECTED: ErrorCode.FIELDS_REJECTED,
    State.UNKNOWN: ErrorCode.REPLY_LOST,
}
PEOPLE = [lead(full_name=f"{surname} Олена Іванівна") for surname in ("Зразковий", COMMON, COMMON)]


def store_leads(
    table: Table, first: int, last: int, hashed: Callable[[str], str], states: Sequence[State] = STATES
) -> None:
    """Store the leads of these numbers with all hashes, each with a delivery in one of some states."""
    writes = []
    for number in range(first, last):
        source, known = SOURCES[number % 3], PEOPLE[number % 3]
        person = known.person.model_copy(update={"phone": f"+38050{number:07d}", "email": f"a{number}@example.com"})
        changes = {
            "lead_id": lead_id_of(source, f"id:{number}"),
            "source": source,
            "received_at": NOW + timedelta(seconds=number),
            "campaign": f"c{number % 5}",
            "person": person,
        }
        one = known.model_copy(update=changes)
        state = states[number % len(states)]
        error = ERRORS.get(state)
        delivery = replace(
            new_delivery(one.lead_id, "leadleader", one.source, one.received_at),
            state=state,
            outcome="issued" if state is State.CLOSED else None,
            submitted_at=one.received_at if state in {State.SUBMITTED, State.CLOSED} else None,
            approved_at=one.received_at if state is State.CLOSED else None,
            issued_at=one.received_at if state is State.CLOSED else None,
            last_error_code=None if error is None else error.value,
            deal_id=number + 1 if state is State.SUBMITTED else None,
        )
        writes += [put(items.lead_item(one, **hashes_of(one, hashed))), put(items.delivery_item(delivery))]
        if delivery.deal_id:
            writes.append(put(items.link_item(delivery)))
    table.batch_write(writes)
