"""A lead that an operator gives to a partner: no rule sends it further, and a lead that waits is moved."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leadbridge.domain import delivery as steps
from leadbridge.domain.admission import Wait, WaitReason, wait_for_partner
from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.errors import partner_errors
from leadbridge.domain.lead import Lead
from leadbridge.domain.operator_steps import ConfirmationRequired, WrongState, retry_by_operator
from leadbridge.domain.routing.fallback import NextOn, open_next
from leadbridge.domain.transitions import Conflict
from leadbridge.runtime import aws
from leadbridge.runtime.budget import Budget
from leadbridge.services.correct_lead import Corrector
from leadbridge.services.submission_rules import fallback_finder
from leadbridge.services.submit_lead import Submitter
from leadbridge.services.worker import Outcome
from leadbridge.settings import Settings
from leadbridge.storage.corrections import CorrectionRepository
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.links import MAX_HISTORY
from leadbridge.storage.table import Table
from quality.testkit.fakes.errors import some_error
from quality.testkit.fixtures import TABLE, Time
from quality.testkit.intake import settings_with_intake
from quality.testkit.people import lead

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)  # a Monday
MINUTE = timedelta(minutes=1)
FIRST, SECOND, THIRD = "leadleader", "matchtrade", "third"
AMPLE = Budget(deadline=90.0, monotonic=lambda: 0.0)
ALL = tuple(one.value for one in NextOn)
ORDER: dict[str, Any] = {
    "partners": (FIRST,),
    "fallbacks": {FIRST: SECOND, SECOND: THIRD},
    "next_on": {FIRST: ALL, SECOND: ALL},
}
CAPPED = {"total": 1, "when_capped": "next"}
CLOSED = {"holidays": ["2026-03-02"], "when_closed": "next"}

PAUSED = Wait(WaitReason.PAUSED)


@dataclass
class World:
    """A lead with an order of three partners, which answer with an error of `answers` or accept."""

    store: LeadRepository
    time: Time
    settings: Settings
    answers: dict[str, type[partner_errors.PartnerError]] = field(default_factory=dict)

    def use(self, intake: dict[str, Any] | None) -> None:
        """Give the second partner these caps and hours."""
        shipped = settings_with_intake(intake, partner=SECOND)
        self.settings = shipped.model_copy(update={"partners": {**shipped.partners, THIRD: shipped.partners[FIRST]}})

    def receive(self, number: int = 1, **changes: Any) -> Lead:
        one = lead(number, received_at=self.time()).model_copy(update={**ORDER, **changes})
        self.store.accept(one, phone_hash=None)
        return one

    def give(self, one: Lead, partner: str = SECOND, *, even_if_twice: bool = False) -> Delivery:
        table = Table(aws.dynamodb(), TABLE)
        corrector = Corrector(self.store, CorrectionRepository(table), self.settings, str, self.time)
        return corrector.add_partner(one.lead_id, partner, "olena", is_confirmed=even_if_twice)

    def submit(self, one: Lead, partner: str) -> Outcome:
        answer = self.answers.get(partner)

        class Partner:
            seconds_per_submission, seconds_per_create = 10.0, 5.0

            def authorize(self, _: Budget) -> Partner:
                return self

            def create(self, submitted: Lead, _: Budget) -> int:
                if answer is not None:
                    raise answer(partner, "create", "as the test wants")
                return 24

        submitter = Submitter(
            self.store,
            Partner(),
            self.settings.partners[partner],
            self.time,
            lambda *_: None,
            find_fallback=fallback_finder(self.settings),
        )
        return submitter.process(one.lead_id, partner, AMPLE).outcome

    def states(self, one: Lead) -> dict[str, str]:
        journey = self.store.journey(one.lead_id)
        assert journey is not None
        return {name: each.state.value for name, each in journey.deliveries.items()}

    def delivery(self, one: Lead, partner: str = FIRST) -> Delivery:
        found = self.store.delivery(one.lead_id, partner)
        assert found is not None
        return found


@pytest.fixture
def world(store: LeadRepository, time: Time, shipped_settings: Settings) -> World:
    time.now = NOON
    made = World(store, time, shipped_settings)
    made.use(None)
    return made


@pytest.mark.parametrize(
    ("intake", "answer", "state"),
    [
        (CAPPED, None, "failed"),
        ({"per_day": 1, "when_capped": "next"}, None, "received"),
        (CLOSED, None, "received"),
        (None, partner_errors.Rejected, "rejected"),
        (None, partner_errors.Duplicate, "duplicate"),
    ],
)
def test_a_lead_given_by_hand_goes_no_further(
    world: World, intake: dict[str, Any] | None, answer: type[partner_errors.PartnerError] | None, state: str
) -> None:
    world.use(intake)
    if intake is not None and "when_capped" in intake:  # the lead that uses up the cap
        assert world.submit(world.receive(2, partners=(SECOND,)), SECOND) is Outcome.SUBMITTED
    one = world.receive()
    assert world.submit(one, FIRST) is Outcome.SUBMITTED
    world.give(one, even_if_twice=True)
    if answer is not None:
        world.answers[SECOND] = answer
    world.submit(one, SECOND)
    assert world.states(one) == {FIRST: "submitted", SECOND: state}


def test_a_lead_given_by_hand_does_not_pass_over_a_partner_without_its_fields(world: World) -> None:
    demanding = world.settings.partners[THIRD].model_copy(update={"requires": ("person.city",)})
    fourth = world.settings.partners[THIRD]
    partners = {**world.settings.partners, THIRD: demanding, "fourth": fourth}
    world.settings = world.settings.model_copy(update={"partners": partners})
    one = world.receive(fallbacks={**ORDER["fallbacks"], THIRD: "fourth"})
    world.submit(one, FIRST)
    world.give(one, even_if_twice=True)
    world.answers[SECOND] = partner_errors.Rejected
    assert world.submit(one, SECOND) is Outcome.REJECTED
    assert world.states(one) == {FIRST: "submitted", SECOND: "rejected"}


@pytest.mark.parametrize("has_begun", [False, True])
def test_a_partner_of_the_rule_does_not_pass_on_what_was_given_by_hand(world: World, has_begun: bool) -> None:
    """An attempt that has begun before was made with the lead's order."""
    one = world.receive(fallbacks={FIRST: THIRD})
    world.answers[FIRST] = partner_errors.Rejected
    if has_begun:
        read = world.store.submission(one.lead_id, FIRST)
        begun = world.store.apply(steps.start_attempt(world.delivery(one), world.time(), MINUTE))
        world.give(one, even_if_twice=True)
        rejected = steps.reject(begun, world.time(), some_error("no"))
        world.store.apply(open_next(rejected, next_partner_of(world, read[1]), NextOn.REJECTED))
    else:
        world.give(one, even_if_twice=True)
        world.submit(one, FIRST)
    assert world.states(one) == {FIRST: "rejected", SECOND: "received"}


def next_partner_of(world: World, one: Lead | None) -> str:
    assert one is not None
    following = fallback_finder(world.settings)(one, FIRST, NextOn.REJECTED)
    assert following == THIRD
    return following


def test_a_lead_that_waits_is_moved(world: World) -> None:
    one = world.receive()
    world.store.apply(wait_for_partner(world.delivery(one), world.time(), PAUSED))
    world.give(one)
    assert (world.states(one), world.submit(one, FIRST)) == (
        {FIRST: "skipped", SECOND: "received"},
        Outcome.NO_ACTION,
    )
    assert world.submit(one, SECOND) is Outcome.SUBMITTED
    left = world.delivery(one)
    assert (left.last_error_code, left.due_at, left.waiting_reason) == ("moved", None, None)
    entry = left.history[-1].entry
    assert (entry.what, entry.data) == (
        "skipped",
        {"next_partner": SECOND, "operator": "olena", "error_code": "moved"},
    )


def test_a_failed_delivery_ends_when_an_operator_gives_the_lead_to_another_partner(world: World) -> None:
    one = world.receive()
    world.store.apply(steps.fail(world.delivery(one), world.time(), some_error("no")))
    world.give(one)
    assert world.states(one) == {FIRST: "skipped", SECOND: "received"}
    left = world.delivery(one)
    assert (left.last_error_code, left.history[-1].entry.data["next_partner"]) == ("moved", SECOND)
    with pytest.raises(ConfirmationRequired):
        retry_by_operator(left, world.time(), "olena", is_confirmed=False)


@pytest.mark.parametrize("changes", [{"is_uncertain": True}, {"settled_at": NOON}, {"restored_at": NOON}])
def test_a_failed_delivery_stays_if_its_partner_may_have_the_lead(world: World, changes: dict[str, Any]) -> None:
    one = world.receive()
    change = steps.fail(world.delivery(one), world.time(), some_error("no"))
    world.store.apply(replace(change, after=replace(change.after, **changes)))
    world.give(one, even_if_twice=True)
    assert world.states(one) == {FIRST: "failed", SECOND: "received"}


def test_a_lead_that_waits_after_many_steps_keeps_its_timeline(world: World) -> None:
    one, reasons = world.receive(), (WaitReason.PAUSED, WaitReason.CIRCUIT_OPEN)
    for number in range(MAX_HISTORY):
        world.store.apply(wait_for_partner(world.delivery(one), world.time(), Wait(reasons[number % 2])))
    world.give(one)
    journey = world.store.journey(one.lead_id)
    assert journey is not None
    told = [entry.what for entry in journey.timeline if entry.partner == FIRST]
    assert told == ["waiting"] * MAX_HISTORY + ["skipped"]


def test_an_attempt_that_starts_meanwhile_wins(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    one = world.receive()
    world.store.apply(wait_for_partner(world.delivery(one), world.time(), PAUSED))
    write = CorrectionRepository.correct

    def after_an_attempt(repository: CorrectionRepository, *arguments: Any) -> None:
        assert world.submit(one, FIRST) is Outcome.SUBMITTED
        write(repository, *arguments)

    monkeypatch.setattr(CorrectionRepository, "correct", after_an_attempt)
    with pytest.raises(Conflict):
        world.give(one)
    assert world.states(one) == {FIRST: "submitted"}


@pytest.mark.parametrize(
    "changes",
    [
        {"is_uncertain": True, "attempts": 1},
        {"retried_at": NOON, "attempts": 1},
        {"restored_at": NOON},
        {"waiting_reason": None},
        {"state": State.SUBMITTED},
    ],
)
def test_a_lead_that_the_partner_may_have_is_not_moved(world: World, changes: dict[str, Any]) -> None:
    one = world.receive()
    change = wait_for_partner(world.delivery(one), world.time(), PAUSED)
    before = world.store.apply(replace(change, after=replace(change.after, **changes)))
    with pytest.raises(WrongState, match=FIRST):
        world.give(one)
    world.give(one, even_if_twice=True)
    assert (world.delivery(one), world.delivery(one, SECOND).state) == (before, State.RECEIVED)


def test_a_lead_that_another_partner_has_is_not_moved(world: World) -> None:
    one = world.receive(partners=(FIRST, THIRD))
    world.submit(one, THIRD)
    world.store.apply(wait_for_partner(world.delivery(one), world.time(), PAUSED))
    with pytest.raises(WrongState, match=THIRD):
        world.give(one)
    world.give(one, even_if_twice=True)
    assert world.states(one) == {FIRST: "received", SECOND: "received", THIRD: "submitted"}
