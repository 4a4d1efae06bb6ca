"""Leads of all kinds and what happens to them, for tests of what is counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
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
from leadbridge.domain.operator_steps import SubmissionInProgress
from leadbridge.domain.status_change import change_status
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
PATH = ("submitting", "retry", "submitting", "submitted", "in_progress", "approved", "in_progress", "issued")
PROBLEM = FieldError("person.phone", FieldCode.NOT_A_PHONE)


def advertised(number: int, campaign: str = "spring") -> Lead:
    """A lead of a campaign."""
    return lead(number).model_copy(update={"utm": {"utm_campaign": campaign}})


def move(store: LeadRepository, one: Lead, *path: str) -> None:
    """Take a lead's delivery along a path of states; names of outcomes are statuses with this meaning."""
    for step in path:
        found = store.delivery(one.lead_id, "leadleader")
        assert found is not None
        store.apply(change_to(found, step))


def change_to(found: Delivery, step: str) -> Any:
    """The change of a delivery that a step of a path makes."""
    match step:
        case "submitting":
            return steps.start_attempt(found, NOW, MINUTE)
        case "submitted":
            return steps.confirm(found, NOW, crc32(found.lead_id.encode()), is_followed=True)
        case "retry":
            return steps.schedule_retry(found, NOW, some_error("away"), MINUTE)
        case "failed":
            return steps.fail(found, NOW, some_error("spent"))
        case outcome:
            return change_status(found, NOW, outcome, meaning=outcome, final=outcome == "issued", is_followed=True)


def apply_fetch(store: LeadRepository, one: Lead, table: Table) -> Iterator[None]:
    """Store a lead that its form only named, and then what was fetched."""
    waiting = new_fetch(one.lead_id, one.source, {"leadgen_id": "9"}, NOW)
    named = one.model_copy(update={"partners": (), "utm": {}})
    assert store.accept(named, phone_hash=None, fetch=waiting) is None
    yield
    change = complete_fetch(waiting, NOW)
    deliveries = [new_delivery(one.lead_id, partner, one.source, NOW) for partner in one.partners]
    FetchRepository(table).complete(change, one, deliveries, phone_hash=None, email_hash=None, tax_hash=None)


def lives(random: Random, *, days_ago: int) -> list[Iterator[None]]:
    """The lives of some leads of all kinds, each of which pauses after its writes."""
    return [life(number, random, days_ago=random.randint(0, days_ago)) for number in range(random.randint(1, 4))]


def life(number: int, random: Random, *, days_ago: int) -> Iterator[None]:
    """The life of a lead of a random kind: received, fetched or corrected, delivered, perhaps erased."""
    table = Table(aws.dynamodb(), TABLE)
    store = LeadRepository(table)
    one = advertised(number, random.choice(["spring", "autumn", ""]))
    one = one.model_copy(update={"received_at": NOW - days_ago * DAY})
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
        for step in PATH[: random.randint(0, len(PATH))]:
            move(store, one, step)
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
    none: Hashes = {"phone_hash": None, "email_hash": None, "tax_hash": None}
    CorrectionRepository(table).correct(correction, none, none)
