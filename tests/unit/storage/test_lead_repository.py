"""The store: what is written at once, what only one of two writers gets, what is found again."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from leadbridge.domain import delivery as steps
from leadbridge.domain.acceptance.status import LeadStatus
from leadbridge.domain.delivery import Change, Delivery
from leadbridge.domain.statuses.status_change import change_status
from leadbridge.domain.transitions import Conflict
from leadbridge.runtime import aws
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.queries.lead_filter import LeadFilter
from leadbridge.storage.queries.lead_list import LeadList
from leadbridge.storage.table import Table
from leadbridge.storage.writes import Write
from quality.testkit.fakes.errors import some_error
from quality.testkit.fixtures import TABLE
from quality.testkit.people import NOW, lead

HOUR = timedelta(hours=1)


def test_a_lead_is_stored_with_its_delivery_and_its_timeline(store: LeadRepository) -> None:
    stored = lead()
    assert store.accept(stored, phone_hash="h") is None
    journey = store.journey(stored.lead_id)
    assert journey is not None
    assert journey.lead == stored
    assert journey.status is LeadStatus.RECEIVED
    assert journey.deliveries["leadleader"].due_at is not None
    assert [entry.what for entry in journey.timeline] == ["received"]


def test_a_redelivery_meets_its_own_lead_and_changes_nothing(store: LeadRepository) -> None:
    assert store.accept(lead(), phone_hash=None) is None
    again = lead(full_name="Інша Особа Тестівна")
    assert store.accept(again, phone_hash=None) == again.lead_id
    found = store.lead(again.lead_id)
    assert found is not None
    assert found.person.full_name == "Прикладенко Олена Іванівна"


def test_the_same_content_is_the_same_lead_while_its_window_lasts(store: LeadRepository) -> None:
    def post(number: int, hours: float, content: str = "c") -> str | None:
        one = lead(number, received_at=NOW + hours * HOUR).model_copy(update={"content_hash": content})
        return store.accept(one, phone_hash=None, window=timedelta(days=1))

    first, second = lead(1).lead_id, lead(6).lead_id
    assert post(1, 0) is None
    assert [post(2, 23), post(3, 23.8), post(4, -23), post(5, -100)] == [first] * 4, "whichever clock is wrong"
    assert post(6, 24) is None
    assert [post(7, 47), post(8, 1)] == [second] * 2, "redeliveries do not move the window"
    assert post(9, 24, "another") is None


@pytest.mark.parametrize("apart", [timedelta(seconds=2), timedelta(minutes=9)])
def test_two_workers_cannot_straddle_the_end_of_a_window(store: LeadRepository, apart: timedelta) -> None:
    def post(number: int, at: datetime) -> str | None:
        one = lead(number, received_at=at).model_copy(update={"content_hash": "c"})
        return store.accept(one, phone_hash=None, window=timedelta(days=1))

    end, first = NOW + 24 * HOUR, lead(1).lead_id
    assert post(1, NOW) is None
    assert post(2, end - apart / 2) == first
    assert [post(3, end + apart / 2), post(4, end - apart / 2), post(5, end + apart)] == [first] * 3
    assert post(6, end + HOUR) is None, "the end moves by minutes, not by days"
    assert post(7, end - apart) == lead(6).lead_id, "a slow clock finds the newer lead"


def test_a_claim_that_another_worker_replaces_meanwhile_is_not_moved(
    store: LeadRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    def post(number: int, at: datetime) -> str | None:
        one = lead(number, received_at=at).model_copy(update={"content_hash": "c"})
        return store.accept(one, phone_hash=None, window=timedelta(days=1))

    end, write, replaced = NOW + 24 * HOUR, Table.write, list[str | None]()

    def late(table: Table, change: Write, **options: Any) -> Any:
        if not replaced:
            replaced.append(None)
            replaced.append(post(2, end + timedelta(seconds=1)))
        return write(table, change, **options)

    post(1, NOW)
    monkeypatch.setattr(Table, "write", late)
    assert post(3, end - timedelta(seconds=1)) == lead(2).lead_id
    assert replaced == [None, None], "the fast worker stored a lead"


def test_only_one_of_two_workers_starts_the_attempt(store: LeadRepository) -> None:
    store.accept(lead(), phone_hash=None)
    seen = store.delivery(lead().lead_id, "leadleader")
    assert seen is not None
    store.apply(steps.start_attempt(seen, NOW, HOUR))
    with pytest.raises(Conflict):
        store.apply(steps.start_attempt(seen, NOW, HOUR))
    journey = store.journey(lead().lead_id)
    assert journey is not None
    assert [entry.what for entry in journey.timeline] == ["received", "submitting"]


def test_a_delivery_comes_back_as_it_was_written(store: LeadRepository) -> None:
    store.accept(lead(), phone_hash=None)
    delivery = store.delivery(lead().lead_id, "leadleader")
    assert delivery is not None
    journey: tuple[Callable[[Delivery], Change], ...] = (
        lambda d: steps.schedule_retry(d, NOW, some_error("out of reach"), HOUR),
        lambda d: steps.start_attempt(d, NOW + HOUR, HOUR),
        lambda d: steps.confirm(d, NOW + HOUR, 24, is_followed=True),
        lambda d: change_status(d, NOW, "В обробці", outcome="in_progress", final=False, is_followed=True),
        lambda d: change_status(d, NOW, "Видано", outcome="issued", final=True, is_followed=True),
    )
    for step in journey:
        delivery = store.apply(step(delivery))
        assert store.delivery(delivery.lead_id, "leadleader") == delivery
    assert delivery.due_at is None


def test_what_is_due_is_found_longest_due_first_and_what_is_closed_never(store: LeadRepository) -> None:
    for number in (1, 2, 3):
        store.accept(lead(number, received_at=NOW - number * HOUR), phone_hash=None)
    found = list(store.due("leadleader", NOW, 10))
    assert [due.owner for due in found] == [lead(3).lead_id, lead(2).lead_id, lead(1).lead_id]
    assert [due.owner for due in store.due("leadleader", NOW, 1)] == [lead(3).lead_id]
    delivery = store.delivery(lead(3).lead_id, "leadleader")
    assert delivery is not None
    store.apply(steps.fail(delivery, NOW, some_error("spent")))
    assert lead(3).lead_id not in [due.owner for due in store.due("leadleader", NOW, 10)]


def test_putting_off_a_look_is_no_change_and_yields_to_one(store: LeadRepository) -> None:
    store.accept(lead(), phone_hash=None)
    seen = store.delivery(lead().lead_id, "leadleader")
    assert seen is not None
    store.defer_check(seen, NOW + 2 * HOUR, error=some_error("no status"))
    put_off = store.delivery(seen.lead_id, "leadleader")
    assert put_off is not None
    assert (put_off.version, put_off.due_at, put_off.last_error) == (1, NOW + 2 * HOUR, "no status")
    store.defer_check(seen, NOW + 9 * HOUR)
    assert store.delivery(seen.lead_id, "leadleader") == put_off


def test_an_unknown_lead_is_none(store: LeadRepository) -> None:
    assert store.journey("ld_nobody") is None
    assert store.lead("ld_nobody") is None
    assert store.delivery("ld_nobody", "leadleader") is None


def test_deliveries_that_need_a_person_are_listed_until_they_do_not(store: LeadRepository) -> None:
    listing, wanted = LeadList(Table(aws.dynamodb(), TABLE)), LeadFilter(needs_attention=True)
    for number in range(3):
        store.accept(lead(number), phone_hash=None)
        found = store.delivery(lead(number).lead_id, "leadleader")
        assert found is not None
        store.apply(
            steps.confirm(store.apply(steps.start_attempt(found, NOW, HOUR)), NOW, number + 1, is_followed=True)
        )

    def listed() -> list[str]:
        return [journey.lead.lead_id for journey in listing.page(wanted, 10).leads]

    def check(number: int, error: str | None) -> None:
        found = store.delivery(lead(number).lead_id, "leadleader")
        assert found is not None
        due_at = (found.due_at or NOW) + HOUR if error else None
        store.defer_check(found, due_at, error=some_error(error) if error else None, is_refused=error is not None)

    for _ in range(3):
        assert listed() == []
        check(1, "refused")
    assert listed() == [lead(1).lead_id]
    assert len(listing.page(LeadFilter(LeadStatus.SUBMITTED), 10).leads) == 3
    check(1, "refused")
    assert listed() == [lead(1).lead_id]
    check(1, None)
    assert listed() == []
    for _ in range(3):
        check(2, "refused")
    assert listed() == [lead(2).lead_id]
    found = store.delivery(lead(2).lead_id, "leadleader")
    assert found is not None
    store.apply(change_status(found, NOW, "Погоджено", outcome=None, final=False, is_followed=True))
    assert listed() == []
