"""Postbacks: written with the change that they announce, sent in order, and with one event id for all attempts."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import count
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadbridge.domain import delivery as steps
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.partner_errors import (
    Misconfigured,
    PartnerError,
    RateLimited,
    Rejected,
    Unavailable,
    Unknown,
)
from leadbridge.domain.feedback.errors import ClickIdMissing
from leadbridge.domain.feedback.postback import SCHEDULE, event_id, start_sending
from leadbridge.domain.feedback.states import PostbackState
from leadbridge.domain.operator_steps import WrongState, resolve_found, resolve_not_found
from leadbridge.domain.transitions import Conflict
from leadbridge.runtime import aws
from leadbridge.runtime.budget import Budget
from leadbridge.services.feedback.resend import UnknownPostback, resend_change
from leadbridge.services.worker import Outcome
from leadbridge.storage.erasure.eraser import Eraser
from leadbridge.storage.feedback.postbacks import PostbackRepository, postback_item
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.table import Table
from leadbridge.storage.writes import put
from quality.testkit.fakes.blades import Blade, Killed
from quality.testkit.fakes.errors import some_error
from quality.testkit.fixtures import TABLE, Time
from quality.testkit.services.feedback import FEEDBACK, LEAD, PARTNER, TRACKER, FakeTracker, World, world
from quality.testkit.template import table_definition

__all__ = ["world"]

ACCEPTED, FAILED, SKIPPED, PENDING = (
    PostbackState.ACCEPTED,
    PostbackState.FAILED,
    PostbackState.SKIPPED,
    PostbackState.PENDING,
)


NUMBERS = count(1)


def fault(kind: type[PartnerError] = Unavailable, **more: float) -> PartnerError:
    return kind(TRACKER, "postback", "as the test wants", **more)  # type: ignore[arg-type]


def test_each_change_of_the_outcome_is_one_event(world: World) -> None:
    world.submit()
    world.outcome("in_progress")  # the tracker is not told of it
    world.outcome("approved")
    world.outcome("approved", status="another status with this outcome")
    world.outcome("issued", final=True)
    events = [(one.event, one.status, one.payout) for one in world.all()]
    assert events == [("submitted", "lead", None), ("approved", "approved", None), ("issued", "sale", "25.5")]
    assert len({one.event_id for one in world.all()}) == 3
    first = world.all()[0]
    assert first.event_id == event_id(LEAD.lead_id, PARTNER, first.delivery_version, TRACKER, "submitted")


def test_a_change_that_is_not_written_announces_nothing(world: World) -> None:
    stale = world.delivery
    world.submit()
    before = world.states()
    with pytest.raises(Conflict):
        world.store.apply(steps.start_attempt(stale, world.time(), timedelta(minutes=1)))
    assert world.states() == before


def test_a_source_without_trackers_writes_and_imports_nothing(world: World) -> None:
    world.store = LeadRepository(Table(aws.dynamodb(), TABLE), {"another": FEEDBACK[LEAD.source]})
    with patch("leadbridge.domain.feedback.postback.postbacks_of", side_effect=AssertionError):
        world.submit()
        world.outcome("issued")
    assert world.all() == []


def test_postbacks_of_a_lead_are_sent_in_order(world: World) -> None:
    world.submit()
    world.outcome("approved")
    world.outcome("issued")
    world.visit_all()  # the newest comes first from the queue
    assert [one.event for one in world.tracker.received] == ["submitted"]
    world.settle()
    assert [one.event for one in world.tracker.received] == ["submitted", "approved", "issued"]
    assert world.timeline[0] == (
        "postback_accepted",
        {"tracker": TRACKER, "event": "submitted", "status": "lead", "event_id": world.all()[0].event_id},
    )


def test_a_failing_tracker_is_retried_by_the_schedule_and_then_given_up(world: World) -> None:
    world.submit()
    (postback,) = world.all()
    world.tracker.faults = iter([(fault(), False)] * 20)
    waits = []
    while (result := world.visit(postback)).outcome is Outcome.RETRIED:
        assert result.retry_after is not None
        waits.append(result.retry_after)
        assert world.visit(postback).outcome is Outcome.WAITING
        world.time.pass_(seconds=result.retry_after.total_seconds())
    assert result.outcome is Outcome.FAILED
    assert waits == [wait * 1.1 for wait in SCHEDULE]
    assert timedelta(hours=27) < sum(SCHEDULE, timedelta()) < timedelta(hours=28)
    assert world.states() == [("submitted", FAILED)]
    assert world.dead_letters == [postback.event_id]


def test_retry_after_is_honoured(world: World) -> None:
    world.submit()
    world.tracker.faults = iter([(fault(RateLimited, retry_after=3600), False)])
    result = world.visit(world.all()[0])
    assert result.retry_after == timedelta(hours=1)


@pytest.mark.parametrize("number", [1, 3, 20])
def test_retry_after_does_not_prolong_the_schedule(world: World, number: int) -> None:
    world.submit()
    (postback,), began = world.all(), world.time()
    limited = [(fault(RateLimited, retry_after=20_000), False)] * number
    world.tracker.faults = iter([*limited, *[(fault(), False)] * 20])
    while (result := world.visit(postback)).outcome is Outcome.RETRIED:
        assert result.retry_after is not None
        world.time.pass_(seconds=result.retry_after.total_seconds())
    assert result.outcome is Outcome.FAILED
    assert world.time() - began < timedelta(hours=31)
    assert world.dead_letters == [postback.event_id]


def test_an_address_that_is_gone_fails_at_once(world: World) -> None:
    world.submit()
    world.tracker.faults = iter([(fault(Rejected), True)])
    assert world.visit(world.all()[0]).outcome is Outcome.FAILED
    assert world.dead_letters == [world.all()[0].event_id]


def test_a_wrong_address_is_retried_as_a_person_can_correct_it(world: World) -> None:
    world.submit()
    world.tracker.faults = iter([(fault(Misconfigured), False)] * 2)
    world.settle()
    assert world.states() == [("submitted", ACCEPTED)]


def test_a_lost_reply_is_repeated_with_the_same_event_id(world: World) -> None:
    world.submit()
    world.outcome("issued")
    world.tracker.faults = iter([(fault(Unknown), True)])
    world.settle()
    received = [one.event for one in world.tracker.received]
    assert received == ["submitted", "submitted", "issued"]
    assert len(world.tracker.accepted) == 2


def test_a_postback_without_its_click_id_is_skipped(world: World) -> None:
    world.submit()
    with patch.object(FakeTracker, "send", side_effect=ClickIdMissing):
        assert world.visit(world.all()[0]).outcome is Outcome.SKIPPED
    (what, data), *rest = world.timeline
    assert (what, data["error_code"], rest) == ("postback_skipped", "click_id_missing", [])


def test_postbacks_of_an_erased_person_are_skipped(world: World) -> None:
    world.submit()
    world.outcome("issued")
    Eraser(Table(aws.dynamodb(), TABLE)).erase(LEAD.lead_id, "anna", world.time())
    world.settle()
    assert world.states() == [("submitted", SKIPPED), ("issued", SKIPPED)]
    assert world.tracker.received == []
    assert {one.last_error_code for one in world.all()} == {ErrorCode.ERASED}
    assert world.timeline == []
    assert list(world.store.due("feedback", world.time() + timedelta(days=1), 10)) == []


def test_an_erasure_between_the_read_and_the_start_stops_it(world: World) -> None:
    world.submit()
    sender, (postback,) = world.sender(), world.all()
    lead = world.store.lead(LEAD.lead_id)
    Eraser(Table(aws.dynamodb(), TABLE)).erase(LEAD.lead_id, "anna", world.time())
    with patch.object(LeadRepository, "lead", return_value=lead):
        assert (
            sender.process(LEAD.lead_id, postback.event_id, Budget(90.0, monotonic=lambda: 0.0)).outcome
            is Outcome.NO_ACTION
        )
    assert world.tracker.received == []


def test_an_erasure_during_an_attempt_that_fails_ends_all_postbacks(world: World) -> None:
    world.submit()
    world.outcome("issued")

    def erase(*_: object) -> None:
        Eraser(Table(aws.dynamodb(), TABLE)).erase(LEAD.lead_id, "anna", world.time())
        raise fault()

    with patch.object(FakeTracker, "send", side_effect=erase):
        assert world.visit(world.all()[0]).outcome is Outcome.SKIPPED
    assert world.visit(world.all()[1]).outcome is Outcome.SKIPPED
    assert world.states() == [("submitted", SKIPPED), ("issued", SKIPPED)]


@pytest.mark.parametrize("is_settled", [False, True])
def test_an_erasure_after_a_worker_died_ends_all_postbacks(world: World, is_settled: bool) -> None:
    world.submit()
    world.outcome("issued")
    with pytest.raises(Killed), patch.object(FakeTracker, "send", side_effect=Killed):
        world.visit(world.all()[0])
    world.time.pass_(minutes=1)
    Eraser(Table(aws.dynamodb(), TABLE)).erase(LEAD.lead_id, "anna", world.time())
    if is_settled:
        assert world.visit(world.all()[0]).outcome is Outcome.SKIPPED
    assert world.visit(world.all()[1]).outcome is Outcome.SKIPPED, "it does not wait for the older one"
    world.settle()
    assert world.states() == [("submitted", SKIPPED), ("issued", SKIPPED)]


def test_a_call_ends_with_the_lease_of_its_attempt(world: World) -> None:
    """From then on another worker may send newer postbacks."""
    world.submit()
    write = PostbackRepository.apply

    def pause(*found: Any, **more: Any) -> Any:
        after = write(*found, **more)
        world.time.pass_(seconds=15)
        return after

    with (
        patch.object(PostbackRepository, "apply", autospec=True, side_effect=pause),
        patch.object(FakeTracker, "send") as sent,
    ):
        world.visit(world.all()[0])
    assert sent.call_args.args[3].left == 5.0


def test_a_tracker_that_was_removed_is_not_called(world: World) -> None:
    world.submit()
    world.feedback = {}
    world.settle()
    assert world.states() == [("submitted", SKIPPED)]


def test_a_worker_without_time_leaves_the_postback(world: World) -> None:
    world.submit()
    result = world.visit(world.all()[0], budget=Budget(5.0, monotonic=lambda: 0.0))
    assert (result.outcome, world.all()[0].state) == (Outcome.WAITING, PENDING)


def test_an_answer_after_the_lease_settles_the_postback(world: World) -> None:
    world.submit()
    (postback,) = world.all()

    def late(*_: object) -> None:
        world.time.pass_(minutes=5)
        assert world.visit(postback).outcome is Outcome.RETRIED

    with patch.object(FakeTracker, "send", side_effect=late):
        assert world.visit(postback).outcome is Outcome.SENT
    assert world.states() == [("submitted", ACCEPTED)]


def test_an_answer_after_an_erasure_leaves_the_postback_skipped(world: World) -> None:
    world.submit()
    (postback,) = world.all()

    def late(*_: object) -> None:
        Eraser(Table(aws.dynamodb(), TABLE)).erase(LEAD.lead_id, "anna", world.time())
        world.time.pass_(minutes=5)
        assert world.visit(postback).outcome is Outcome.SKIPPED

    with patch.object(FakeTracker, "send", side_effect=late):
        assert world.visit(postback).outcome is Outcome.SENT
    assert world.states() == [("submitted", SKIPPED)]


def resolved(world: World, deal: int | None) -> None:
    """An operator enters the deal's number, or that there is no deal."""
    world.time.pass_(seconds=1)
    if deal is None:
        world.store.apply(resolve_not_found(world.delivery, world.time(), "anna"))
    else:
        world.store.apply(resolve_found(world.delivery, world.time(), "anna", deal, is_followed=True))


@pytest.mark.parametrize(
    ("deals", "states"),
    [
        ([25, 26], [("submitted", ACCEPTED)]),
        ([25, None], [("submitted", SKIPPED)]),
        ([25, None, 26], [("submitted", SKIPPED), ("submitted", ACCEPTED)]),
    ],
)
def test_the_partner_has_the_lead_whatever_the_number_of_the_deal_is(
    world: World, deals: list[int | None], states: list[tuple[str, PostbackState]]
) -> None:
    started = world.store.apply(steps.start_attempt(world.delivery, world.time(), timedelta(minutes=1)))
    world.store.apply(steps.mark_unknown(started, world.time(), some_error("lost")))
    for deal in deals:
        resolved(world, deal)
    world.settle()
    assert world.states() == states


def resend(world: World, number: int, *, is_confirmed: bool = False) -> None:
    postbacks = world.all()
    change = resend_change(postbacks, postbacks[number].event_id, world.time(), "anna", is_confirmed=is_confirmed)
    world.postbacks.apply(change)


def test_a_failed_postback_is_sent_again_with_a_new_schedule(world: World) -> None:
    world.submit()
    world.tracker.faults = iter([(fault(), False)] * 8)
    world.settle()
    assert world.states() == [("submitted", FAILED)]
    resend(world, 0)
    world.tracker.faults = iter([(fault(), False)] * 3)
    world.settle()
    assert world.states() == [("submitted", ACCEPTED)]
    assert ("postback_resend_requested", "anna") in [(what, data.get("operator")) for what, data in world.timeline]


def test_what_the_tracker_has_is_sent_again_after_a_confirmation_only(world: World) -> None:
    world.submit()
    world.tracker.faults = iter([(fault(Rejected), False)])
    world.outcome("issued")
    world.settle()
    assert world.states() == [("submitted", FAILED), ("issued", ACCEPTED)]
    for number in (0, 1):
        with pytest.raises(WrongState):
            resend(world, number)
    resend(world, 0, is_confirmed=True)
    with pytest.raises(WrongState):
        resend(world, 0, is_confirmed=True)  # it is being sent
    world.settle()
    assert world.states() == [("submitted", ACCEPTED), ("issued", ACCEPTED)]
    with pytest.raises(UnknownPostback):
        resend_change(world.all(), "evt_0", world.time(), "anna", is_confirmed=True)


def test_a_newer_postback_that_was_read_before_a_resend_is_not_sent_first(world: World) -> None:
    world.submit()
    world.tracker.faults = iter([(fault(Rejected), False)])
    world.visit(world.all()[0])
    world.outcome("issued")
    seen = world.all()
    resend(world, 0)
    with patch.object(type(world.postbacks), "postbacks", return_value=seen):
        assert world.visit(seen[1]).outcome is Outcome.NO_ACTION
    world.settle()
    assert [one.event for one in world.tracker.received] == ["submitted", "issued"]


def test_a_postback_with_a_hundred_newer_ones_is_sent_again(world: World) -> None:
    """A transaction has a hundred writes at most."""
    world.submit()
    world.tracker.faults = iter([(fault(Rejected), False)])
    world.visit(world.all()[0])
    world.outcome("issued")
    (first, newer), write = world.all(), PostbackRepository.apply
    many = [replace(newer, event_id=f"evt_{number}", delivery_version=100 + number) for number in range(100)]
    for one in many:
        Table(aws.dynamodb(), TABLE).write(put(postback_item(one)))
    write(world.postbacks, resend_change(world.all(), first.event_id, world.time(), "anna", is_confirmed=False))
    with pytest.raises(Conflict):
        write(world.postbacks, start_sending(newer, world.time(), timedelta(minutes=1)))


def test_the_postbacks_of_two_deliveries_have_one_order(world: World) -> None:
    """A first event is not lost, though it was written after a newer one of the other delivery was accepted."""
    world.submit()
    world.settle()
    (newer,) = world.all()
    other = replace(newer, event_id="evt_0", partner="matchtrade", state=PENDING, accepted_at=None)
    older = replace(other, created_at=newer.created_at - timedelta(seconds=1), due_at=world.time())
    Table(aws.dynamodb(), TABLE).write(put(postback_item(older)))
    assert world.visit(older).outcome is Outcome.SENT
    with pytest.raises(WrongState, match="accepted the postback"):
        resend(world, 0)
    failed = replace(older, state=FAILED, due_at=None)
    with pytest.raises(WrongState, match="newer"):
        resend_change([failed, newer], "evt_0", world.time(), "anna", is_confirmed=False)
    again = resend_change([failed, newer], "evt_0", world.time(), "anna", is_confirmed=True).after
    for is_forced, outcome in ((False, Outcome.SKIPPED), (True, Outcome.SENT)):
        Table(aws.dynamodb(), TABLE).write(put(postback_item(replace(again, is_forced=is_forced))))
        assert world.visit(older).outcome is outcome


FAULTS: list[Callable[[], tuple[PartnerError | None, bool]]] = [
    lambda: (None, True),
    lambda: (fault(), False),
    lambda: (fault(Unknown), True),
    lambda: (fault(Unknown), False),
    lambda: (fault(RateLimited, retry_after=60), False),
    lambda: (fault(Rejected), False),
]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    outcomes=st.lists(st.sampled_from(["approved", "issued", "declined", "in_progress", None]), max_size=5),
    faults=st.lists(st.sampled_from(FAULTS), max_size=12),
    kills=st.lists(st.integers(1, 14), max_size=5),
    order=st.randoms(use_true_random=False),
)
def test_every_event_is_accepted_once_and_in_order_or_failed(
    aws_mocked: None,
    outcomes: list[str | None],
    faults: list[Callable[[], tuple[PartnerError | None, bool]]],
    kills: list[int],
    order: Random,
) -> None:
    """Workers die at any step, the queue has any order, and the tracker fails in any way."""
    world = fresh_world()
    world.tracker.faults = iter([make() for make in faults])
    world.submit()
    for outcome in outcomes:
        world.outcome(outcome)
    for at in kills:
        for postback in order.sample(world.all(), len(world.all())):
            try:
                world.visit(postback, Blade(at))
            except Killed:
                world.time.pass_(minutes=1)
    world.settle()
    wanted = [one.event_id for one in world.all() if one.state is ACCEPTED]
    failed = [one.event_id for one in world.all() if one.state is FAILED]
    assert {one.state for one in world.all()} <= {ACCEPTED, FAILED}
    assert set(failed) <= set(world.dead_letters)
    assert [one for one in world.tracker.accepted if one in wanted] == wanted
    firsts = [[one.event_id for one in world.all()].index(event) for event in world.tracker.accepted]
    assert firsts == sorted(firsts)


def fresh_world() -> World:
    name = f"{TABLE}-{next(NUMBERS)}"
    aws.dynamodb().create_table(**table_definition(name))
    table = Table(aws.dynamodb(), name)
    LeadRepository(table).accept(LEAD, phone_hash=None)
    return World(LeadRepository(table, FEEDBACK), PostbackRepository(table), Time())
