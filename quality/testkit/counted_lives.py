"""Leads of all kinds and what happens to them, for tests of what is counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from random import Random
from typing import Any
from zlib import crc32

from leadbridge.domain import delivery as steps
from leadbridge.domain.acceptance.correction import Correction
from leadbridge.domain.delivery import Delivery, new_delivery
from leadbridge.domain.errors.field_codes import FieldCode, FieldError
from leadbridge.domain.fetch import complete as complete_fetch
from leadbridge.domain.fetch import new_fetch
from leadbridge.domain.fields.hashes import Hashes
from leadbridge.domain.lead import Lead
from leadbridge.domain.operator_steps import SubmissionInProgress, resolve_found, withdraw_resolution
from leadbridge.domain.statuses.status_change import change_status
from leadbridge.domain.timeline import Entry
from leadbridge.runtime import aws
from leadbridge.storage.corrections import CorrectionRepository
from leadbridge.storage.erasure.eraser import Eraser
from leadbridge.storage.fetches import FetchRepository
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.table import Table
from quality.testkit.fakes.errors import some_error
from quality.testkit.fixtures import TABLE
from quality.testkit.people import NOW, lead

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
PATHS = (
    ("submitting", "retry", "submitting", "submitted", "in_progress", "approved", "in_progress", "issued"),
    ("submitting", "unknown", "found", "withdrawn", "found", "issued"),
)
PAUSES = tuple(timedelta(seconds=number) for number in (1, 20, 200, 2000))  # between the steps of a path
PROBLEM = FieldError("person.phone", FieldCode.NOT_A_PHONE)


def advertised(number: int, campaign: str = "spring") -> Lead:
    """A lead of a campaign."""
    return lead(number).model_copy(update={"utm": {"utm_campaign": campaign}, "campaign": campaign})


def move(store: LeadRepository, one: Lead, *path: str, at: datetime = NOW) -> None:
    """Take a lead's delivery along a path of states; names of outcomes are statuses with this outcome."""
    for step in path:
        found = store.delivery(one.lead_id, "leadleader")
        assert found is not None
        store.apply(change_to(found, step, at))


def change_to(found: Delivery, step: str, at: datetime) -> Any:
    """The change of a delivery that a step of a path makes."""
    match step:
        case "submitting":
            return steps.start_attempt(found, at, MINUTE)
        case "submitted":
            return steps.confirm(found, at, deal_of(found), is_followed=True)
        case "retry":
            return steps.schedule_retry(found, at, some_error("away"), MINUTE)
        case "failed":
            return steps.fail(found, at, some_error("spent"))
        case "unknown":
            return steps.mark_unknown(found, at, some_error("lost"))
        case "found":
            return resolve_found(found, at, "olena", deal_of(found), is_followed=True)
        case "withdrawn":
            return withdraw_resolution(found, at, "olena", can_be_looked_up=False)
        case outcome:
            return change_status(found, at, outcome, outcome=outcome, final=outcome == "issued", is_followed=True)


def deal_of(found: Delivery) -> int:
    """The number of a delivery's deal."""
    return crc32(found.lead_id.encode())


def apply_fetch(store: LeadRepository, one: Lead, table: Table) -> Iterator[None]:
    """Store a lead that its form only named, and then what was fetched."""
    waiting = new_fetch(one.lead_id, one.source, {"leadgen_id": "9"}, NOW)
    named = one.model_copy(update={"partners": (), "utm": {}, "campaign": ""})
    assert store.accept(named, phone_hash=None, fetch=waiting) is None
    yield
    change = complete_fetch(waiting, NOW)
    deliveries = [new_delivery(one.lead_id, partner, one.source, NOW) for partner in one.partners]
    FetchRepository(table).complete(
        change, one, deliveries, phone_hash=None, email_hash=None, tax_hash=None, name_hash=None
    )


def lives(random: Random, *, days_ago: int) -> list[Iterator[None]]:
    """The lives of some leads of all kinds, each of which pauses after its writes."""
    return [life(number, random, days_ago=random.randint(0, days_ago)) for number in range(random.randint(1, 4))]


def life(number: int, random: Random, *, days_ago: int) -> Iterator[None]:
    """The life of a lead of a random kind: received, fetched or corrected, delivered, perhaps erased."""
    table = Table(aws.dynamodb(), TABLE)
    store = LeadRepository(table)
    one = advertised(number, random.choice(["spring", "autumn", ""]))
    received_at = NOW - days_ago * DAY
    # Without a day of its own it counts on the day in UTC, and with one on that in a zone where it is another day.
    day = random.choice(["", (received_at + DAY).date().isoformat()])
    one = one.model_copy(update={"received_at": received_at, "day": day})
    kind = random.choice(["good", "two partners", "fetched", "incomplete"])
    if kind == "two partners":
        one = one.model_copy(update={"partners": ("matchtrade", "leadleader")})
    if kind == "fetched":
        yield from apply_fetch(store, one, table)
    elif kind == "incomplete":
        store.accept(one.model_copy(update={"partners": (), "problems": (PROBLEM,)}), phone_hash=None)
    else:
        store.accept(one, phone_hash=None)
    yield
    if kind == "incomplete" and random.random() < 0.7:
        correct(table, one)
        kind = "completed"
        yield
    if kind != "incomplete":
        path, at = random.choice(PATHS), one.received_at
        for step in path[: random.randint(0, len(path))]:
            at += random.choice(PAUSES)
            move(store, one, step, at=at)
            yield
    if random.random() < 0.2:
        with suppress(SubmissionInProgress):
            Eraser(table).erase(one.lead_id, "olena", NOW)


def correct(table: Table, one: Lead) -> None:
    """Complete a lead that was stored with `PROBLEM`."""
    before = one.model_copy(update={"partners": (), "problems": (PROBLEM,)})
    after = one.model_copy(update={"revision": 1})
    opened = tuple(new_delivery(one.lead_id, partner, one.source, NOW) for partner in one.partners)
    entry = Entry.by_operator(NOW, "corrected", "olena")
    correction = Correction(before, after, entry, opened=opened)
    none: Hashes = {"phone_hash": None, "email_hash": None, "tax_hash": None, "name_hash": None}
    CorrectionRepository(table).correct(correction, none, none)
