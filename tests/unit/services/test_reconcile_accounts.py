"""Whose is an account? By uuid, by e-mail, or nobody's of ours."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from leadbridge.domain import delivery as steps
from leadbridge.domain.clock import from_text
from leadbridge.domain.delivery import State
from leadbridge.domain.statuses.status_change import change_status
from leadbridge.services.reconcile_accounts import MAX_UUID_BYTES
from leadbridge.settings import Settings
from quality.testkit.fakes.account_repository import PARTNER
from quality.testkit.fakes.errors import some_error
from quality.testkit.fixtures import Time
from quality.testkit.services import syncs
from quality.testkit.services.syncs import World, kept, take

MINUTE = timedelta(minutes=1)


@pytest.fixture
def world(shipped_settings: Settings, time: Time) -> World:
    return syncs.world(shipped_settings, time)


def test_an_account_is_tied_by_its_uuid(world: World) -> None:
    ours = world.lead()
    world.submitted(ours, "a")
    world.broker.add("a", email="another@example.com")
    taken = take(world, "a")
    assert (taken.linked, taken.changed, taken.written) == (1, 1, 1)
    assert (kept(world).lead_id, kept(world).is_pending) == (ours.lead_id, False)
    assert world.delivery(ours).partner_status == "NEW_CONTACT"
    assert world.book.asked_for == []


def test_an_account_without_a_returned_uuid_is_linked_by_email(world: World) -> None:
    ours = world.lead()
    world.submitted(ours)
    world.broker.add("a", email="OURS-1@Example.com")
    take(world, "a")
    assert (world.delivery(ours).partner_status, world.delivery(ours).account_uuid) == ("NEW_CONTACT", "a")
    assert world.ledger.owner_of(PARTNER, "a") == ours.lead_id


@pytest.mark.parametrize("asked", [False, True])
def test_an_account_that_is_tied_by_its_email_gives_its_delivery_its_uuid_though_there_is_no_news(
    world: World, asked: bool
) -> None:
    """The list tells no status, or an operator has asked for it already."""
    ours = world.lead()
    delivery = world.submitted(ours)
    status = "CONTACTED" if asked else None
    if status is not None:
        world.ledger.apply(
            change_status(delivery, world.time.now, status, outcome=None, final=False, is_followed=False)
        )
    world.broker.add("a", email="ours-1@example.com", leadStatus=status)
    taken = take(world, "a")
    assert (taken.linked, taken.changed) == (1, 0)
    assert (world.delivery(ours).account_uuid, world.delivery(ours).partner_status) == ("a", status)
    assert world.ledger.owner_of(PARTNER, "a") == ours.lead_id
    assert world.happened[-1] == ("account_found", "account a")


@pytest.mark.parametrize("behind", [timedelta(hours=5), timedelta(hours=14), timedelta(days=-40)])
def test_an_accepted_lead_is_linked_whatever_the_brokers_clock(world: World, behind: timedelta) -> None:
    """It takes an e-mail once."""
    ours = world.lead()
    world.submitted(ours)
    world.broker.add("a", world.time.now - behind, email="ours-1@example.com")
    take(world, "a")
    assert (kept(world).lead_id, world.delivery(ours).account_uuid) == (ours.lead_id, "a")


def test_a_lead_that_is_another_accounts_is_not_tied_by_its_email(world: World) -> None:
    first, second = world.lead(1, "same@example.com"), world.lead(2, "same@example.com")
    world.submitted(first, "b")
    world.submitted(second)
    world.broker.add("b", email="same@example.com")
    world.broker.add("a", email="same@example.com")
    take(world, "a", "b")
    assert (kept(world, "b").lead_id, kept(world, "a").lead_id) == (first.lead_id, second.lead_id)


def test_a_lead_is_found_behind_all_the_others_of_its_email(world: World) -> None:
    first = world.lead(1, "same@example.com")
    world.submitted(first)
    for number in range(2, 30):
        world.time.now += timedelta(seconds=10)
        later = world.lead(number, "same@example.com")
        world.ledger.apply(steps.mark_duplicate(world.attempted(later), world.time.now, some_error("409")))
    world.broker.add("a", first.received_at, email="same@example.com")
    take(world, "a")
    assert kept(world).lead_id == first.lead_id


def test_an_account_that_did_not_come_from_us_is_kept_and_marked_so(world: World) -> None:
    ours = world.lead()
    world.submitted(ours)
    world.broker.add("a")
    taken = take(world, "a")
    assert (taken.written, taken.linked) == (1, 0)
    assert (kept(world).lead_id, kept(world).email) == (None, "a@clients.example.com")


def test_an_account_whose_lead_has_expired_is_the_brokers_own(world: World) -> None:
    ours = world.lead()
    world.submitted(ours, "a")
    world.broker.add("a")
    take(world, "a")
    assert kept(world).lead_id == ours.lead_id
    world.ledger.expire(ours.lead_id)
    world.broker.put("a", "CONTACTED")
    take(world, "a")
    assert (kept(world).lead_id, kept(world).status) == (None, "CONTACTED")


def test_an_account_older_than_the_first_attempt_is_not_ours(world: World) -> None:
    ours = world.lead()
    world.time.now += 10 * MINUTE
    world.unknown(ours)
    world.broker.add("a", world.time.now - 3 * MINUTE, email="ours-1@example.com")
    take(world, "a")
    assert kept(world).lead_id is None
    assert world.delivery(ours).state is State.UNKNOWN


@pytest.mark.parametrize("created", [None, "rubbish"])
def test_an_account_that_does_not_say_since_when_settles_no_doubt_but_is_tied_where_there_is_none(
    world: World, created: str | None
) -> None:
    unknown, submitted = world.lead(1), world.lead(2)
    world.unknown(unknown)
    world.submitted(submitted)
    world.broker.add("a", email="ours-1@example.com")
    world.broker.add("b", email="ours-2@example.com")
    take(world, "a", "b", created=created)
    assert world.delivery(unknown).state is State.UNKNOWN
    assert world.delivery(submitted).account_uuid == "b"


def test_an_account_from_before_our_first_lead_is_not_looked_up(world: World) -> None:
    world.lead()
    world.broker.add("a", world.time.now - timedelta(days=900), email="ours-1@example.com")
    take(world, "a")
    assert world.book.asked_for == []


def test_a_stack_without_leads_looks_nothing_up(world: World) -> None:
    world.broker.add("a")
    assert take(world, "a").written == 1
    assert world.book.asked_for == []


def test_of_two_leads_of_one_email_the_one_that_was_taken_has_the_account(world: World) -> None:
    """The partner takes an e-mail once: the other one's create call cannot have made it."""
    first, second = world.lead(1, "same@example.com"), world.lead(2, "same@example.com")
    world.unknown(first)
    world.time.now += MINUTE
    world.submitted(second)
    world.broker.add("a", email="same@example.com")
    take(world, "a")
    assert (world.delivery(first).state, world.delivery(first).account_uuid) == (State.UNKNOWN, None)
    assert world.delivery(second).account_uuid == "a"


def test_of_two_whose_replies_were_lost_the_one_before_the_accounts_time_has_it(world: World) -> None:
    first, second = world.lead(1, "same@example.com"), world.lead(2, "same@example.com")
    world.unknown(first)
    world.broker.add("a", email="same@example.com")
    world.time.now += timedelta(hours=1)
    world.unknown(second)
    take(world, "a")
    assert (world.delivery(first).state, world.delivery(first).account_uuid) == (State.SUBMITTED, "a")
    assert world.delivery(second).state is State.UNKNOWN


def test_during_a_create_call_its_account_is_linked_to_no_lead(world: World) -> None:
    """And an older lead whose reply was lost does not get it."""
    first, second = world.lead(1, "same@example.com"), world.lead(2, "same@example.com")
    world.unknown(first)
    world.time.now += MINUTE
    sending = world.attempted(second)
    world.broker.add("a", email="same@example.com")
    take(world, "a")
    assert kept(world).lead_id is None
    assert world.delivery(first).state is State.UNKNOWN
    world.ledger.apply(steps.confirm(sending, world.time.now, "a", is_followed=False))
    take(world, "a")
    assert kept(world).lead_id == second.lead_id


def test_a_worker_that_was_lost_while_it_made_the_account_is_not_waited_for(world: World) -> None:
    ours = world.lead()
    world.attempted(ours)
    world.broker.add("a", email="ours-1@example.com")
    world.time.now += MINUTE
    take(world, "a")
    assert (world.delivery(ours).state, world.delivery(ours).account_uuid) == (State.SUBMITTED, "a")


@pytest.mark.parametrize("how", [steps.reject, steps.mark_duplicate, steps.fail])
def test_a_lead_that_was_definitely_not_created_gets_no_account(world: World, how: Any) -> None:
    ours = world.lead()
    sending = world.attempted(ours)
    world.ledger.apply(how(sending, world.time.now, some_error("no")))
    world.broker.add("a", email="ours-1@example.com")
    take(world, "a")
    assert kept(world).lead_id is None


def test_another_account_of_the_same_email_changes_nothing(world: World) -> None:
    ours = world.lead()
    world.submitted(ours, "a")
    world.broker.add("b", email="ours-1@example.com", leadStatus="CONTACTED")
    take(world, "b")
    assert kept(world, "b").lead_id is None
    assert world.delivery(ours).partner_status is None


def test_a_foreign_account_is_looked_up_for_an_hour_and_when_it_changes(world: World) -> None:
    world.lead()
    world.broker.add("a")
    asked = []
    for _ in range(5):
        take(world, "a")
        asked.append(len(world.book.asked_for))
        world.time.now += 25 * MINUTE
    assert asked == [1, 2, 3, 3, 3]
    world.broker.put("a", "CONTACTED")
    take(world, "a")
    assert len(world.book.asked_for) == 4


def test_a_tie_that_comes_late_is_found_though_the_row_has_not_changed(world: World) -> None:
    ours = world.lead()
    unknown = world.unknown(ours)
    world.broker.add("a", email="spelt-otherwise@example.com")
    take(world, "a")
    world.time.now += timedelta(days=3)
    world.ledger.apply(steps.confirm(unknown, world.time.now, "a", is_followed=False))
    take(world, "a")
    assert (kept(world).lead_id, world.delivery(ours).partner_status) == (ours.lead_id, "NEW_CONTACT")


@pytest.mark.parametrize("uuid", [None, "", "u" * (MAX_UUID_BYTES + 1), {"a": 1}])
def test_a_row_that_cannot_be_named_is_passed_over_and_counted(world: World, uuid: object) -> None:
    world.broker.add("a")
    taken = take(world, "a", uuid=uuid)
    assert (taken.rows, taken.without_id, taken.written) == (1, 1, 0)


def test_a_row_that_comes_twice_on_a_page_is_taken_once(world: World) -> None:
    world.broker.add("a")
    assert take(world, "a", "a").written == 1


def test_times_finer_than_the_table_keeps_are_no_change(world: World) -> None:
    world.broker.add("a", updated="2026-03-01T12:00:00.123456Z")
    assert (take(world, "a").written, take(world, "a").written) == (1, 0)
    assert kept(world).updated == from_text("2026-03-01T12:00:00.123Z")
