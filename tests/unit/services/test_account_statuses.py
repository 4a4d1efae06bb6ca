"""What does a delivery hear of its account? Each status once, nothing old, nothing of the erased, nothing given up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from leadbridge.domain import delivery as steps
from leadbridge.domain.delivery import Change, Delivery
from leadbridge.domain.errors.secret_errors import SecretMissing
from leadbridge.domain.statuses.status_change import change_status, record_status
from leadbridge.domain.transitions import Conflict
from leadbridge.partners.matchtrade.rows import BrokerAccount
from leadbridge.settings import Settings
from quality.testkit.fakes.account_repository import PARTNER
from quality.testkit.fakes.errors import some_error
from quality.testkit.fixtures import Time
from quality.testkit.services import syncs
from quality.testkit.services.syncs import TICK, World, kept, take, take_in

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def world(shipped_settings: Settings, time: Time) -> World:
    return syncs.world(shipped_settings, time)


def test_every_status_after_the_first_is_reported_once(world: World) -> None:
    ours = world.lead()
    world.submitted(ours, "a")
    world.broker.add("a")
    for status in ("CONTACTED", "CONTACTED", "SOMETHING_NEW", "ACTIVE_CLIENT"):
        take(world, "a")
        take(world, "a")
        world.time.now += MINUTE
        world.broker.put("a", status)
    take(world, "a")
    assert [status for _, status in world.notified] == ["CONTACTED", "SOMETHING_NEW", "ACTIVE_CLIENT"]


def test_a_status_that_another_worker_sent_is_not_sent_again(world: World) -> None:
    ours = world.lead()
    delivery = world.submitted(ours, "a")
    change = change_status(delivery, world.time.now, "CONTACTED", outcome=None, final=False, is_followed=False)
    world.ledger.apply(change)
    world.broker.add("a", leadStatus="CONTACTED")
    taken = take(world, "a")
    assert (taken.changed, world.delivery(ours).partner_status) == (0, "CONTACTED")
    assert world.notified == []


def test_a_row_older_than_what_is_kept_is_not_believed(world: World) -> None:
    ours = world.lead()
    world.submitted(ours, "a")
    world.broker.add("a")
    late = BrokerAccount.of(world.broker.rows["a"])
    world.time.now += MINUTE
    world.broker.put("a", "CONTACTED")
    take(world, "a")
    taken = take_in(world, [late])
    assert (taken.written, taken.changed) == (0, 0)
    assert (kept(world).status, world.delivery(ours).partner_status) == ("CONTACTED", "CONTACTED")


def test_row_of_the_hour_that_comes_twice_is_not_called_older(world: World) -> None:
    """Its local time goes back by an hour while real time goes on."""
    ours, zone = world.lead(), ZoneInfo("Europe/Kyiv")
    world.submitted(ours, "a")
    world.time.now = datetime(2026, 10, 25, 3, tzinfo=UTC)
    for local, status in (("03:50", "NEW_CONTACT"), ("03:10", "CONTACTED"), ("02:50", "NO_POTENTIAL")):
        row = {"uuid": "a", "updated": f"2026-10-25T{local}:00", "leadStatus": status}
        take_in(world, [BrokerAccount.of(row, zone)])
        world.time.now += MINUTE
    assert world.delivery(ours).partner_status == "CONTACTED", "02:50 came surely before"
    assert kept(world).updated_latest is not None


def test_a_delivery_that_others_are_changing_is_read_again(world: World) -> None:
    ours = world.lead()
    world.submitted(ours, "a")
    world.broker.add("a")
    world.ledger = Busy(world.ledger, 2)  # type: ignore[assignment]
    assert take(world, "a").changed == 1
    world.broker.put("a", "CONTACTED")
    world.ledger.conflicts = 99  # type: ignore[attr-defined]
    assert take(world, "a").changed == 0
    assert (kept(world).is_pending, world.delivery(ours).partner_status) == (True, "NEW_CONTACT")
    world.ledger.conflicts = 0  # type: ignore[attr-defined]
    assert take(world, "a").changed == 1


class Busy:
    """A ledger in which somebody else is quicker, so many times."""

    def __init__(self, ledger: Any, conflicts: int) -> None:
        self.ledger = ledger
        self.conflicts = conflicts

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ledger, name)

    def apply(self, change: Change) -> Delivery:
        if self.conflicts > 0:
            self.conflicts -= 1
            raise Conflict
        applied: Delivery = self.ledger.apply(change)
        return applied


def test_a_row_that_nothing_can_be_made_of_holds_up_no_other(world: World) -> None:
    first, second = world.lead(1), world.lead(2)
    world.submitted(first, "a")
    world.submitted(second, "b")
    world.broker.add("a")
    world.broker.add("b")
    spoilt = world.ledger._items[f"LEAD#{first.lead_id}", f"DELIVERY#{PARTNER}"]
    whole = dict(spoilt)
    spoilt["state"] = {"S": "a state of another time"}
    taken = take(world, "a", "b")
    assert (taken.failed, taken.changed, taken.written) == (1, 1, 2)
    assert (kept(world, "a").status, kept(world, "a").is_pending) == ("NEW_CONTACT", True)
    spoilt |= whole
    assert take(world, "a", "b").changed == 1


def test_an_erased_leads_account_is_let_be(world: World) -> None:
    ours = world.lead()
    world.submitted(ours, "a")
    world.broker.add("a")
    del world.ledger._items[f"LEAD#{ours.lead_id}", f"DELIVERY#{PARTNER}"]
    assert take(world, "a").failed == 0
    assert take(world, "a").written == 0


def check(world: World, made: Any, status: str) -> None:
    """An operator has the status asked for, now."""
    change = record_status(world.delivery(made), status, world.settings, world.time.now, with_crm_note=False)
    world.ledger.apply(change)


def test_a_page_that_a_check_has_overtaken_tells_nothing_old(world: World) -> None:
    ours = world.lead()
    world.submitted(ours, "a")
    world.broker.add("a")
    take(world, "a")
    world.time.now += TICK
    world.broker.put("a", "CONTACTED")
    asked_at, page = world.time.now, [BrokerAccount.of(world.broker.rows["a"])]
    world.time.now += timedelta(seconds=20)
    world.broker.put("a", "ACTIVE_CLIENT")
    check(world, ours, "ACTIVE_CLIENT")
    world.time.now += timedelta(seconds=1)
    take_in(world, page, asked_at)
    world.time.now += TICK
    take(world, "a")
    assert [status for _, status in world.notified] == ["ACTIVE_CLIENT"]
    assert world.delivery(ours).partner_status == "ACTIVE_CLIENT"


def test_status_that_a_check_saw_and_the_partner_took_back_is_corrected_by_the_sync(world: World) -> None:
    ours = world.lead()
    world.submitted(ours, "a")
    world.broker.add("a", leadStatus="CONTACTED")
    take(world, "a")
    world.time.now += MINUTE
    check(world, ours, "NO_POTENTIAL")
    world.time.now += MINUTE
    assert take(world, "a").changed == 1, "the row is the same as before, and the delivery is not"
    assert world.delivery(ours).partner_status == "CONTACTED"
    assert [status for _, status in world.notified] == ["NO_POTENTIAL", "CONTACTED"]


def test_status_of_a_run_that_died_before_it_kept_the_account_is_corrected_by_the_sync(world: World) -> None:
    ours = world.lead()
    world.submitted(ours, "a")
    world.broker.add("a", leadStatus="CONTACTED")
    take(world, "a")
    keep = world.book.store

    def die(accounts: Any) -> None:
        raise KeyboardInterrupt

    world.book.store = die  # type: ignore[method-assign]
    world.time.now += MINUTE
    world.broker.put("a", "ACTIVE_CLIENT")
    with pytest.raises(KeyboardInterrupt):
        take(world, "a")
    world.book.store = keep  # type: ignore[method-assign]
    world.time.now += MINUTE
    world.broker.put("a", "CONTACTED")
    take(world, "a")
    assert [status for _, status in world.notified] == ["ACTIVE_CLIENT", "CONTACTED"]
    assert world.delivery(ours).partner_status == "CONTACTED"


def test_page_from_before_the_check_does_not_correct_the_delivery(world: World) -> None:
    ours = world.lead()
    world.submitted(ours, "a")
    world.broker.add("a", leadStatus="CONTACTED")
    take(world, "a")
    asked_at, page = world.time.now, [BrokerAccount.of(world.broker.rows["a"])]
    world.time.now += MINUTE
    check(world, ours, "ACTIVE_CLIENT")
    take_in(world, page, asked_at)
    assert world.delivery(ours).partner_status == "ACTIVE_CLIENT"


def test_unchanged_rows_cost_no_read_of_their_own(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [world.lead(number) for number in range(1, 6)]
    for number, ours in enumerate(made):
        world.submitted(ours, f"a{number}")
        world.broker.add(f"a{number}")
    names = [f"a{number}" for number in range(5)]
    take(world, *names)
    world.ledger.expire(made[0].lead_id)
    assert take(world, *names).written == 1  # it is the broker's own from now on
    read = []
    delivery = world.ledger.delivery

    def counted(lead_id: str, partner: str) -> Delivery | None:
        read.append(lead_id)
        return delivery(lead_id, partner)

    batch = world.book.deliveries({lead.lead_id for lead in made})
    monkeypatch.setattr(world.book, "deliveries", lambda _: batch)
    monkeypatch.setattr(world.ledger, "delivery", counted)
    assert (take(world, *names).written, read) == (0, [])


def test_an_overtaken_status_is_sent_if_it_is_still_current(world: World) -> None:
    """The answer to the check was older than the page: the next look tells."""
    ours = world.lead()
    world.submitted(ours, "a")
    world.broker.add("a")
    take(world, "a")
    asked_at = world.time.now
    world.broker.put("a", "ACTIVE_CLIENT")
    world.time.now += MINUTE
    check(world, ours, "CONTACTED")
    take_in(world, [BrokerAccount.of(world.broker.rows["a"])], asked_at)
    assert world.delivery(ours).partner_status == "CONTACTED"
    world.time.now += TICK
    take(world, "a")
    assert [status for _, status in world.notified] == ["CONTACTED", "ACTIVE_CLIENT"]


def test_the_sync_believes_a_page_to_be_as_old_as_its_question(world: World) -> None:
    ours = world.lead()
    world.submitted(ours, "a")
    world.broker.add("a")
    world.run()
    world.time.now += TICK
    world.broker.put("a", "CONTACTED")
    asked_at = world.time.now
    world.broker.before_page = lambda _: world.time.pass_(seconds=7)
    world.run()
    assert world.delivery(ours).status_at == asked_at


def test_a_row_from_the_future_does_not_silence_its_account(world: World) -> None:
    ours = world.lead()
    world.submitted(ours, "a")
    world.broker.add("a", updated="2099-01-01T00:00:00Z")
    take(world, "a")
    world.time.now += TICK
    world.broker.put("a", "CONTACTED")
    take(world, "a")
    assert world.delivery(ours).partner_status == "CONTACTED"


@contextmanager
def spoilt(world: World, made: Any) -> Iterator[None]:
    """Nobody can read what is kept of a lead's delivery."""
    item = world.ledger._items[f"LEAD#{made.lead_id}", f"DELIVERY#{PARTNER}"]
    whole = dict(item)
    item["state"] = {"S": "a state of another time"}
    yield
    item |= whole


def test_a_row_that_failed_is_tried_again_whenever_it_is_seen(world: World) -> None:
    ours = world.lead()
    world.submitted(ours)
    world.broker.add("a", email="ours-1@example.com")
    with spoilt(world, ours):
        assert take(world, "a").failed == 1
        world.time.now += 2 * HOUR
        assert (take(world, "a").failed, take(world, "a").written) == (1, 0)
    take(world, "a")
    assert (kept(world).lead_id, kept(world).is_pending) == (ours.lead_id, False)


def test_an_account_whose_lead_was_not_ready_is_retried_whenever_it_is_listed(world: World) -> None:
    ours = world.lead()
    world.submitted(ours)
    world.broker.add("a", email="ours-1@example.com")
    ledger = world.ledger
    world.ledger = Busy(ledger, 99)  # type: ignore[assignment]
    take(world, "a")
    assert kept(world).is_pending
    world.ledger = ledger
    world.time.now += 2 * HOUR
    take(world, "a")
    assert (kept(world).lead_id, kept(world).is_pending) == (ours.lead_id, False)


def test_a_foreign_account_waits_no_longer(world: World) -> None:
    ours = world.lead()
    sending = world.attempted(ours)
    world.broker.add("a", email="ours-1@example.com")
    take(world, "a")
    assert kept(world).is_pending
    world.ledger.apply(steps.mark_duplicate(sending, world.time.now, some_error("409")))
    take(world, "a")
    assert not kept(world).is_pending


def test_a_secret_that_is_missing_is_no_row_that_makes_no_sense(world: World) -> None:
    ours = world.lead()
    world.submitted(ours)
    world.broker.add("a", email="ours-1@example.com")
    leads_of = world.book.leads_of

    def missing(email: str) -> Any:
        raise SecretMissing("leadbridge/index")

    world.book.leads_of = missing  # type: ignore[method-assign]
    with pytest.raises(SecretMissing):
        world.run()
    world.book.leads_of = leads_of  # type: ignore[method-assign]
    world.time.now += 2 * HOUR
    world.run()
    assert world.delivery(ours).account_uuid == "a"


def test_what_is_kept_of_an_erased_person_is_deleted(world: World) -> None:
    """Of one who was erased while a page was taken in: it was written after the erasure."""
    ours = world.lead()
    world.submitted(ours, "a")
    world.broker.add("a")
    keep = world.book.store

    def erase_first(accounts: Any) -> None:
        world.book.erase(ours.lead_id)
        keep(accounts)

    world.book.store = erase_first  # type: ignore[method-assign]
    take(world, "a")
    world.book.store = keep  # type: ignore[method-assign]
    assert kept(world).lead_id == ours.lead_id
    world.broker.put("a", "CONTACTED")
    assert take(world, "a").written == 0
    assert (world.book.all, world.notified) == ({}, [])
    assert world.delivery(ours).account_uuid is None


def test_an_erased_delivery_gets_no_status_and_no_account(world: World) -> None:
    """Its account was not tied: the look-up found the lead just before it was erased."""
    ours = world.lead()
    world.submitted(ours)
    world.broker.add("a", email="ours-1@example.com")
    leads_of = world.book.leads_of

    def erase_then(email: str) -> Any:
        found = leads_of(email)
        world.book.erase(ours.lead_id)
        return found

    world.book.leads_of = erase_then  # type: ignore[method-assign]
    assert take(world, "a").written == 0
    assert (world.delivery(ours).account_uuid, world.delivery(ours).partner_status) == (None, None)
