"""What tells of people leaves the table after a time; what is counted stays."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from leadbridge.domain import delivery as steps
from leadbridge.domain.accounts.account import StoredAccount
from leadbridge.domain.delivery import Delivery
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.fetch import complete, new_fetch
from leadbridge.domain.fetch import schedule_retry as fetch_again
from leadbridge.domain.lead import Lead
from leadbridge.domain.message import Message, MessageState, postpone, skip, status_notification
from leadbridge.domain.recipient import Contact
from leadbridge.domain.routing.fallback import NextOn, open_next
from leadbridge.domain.statuses.status_change import change_status
from leadbridge.domain.timeline import Entry
from leadbridge.runtime import aws
from leadbridge.storage.accounts import AccountRepository
from leadbridge.storage.claims import ClaimRepository
from leadbridge.storage.erasure.eraser import Eraser, LeadNotFound
from leadbridge.storage.fetches import FetchRepository
from leadbridge.storage.items import decode, encode
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.leeloo_events import LeelooEvent, LeelooEventRepository
from leadbridge.storage.messages import MessageRepository
from leadbridge.storage.table import Table
from quality.testkit.fakes.errors import some_error
from quality.testkit.fixtures import TABLE
from quality.testkit.people import NOW, lead
from quality.testkit.statistics import count_all

DAY = 86_400


@pytest.fixture
def aws_engine() -> str:
    """All expressions of these many writes are in tests that also run on moto, which takes seconds for them."""
    return "memory"


def everything() -> list[dict[str, Any]]:
    pages = aws.dynamodb().get_paginator("scan").paginate(TableName=TABLE)
    return [decode(item) for page in pages for item in page["Items"]]


def test_all_that_tells_of_a_person_says_when_it_goes(store: LeadRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETENTION_DAYS", "90")
    table, one = Table(aws.dynamodb(), TABLE), lead()
    store.accept(one, phone_hash="p", email_hash="e", tax_hash="t")
    store.note(one.lead_id, Entry(NOW, "message_requested", "leeloo", "by olena"), "x")
    outbox = MessageRepository(table)
    outbox.add(status_notification(one.lead_id, "leadleader", 4, "Видано", NOW))
    outbox.claim(one.lead_id, NOW, NOW, to_invite=True)
    outbox.remember(one.lead_id, Contact("acc1", "p1", "uk", None, NOW))
    AccountRepository(table, "matchtrade", str).store([StoredAccount("u-1", NOW, email="a@example.com")])
    for order, phone in (("o1", "+380500000001"), ("o2", "+380999999999")):
        content = {"type": "ORDER", "data": {"order_id": order, "phone": phone}}
        LeelooEventRepository(table, lambda _: "p", lambda: NOW).store(
            LeelooEvent.of(content, json.dumps(content).encode())
        )
    kinds = {item["sk"].partition("#")[0] for item in everything()}
    assert kinds >= {"LEAD", "DELIVERY", "EVENT", "MESSAGE", "CONTACT", "ACCOUNT", "LEELOO"}
    for item in everything():
        longer = DAY if item["sk"] == "LEAD" else 0
        assert abs(int(item["expires_at"]) - time.time() - 90 * DAY - longer) < 60, item["sk"]


PARTNER, MINUTE = "leadleader", timedelta(minutes=1)


@dataclass
class World:
    """A lead of the shipped kind, on a day that a test chooses."""

    store: LeadRepository
    monkeypatch: pytest.MonkeyPatch
    began: float = field(default_factory=time.time)
    now: datetime = NOW

    def on_day(self, number: float) -> None:
        """Move the clock of the domain, and the one that `kept` reads."""
        moment = self.began + number * DAY
        self.now = NOW + timedelta(days=number)
        self.monkeypatch.setattr(time, "time", lambda: moment)

    @property
    def outbox(self) -> MessageRepository:
        return MessageRepository(Table(aws.dynamodb(), TABLE))

    @property
    def arrivals(self) -> FetchRepository:
        return FetchRepository(Table(aws.dynamodb(), TABLE))

    def accept(self) -> None:
        self.store.accept(LEAD, phone_hash="p", email_hash="e", tax_hash="t")

    def delivery(self, partner: str = PARTNER) -> Delivery:
        found = self.store.delivery(LEAD.lead_id, partner)
        assert found is not None
        return found

    def submitted(self, created: int | str = 17) -> Delivery:
        begun = self.store.apply(steps.start_attempt(self.delivery(), self.now, MINUTE))
        return self.store.apply(steps.confirm(begun, self.now, created, is_followed=True))

    def message(self) -> Message:
        message = status_notification(LEAD.lead_id, PARTNER, 4, "Видано", self.now)
        self.outbox.add(message)
        return message

    def fetch(self, error: str = "away") -> None:
        fetch = self.arrivals.fetch(NAMED.lead_id)
        assert fetch is not None
        self.arrivals.apply(fetch_again(fetch, self.now, some_error(error), MINUTE))


LEAD = lead().model_copy(update={"fallbacks": {"leadleader": "matchtrade"}})
NAMED = Lead(lead_id=lead(3, source="meta-credit").lead_id, source="meta-credit", received_at=NOW, partners=())


@pytest.fixture
def world(store: LeadRepository, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(store, monkeypatch)
    made.on_day(0)
    return made


def a_status_changes(world: World) -> None:
    change = change_status(world.delivery(), world.now, "Погоджено", outcome=None, final=False, is_followed=True)
    told = status_notification(LEAD.lead_id, PARTNER, change.after.version, "Погоджено", world.now)
    world.store.apply(replace(change, messages=(told,)))


def a_refused_lead_falls_back(world: World) -> None:
    begun = world.store.apply(steps.start_attempt(world.delivery(), world.now, MINUTE))
    rejected = steps.reject(begun, world.now, some_error("no"))
    world.store.apply(open_next(rejected, "matchtrade", NextOn.REJECTED))


def leeloo_tells(world: World) -> None:
    content = {"type": "ORDER", "data": {"order_id": "o1", "phone": "+380500000001"}}
    event = LeelooEvent.of(content, json.dumps(content).encode())
    assert (
        LeelooEventRepository(Table(aws.dynamodb(), TABLE), lambda _: "p", lambda: world.now).store(event)[1]
        == LEAD.lead_id
    )


def checks_are_refused(world: World) -> None:
    for _ in range(20):
        if world.delivery().attention is not None:
            return
        world.store.defer_check(world.delivery(), world.now, error=some_error("no such deal"), is_refused=True)
    raise AssertionError("nobody is told")


LATE: dict[str, tuple[Callable[[World], Any], Callable[[World], Any]]] = {
    "a status changes": (World.submitted, a_status_changes),
    "a refused lead falls back": (lambda _: None, a_refused_lead_falls_back),
    "an operator looks": (
        lambda _: None,
        lambda world: world.store.note(LEAD.lead_id, Entry(world.now, "revealed", None, "by olena"), "x"),
    ),
    "a redelivery has other content": (
        lambda _: None,
        lambda world: world.store.note_change(
            LEAD.model_copy(update={"content_hash": "h", "received_at": world.now}), ("phone",)
        ),
    ),
    "a check is refused, and needs a person": (World.submitted, checks_are_refused),
    "a message is stored": (lambda _: None, World.message),
    "a message is deferred": (
        World.message,
        lambda world: world.outbox.apply(postpone(world.outbox.messages(LEAD.lead_id)[0], world.now, world.now)),
    ),
    "a contact is claimed": (
        lambda _: None,
        lambda world: world.outbox.claim(LEAD.lead_id, world.now, world.now, to_invite=True),
    ),
    "a contact is found": (lambda _: None, lambda world: world.outbox.remember(LEAD.lead_id, Contact("acc1"))),
    "a contact is lost": (
        lambda world: world.outbox.remember(LEAD.lead_id, Contact("acc1")),
        lambda world: world.outbox.forget(LEAD.lead_id),
    ),
    "Leeloo tells of an order": (lambda _: None, leeloo_tells),
    "a fetch fails": (
        lambda world: world.store.accept(
            NAMED, phone_hash=None, fetch=new_fetch(NAMED.lead_id, "meta-credit", {"leadgen_id": "1"}, NOW)
        ),
        World.fetch,
    ),
}


def lead_outlives_the_rest() -> bool:
    """Whether each lead's own item leaves the table after all that lies beside it."""
    ends: dict[str, dict[str, int]] = {}
    for item in everything():
        if item["pk"].startswith("LEAD#"):
            ends.setdefault(item["pk"], {})[item["sk"]] = int(item["expires_at"])
    return all(max(found.values()) == found["LEAD"] and len(found) > 1 for found in ends.values())


@pytest.mark.parametrize("day", [0.2, 0.9, 0.95, 1.5, 50])
@pytest.mark.parametrize("name", LATE)
def test_lead_outlives_whatever_is_written_later(name: str, day: float, world: World) -> None:
    before, write = LATE[name]
    world.accept()
    before(world)
    world.on_day(day)
    write(world)
    assert lead_outlives_the_rest()


def test_lead_outlives_what_is_written_of_a_delivery_that_was_opened_later(world: World) -> None:
    world.accept()
    world.on_day(0.8)
    a_refused_lead_falls_back(world)
    world.on_day(1.6)
    world.store.apply(steps.schedule_retry(world.delivery("matchtrade"), world.now, some_error("away"), MINUTE))
    assert lead_outlives_the_rest()


def test_lead_outlives_what_is_fetched_late(world: World) -> None:
    fetch = new_fetch(NAMED.lead_id, "meta-credit", {"leadgen_id": "1"}, NOW)
    world.store.accept(NAMED, phone_hash=None, fetch=fetch)
    world.on_day(3)
    full = NAMED.model_copy(update={"partners": (PARTNER,), "person": LEAD.person})
    deliveries = [steps.new_delivery(NAMED.lead_id, PARTNER, "meta-credit", NOW)]
    hashes: Any = {"phone_hash": "p", "email_hash": "e", "tax_hash": "t"}
    world.arrivals.complete(complete(fetch, world.now), full, deliveries, **hashes)
    assert lead_outlives_the_rest()


def test_first_day_of_a_lead_costs_no_write_of_its_item(world: World) -> None:
    world.accept()
    before = next(item for item in everything() if item["sk"] == "LEAD")
    world.on_day(0.5)
    world.submitted()
    a_status_changes(world)
    assert next(item for item in everything() if item["sk"] == "LEAD") == before


def test_change_late_in_a_deals_life_prolongs_the_tie_of_its_account(world: World) -> None:
    world.accept()
    world.submitted("u-1")
    world.on_day(300)
    a_status_changes(world)
    (tie,) = (item for item in everything() if item["sk"] == "LINK")
    assert int(tie["expires_at"]) == int(world.began) + 700 * DAY


def test_claim_does_not_outlive_its_lead(world: World) -> None:
    world.accept()
    ClaimRepository(Table(aws.dynamodb(), TABLE)).first(world.delivery(), timedelta(days=3650), timedelta(days=365_000))
    ends = {item["sk"]: int(item["expires_at"]) for item in everything()}
    assert ends["CLAIM"] < ends["LEAD"]


def without_its_own_item(world: World) -> None:
    """A lead whose own item has left the table before the rest, as in a table that was filled before."""
    world.accept()
    world.message()
    world.outbox.remember(LEAD.lead_id, Contact("acc1", lead_received_at=NOW))
    aws.dynamodb().delete_item(TableName=TABLE, Key=encode({"pk": f"LEAD#{LEAD.lead_id}", "sk": "LEAD"}))


def test_what_a_lead_has_left_behind_is_still_written(world: World) -> None:
    without_its_own_item(world)
    world.on_day(50)
    deal = world.submitted()
    assert deal.deal_id == 17
    (message,) = world.outbox.messages(LEAD.lead_id)
    world.outbox.apply(skip(message, world.now, "the lead is gone", ErrorCode.NOT_CONFIGURED))
    assert world.outbox.messages(LEAD.lead_id)[0].state is MessageState.SKIPPED
    assert [item for item in everything() if item["sk"] == "LEAD"] == []


def test_erasure_deletes_what_a_lead_has_left_behind(world: World) -> None:
    without_its_own_item(world)
    Eraser(Table(aws.dynamodb(), TABLE)).erase(LEAD.lead_id, "olena", NOW)
    left = {item["sk"].partition("#")[0] for item in everything()}
    assert left == {"LEAD", "DELIVERY", "EVENT", "ACCOUNT"}
    tombstone = world.store.lead(LEAD.lead_id)
    assert tombstone is not None
    assert (tombstone.source, tombstone.received_at, tombstone.erased_at) == ("web", NOW, NOW)
    assert world.delivery().is_erased
    assert "Видано" not in json.dumps(everything(), ensure_ascii=False, default=str)
    with pytest.raises(LeadNotFound):
        Eraser(Table(aws.dynamodb(), TABLE)).erase(NAMED.lead_id, "olena", NOW)


def test_counters_stay_and_what_is_counted_of_a_lead_expires_with_it(world: World) -> None:
    world.store.accept(LEAD, phone_hash=None)
    count_all(TABLE, NOW)
    counters = [item for item in everything() if item["pk"].startswith("STATS")]
    assert counters
    assert not any("expires_at" in item for item in counters)
    ends = {item["sk"]: item["expires_at"] for item in everything() if item["pk"] == f"LEAD#{LEAD.lead_id}"}
    assert ends["COUNTED"] == ends["LEAD"]
