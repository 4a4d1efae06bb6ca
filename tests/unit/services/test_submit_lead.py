"""Submission: a worker may die anywhere, a message may come twice, and the partner may say anything."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from leadbridge.domain import operator_steps
from leadbridge.domain.delivery import Change, Delivery, State
from leadbridge.domain.errors import partner_errors
from leadbridge.domain.errors.error_codes import ErrorCode, ErrorInfo
from leadbridge.domain.lead import Lead
from leadbridge.domain.transitions import Conflict
from leadbridge.runtime.aws_errors import Contended
from leadbridge.runtime.budget import Budget
from leadbridge.services.submission_rules import fallback_finder
from leadbridge.services.submit_lead import Submitter
from leadbridge.services.worker import Outcome, backoff
from leadbridge.settings import Settings
from leadbridge.storage.leads import LeadRepository
from quality.testkit.fakes.blades import Blade, Killed, Ports
from quality.testkit.fixtures import Time
from quality.testkit.people import NOW, lead

AMPLE = Budget(deadline=90.0, monotonic=lambda: 0.0)
LEAD = lead()


@dataclass
class Lender:
    """A partner that remembers what it created, and answers as the test wants."""

    created: list[str] = field(default_factory=list)
    authorizations: int = 0
    on_authorize: Iterator[partner_errors.PartnerError | None] = field(default_factory=lambda: iter(()))
    on_create: Iterator[partner_errors.PartnerError | None] = field(default_factory=lambda: iter(()))
    blade: Blade = field(default_factory=lambda: Blade(at=0))
    seconds_per_submission: float = 10.0
    seconds_per_create: float = 5.0

    def authorize(self, budget: Budget) -> Any:
        self.authorizations += 1
        if error := next(self.on_authorize, None):
            raise error
        return Ports(self, self.blade)

    def create(self, submitted: Lead, budget: Budget) -> int:
        if error := next(self.on_create, None):
            raise error
        if budget.left <= 0:
            raise partner_errors.Unavailable("leadleader", "create", "no time was left", code=ErrorCode.OUT_OF_TIME)
        self.created.append(submitted.lead_id)
        return 24


@dataclass
class World:
    """One lead that waits to be submitted, and all that has to do with it."""

    store: LeadRepository
    time: Time
    settings: Settings
    lender: Lender = field(default_factory=Lender)
    dead_letters: list[tuple[str, str]] = field(default_factory=list)

    def submitter(self, blade: Blade | None = None) -> Submitter:
        blade = blade or Blade(at=0)
        self.lender.blade = blade
        return Submitter(
            ledger=Ports(self.store, blade),
            partner=Ports(self.lender, blade),
            settings=self.settings.partners["leadleader"],
            clock=self.time,
            dead_letter=Ports(self, blade).bury,
            jitter=lambda: 1.0,
        )

    def bury(self, delivery: Delivery, error: ErrorInfo) -> None:
        self.dead_letters.append((delivery.lead_id, error.text))

    def visit(self, blade: Blade | None = None, budget: Budget = AMPLE) -> Any:
        return self.submitter(blade).process(LEAD.lead_id, "leadleader", budget)

    @property
    def delivery(self) -> Delivery:
        found = self.store.delivery(LEAD.lead_id, "leadleader")
        assert found is not None
        return found


@pytest.fixture
def world(store: LeadRepository, time: Time, shipped_settings: Settings) -> World:
    store.accept(LEAD, phone_hash=None)
    return World(store, time, shipped_settings)


def fails(error: type[partner_errors.PartnerError], **kwargs: Any) -> partner_errors.PartnerError:
    return error("leadleader", "call", "as the test wants", **kwargs)


def test_a_lead_becomes_a_deal_once_however_often_its_message_comes(world: World) -> None:
    assert world.visit().outcome is Outcome.SUBMITTED
    assert world.visit().outcome is Outcome.NO_ACTION
    assert (world.delivery.state, world.delivery.deal_id) == (State.SUBMITTED, 24)
    assert world.lender.created == [LEAD.lead_id]


@pytest.mark.parametrize("step", range(1, 12))
def test_a_worker_killed_at_any_step_loses_no_lead_and_sends_none_twice(world: World, step: int) -> None:
    blade = Blade(at=step)
    try:
        world.visit(blade)
        died = False
    except Killed:
        died = True
    at_death = world.delivery.state
    sent = len(world.lender.created)

    # The message comes back when its visibility runs out, with a new worker each time.
    for _ in range(3):
        world.time.pass_(minutes=9)
        world.visit()

    assert len(world.lender.created) <= 1
    if at_death is State.SUBMITTING:
        assert world.delivery.state is State.UNKNOWN
        assert len(world.lender.created) == sent
    else:
        assert (world.delivery.state, world.delivery.deal_id) == (State.SUBMITTED, 24)
    assert died == (blade.steps == step)


def test_the_steps_tried_are_all_there_are(world: World) -> None:
    blade = Blade(at=0)
    world.visit(blade)
    # before and after: delivery with lead, authorize, apply, create, apply
    assert blade.steps == 10


def test_of_two_workers_at_once_only_one_creates(world: World) -> None:
    class LeaseLost(Lender):
        """While this worker authorizes, another one does the whole job."""

        def authorize(self, budget: Budget) -> Any:
            world.submitter().process(LEAD.lead_id, "leadleader", AMPLE)
            return super().authorize(budget)

    slow = LeaseLost()
    submitter = Submitter(world.store, slow, world.settings.partners["leadleader"], world.time, world.bury)
    assert submitter.process(LEAD.lead_id, "leadleader", AMPLE).outcome is Outcome.NO_ACTION
    assert world.lender.created == [LEAD.lead_id]
    assert slow.created == []


@pytest.mark.parametrize(
    "error",
    [partner_errors.Unavailable, partner_errors.RateLimited, partner_errors.Unauthorized, partner_errors.Unknown],
)
def test_a_failed_authorization_is_always_tried_again(world: World, error: type[partner_errors.PartnerError]) -> None:
    world.lender.on_authorize = iter([fails(error)])
    visit = world.visit()
    assert (visit.outcome, visit.retry_after) == (Outcome.RETRIED, timedelta(seconds=15))
    assert (world.delivery.state, world.delivery.attempts) == (State.RECEIVED, 1)
    world.time.pass_(seconds=15)
    assert world.visit().outcome is Outcome.SUBMITTED
    assert world.delivery.attempts == 2


@pytest.mark.parametrize("error", [partner_errors.Unavailable, partner_errors.RateLimited, partner_errors.Unauthorized])
def test_a_create_that_definitely_was_not_processed_is_tried_again(
    world: World, error: type[partner_errors.PartnerError]
) -> None:
    world.lender.on_create = iter([fails(error)])
    assert world.visit().outcome is Outcome.RETRIED
    assert (world.delivery.state, world.delivery.attempts) == (State.RECEIVED, 1)
    world.time.pass_(seconds=15)
    assert world.visit().outcome is Outcome.SUBMITTED
    assert world.lender.created == [LEAD.lead_id]


def test_a_lost_reply_to_create_is_never_resent(world: World) -> None:
    world.lender.on_create = iter([fails(partner_errors.Unknown)])
    assert world.visit().outcome is Outcome.UNKNOWN
    for _ in range(5):
        world.time.pass_(hours=5)
        assert world.visit().outcome is Outcome.NO_ACTION
    assert world.delivery.state is State.UNKNOWN
    assert world.delivery.due_at is None
    assert world.lender.authorizations == 1


def test_a_refused_lead_is_rejected_for_good(world: World) -> None:
    world.lender.on_create = iter([fails(partner_errors.Rejected)])
    assert world.visit().outcome is Outcome.REJECTED
    assert world.visit().outcome is Outcome.NO_ACTION
    assert (world.delivery.state, world.delivery.last_error) == (State.REJECTED, "as the test wants")


def test_wrong_credentials_fail_at_once_and_leave_a_dead_letter(world: World) -> None:
    world.lender.on_authorize = iter([fails(partner_errors.Misconfigured)])
    visit = world.visit()
    assert visit.outcome is Outcome.FAILED
    assert isinstance(visit.error, partner_errors.Misconfigured)
    assert world.delivery.state is State.FAILED
    assert world.dead_letters == [(LEAD.lead_id, "as the test wants")]


def test_credentials_that_may_just_have_changed_are_tried_once_more_by_a_create_too(world: World) -> None:
    world.lender.on_create = iter([fails(partner_errors.Misconfigured, certain=False) for _ in range(2)])
    assert world.visit().outcome is Outcome.RETRIED
    assert (world.delivery.state, world.dead_letters) == (State.RECEIVED, [])
    world.time.pass_(seconds=15)
    assert world.visit().outcome is Outcome.FAILED
    assert world.dead_letters == [(LEAD.lead_id, "as the test wants")]


def test_a_worker_killed_while_giving_up_leaves_a_word_too_many_and_never_too_few(world: World) -> None:
    for step in range(1, 20):
        world.lender.on_authorize = iter([fails(partner_errors.Misconfigured)])
        try:
            world.visit(Blade(at=step))
        except Killed:
            continue
        break
    assert world.delivery.state is State.FAILED
    assert world.dead_letters


def test_a_message_that_comes_too_early_waits_and_counts_no_attempt(world: World) -> None:
    world.lender.on_authorize = iter([fails(partner_errors.Unavailable)])
    world.visit()
    world.time.pass_(seconds=5)
    visit = world.visit()
    assert (visit.outcome, visit.retry_after) == (Outcome.RETRIED, timedelta(seconds=10))
    assert (world.delivery.attempts, world.lender.authorizations) == (1, 1)


def test_retry_after_is_honoured_when_it_is_the_longer_wait(world: World) -> None:
    world.lender.on_create = iter(
        [fails(partner_errors.RateLimited, retry_after=600.0), fails(partner_errors.RateLimited, retry_after=1)]
    )
    assert world.visit().retry_after == timedelta(seconds=600)
    world.time.pass_(seconds=600)
    assert world.visit().retry_after == timedelta(seconds=30)


def test_after_a_day_of_trying_it_fails_and_an_operator_is_called(world: World) -> None:
    def always() -> Iterator[partner_errors.PartnerError]:
        while True:
            yield fails(partner_errors.Unavailable)

    world.lender.on_authorize = always()
    began = world.time.now
    for _ in range(100):
        visit = world.visit()
        if visit.retry_after is None:
            break
        world.time.now += visit.retry_after
    assert visit.outcome is Outcome.FAILED
    assert timedelta(hours=24) <= world.time.now - began <= timedelta(hours=25)
    assert 20 < world.delivery.attempts < 50
    assert world.dead_letters == [(LEAD.lead_id, "as the test wants")]


def test_without_time_for_a_whole_submission_none_is_begun(world: World) -> None:
    visit = world.visit(budget=Budget(deadline=12.0, reserve=3.0, monotonic=lambda: 0.0))
    assert (visit.outcome, visit.retry_after) == (Outcome.RETRIED, timedelta())
    assert world.lender.authorizations == 0


def test_an_answer_that_comes_after_the_lease_ran_out_is_still_believed(world: World) -> None:
    class Slow(Lender):
        """Answers when the worker's lease has run out and the sweeper has called the delivery unknown."""

        def create(self, submitted: Lead, budget: Budget) -> int:
            deal_id = super().create(submitted, budget)
            world.time.pass_(hours=1)
            world.submitter().process(LEAD.lead_id, "leadleader", AMPLE)
            assert world.delivery.state is State.UNKNOWN
            return deal_id

    brief = Budget(deadline=60.0, monotonic=lambda: 0.0)
    submitter = Submitter(world.store, Slow(), world.settings.partners["leadleader"], world.time, world.bury)
    assert submitter.process(LEAD.lead_id, "leadleader", brief).outcome is Outcome.SUBMITTED
    assert (world.delivery.state, world.delivery.deal_id) == (State.SUBMITTED, 24)


@dataclass
class Pausing:
    """A store at which the worker is paused after it has written its attempt. Then `meanwhile` runs."""

    store: LeadRepository
    meanwhile: Callable[[], object]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def apply(self, change: Change, *, retry_for: float = 0.0) -> Delivery:
        after = self.store.apply(change)
        if change.after.state is State.SUBMITTING:
            self.meanwhile()
        return after


@pytest.mark.parametrize("is_settled", [True, False])
def test_a_worker_that_was_paused_beyond_its_lease_sends_nothing(world: World, is_settled: bool) -> None:
    def pause() -> None:
        world.time.pass_(seconds=15)  # the time of the call, and the margin of the lease
        if is_settled:
            world.submitter().process(LEAD.lead_id, "leadleader", AMPLE)
            assert world.delivery.state is State.UNKNOWN

    submitter = replace(world.submitter(), ledger=Pausing(world.store, pause))
    result = submitter.process(LEAD.lead_id, "leadleader", AMPLE)
    assert (result.outcome, world.lender.created) == (Outcome.RETRIED, [])
    assert (world.delivery.state, world.delivery.last_error_code) == (State.RECEIVED, ErrorCode.OUT_OF_TIME)
    world.time.pass_(minutes=1)
    assert world.visit().outcome is Outcome.SUBMITTED
    assert world.lender.created == [LEAD.lead_id]


def test_a_worker_that_was_paused_for_a_moment_sends_its_lead(world: World) -> None:
    submitter = replace(world.submitter(), ledger=Pausing(world.store, lambda: world.time.pass_(seconds=14)))
    assert submitter.process(LEAD.lead_id, "leadleader", AMPLE).outcome is Outcome.SUBMITTED


def test_a_deal_that_cannot_be_written_down_is_named_in_the_error(world: World) -> None:
    class Deaf:
        """A store that goes away after the create call."""

        def __getattr__(self, name: str) -> Any:
            return getattr(world.store, name)

        def apply(self, change: Change, *, retry_for: float = 0.0) -> Delivery:
            if change.after.state is State.SUBMITTED:
                raise Conflict
            return world.store.apply(change)

    submitter = Submitter(Deaf(), world.lender, world.settings.partners["leadleader"], world.time, world.bury)
    with pytest.raises(Conflict) as raised:
        submitter.process(LEAD.lead_id, "leadleader", AMPLE)
    assert "{'deal_id': 24}" in str(raised.value)


@dataclass
class Throttling:
    """A store that AWS throttles once the partner has answered."""

    store: LeadRepository
    retried_for: list[float] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def apply(self, change: Change, *, retry_for: float = 0.0) -> Delivery:
        if change.before.state is State.SUBMITTING:
            self.retried_for.append(retry_for)
            raise Contended
        return self.store.apply(change)


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        (None, {"deal_id": 24}),
        (partner_errors.Rejected, {"outcome": "rejected", "error": "as the test wants", "error_code": "rejected"}),
        (partner_errors.Duplicate, {"outcome": "duplicate", "error": "as the test wants", "error_code": "duplicate"}),
        (
            partner_errors.RateLimited,
            {"outcome": "not_processed", "error": "as the test wants", "error_code": "rate_limited"},
        ),
    ],
)
def test_an_answer_that_the_table_does_not_take_is_kept(
    world: World, answer: type[partner_errors.PartnerError] | None, kept: dict[str, Any]
) -> None:
    if answer is not None:
        world.lender.on_create = iter([fails(answer)])
    table, answers = Throttling(world.store), list[tuple[int, dict[str, Any]]]()
    submitter = Submitter(
        table,
        world.lender,
        world.settings.partners["leadleader"],
        world.time,
        world.bury,
        save_answer=lambda delivery, said: answers.append((delivery.attempts, said.as_json())),
    )
    visit = submitter.process(LEAD.lead_id, "leadleader", AMPLE)
    assert (visit.outcome, visit.retry_after) == (Outcome.UNRECORDED, None)
    assert answers == [(1, kept)]
    assert table.retried_for == [AMPLE.left_to_record], "it is written for the rest of the invocation"
    assert world.delivery.state is State.SUBMITTING


def test_a_lost_reply_that_the_table_does_not_take_is_raised_and_settled_by_the_lease(world: World) -> None:
    world.lender.on_create = iter([fails(partner_errors.Unknown)])
    partner = world.settings.partners["leadleader"]
    submitter = Submitter(
        Throttling(world.store), world.lender, partner, world.time, world.bury, save_answer=lambda *_: None
    )
    with pytest.raises(Contended):
        submitter.process(LEAD.lead_id, "leadleader", AMPLE)


@dataclass
class Late(Lender):
    """A partner that answers when its worker has been taken for lost; `meanwhile` is what happens after that."""

    world: Any = None
    meanwhile: Callable[[Delivery], Change | None] = lambda _: None

    def create(self, submitted: Lead, budget: Budget) -> int:
        self.world.time.pass_(hours=1)
        self.world.submitter().process(LEAD.lead_id, "leadleader", AMPLE)
        assert self.world.delivery.state is State.UNKNOWN
        if (change := self.meanwhile(self.world.delivery)) is not None:
            self.world.store.apply(change)
        return super().create(submitted, budget)


def late(world: World, lender: Late) -> tuple[Outcome, list[dict[str, Any]]]:
    """Let a partner answer late; return the outcome, and the answers that were kept."""
    lender.world, kept = world, list[dict[str, Any]]()
    submitter = Submitter(
        world.store,
        lender,
        world.settings.partners["leadleader"],
        world.time,
        world.bury,
        save_answer=lambda _, answer: kept.append(answer.as_json()),
    )
    return submitter.process(LEAD.lead_id, "leadleader", AMPLE).outcome, kept


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (partner_errors.Rejected, State.REJECTED),
        (partner_errors.Duplicate, State.DUPLICATE),
        (partner_errors.RateLimited, State.RECEIVED),
        (partner_errors.Unavailable, State.RECEIVED),
    ],
)
def test_a_late_answer_that_is_no_deal_settles_what_was_called_unknown(
    world: World, error: type[partner_errors.PartnerError], state: State
) -> None:
    outcome, kept = late(world, Late(on_create=iter([fails(error)])))
    assert (world.delivery.state, kept) == (state, [])
    assert outcome is not Outcome.UNRECORDED
    assert world.delivery.attempts_before_retry == 0, "the time for retries does not begin again"


def test_a_late_answer_that_says_nothing_changes_nothing(world: World) -> None:
    assert late(world, Late(on_create=iter([fails(partner_errors.Unknown)]))) == (Outcome.NO_ACTION, [])
    assert world.delivery.state is State.UNKNOWN


@pytest.mark.parametrize(
    "settled",
    [
        lambda one: operator_steps.resolve_not_found(one, NOW, "olena"),
        lambda one: operator_steps.resolve_found(one, NOW, "olena", 99, is_followed=False),
    ],
)
def test_a_late_deal_of_a_delivery_that_an_operator_has_settled_otherwise_is_kept(
    world: World, settled: Callable[[Delivery], Change]
) -> None:
    outcome, kept = late(world, Late(meanwhile=settled))
    assert (outcome, kept) == (Outcome.UNRECORDED, [{"deal_id": 24}])


def test_a_late_deal_that_an_operator_has_entered_already_is_no_news(world: World) -> None:
    outcome, kept = late(
        world, Late(meanwhile=lambda one: operator_steps.resolve_found(one, NOW, "olena", 24, is_followed=False))
    )
    assert (outcome, kept, world.delivery.deal_id) == (Outcome.SUBMITTED, [], 24)


def test_a_late_answer_to_an_erased_delivery_is_no_fault(world: World) -> None:
    outcome, kept = late(world, Late(meanwhile=lambda one: operator_steps.erase_delivery(one, NOW)))
    assert (outcome, kept, world.delivery.deal_id) == (Outcome.NOT_FOUND, [], None)


def test_a_second_refusal_is_written_although_the_lead_has_fallen_back_already(world: World) -> None:
    world.lender.on_create = iter([fails(partner_errors.Rejected), fails(partner_errors.Rejected)])
    partner = world.settings.partners["leadleader"]
    submitter = Submitter(
        world.store, world.lender, partner, world.time, world.bury, find_fallback=lambda *_: "matchtrade"
    )
    assert submitter.process(LEAD.lead_id, "leadleader", AMPLE).outcome is Outcome.REJECTED
    opened = world.store.delivery(LEAD.lead_id, "matchtrade")
    world.store.apply(operator_steps.retry_by_operator(world.delivery, world.time(), "olena", is_confirmed=False))
    assert submitter.process(LEAD.lead_id, "leadleader", AMPLE).outcome is Outcome.REJECTED
    assert world.delivery.state is State.REJECTED
    assert world.store.delivery(LEAD.lead_id, "matchtrade") == opened


@pytest.mark.parametrize(
    ("error", "next_on", "opened"),
    [
        (partner_errors.Rejected, None, "rejected"),
        (partner_errors.Rejected, ("duplicate",), None),
        (partner_errors.Duplicate, None, None),
        (partner_errors.Duplicate, ("rejected", "duplicate"), "duplicate"),
        (partner_errors.Unknown, ("rejected", "duplicate", "missing_fields"), None),
    ],
)
def test_the_outcomes_of_the_lead_open_the_next_partner(
    world: World, error: type[partner_errors.PartnerError], next_on: tuple[str, ...] | None, opened: str | None
) -> None:
    order: dict[str, Any] = {"fallbacks": {"leadleader": "matchtrade"}}
    routed = lead(2).model_copy(update={**order, "next_on": {"leadleader": next_on} if next_on else {}})
    world.store.accept(routed, phone_hash=None)
    world.lender.on_create = iter([fails(error)])
    submitter = replace(world.submitter(), find_fallback=fallback_finder(world.settings))
    submitter.process(routed.lead_id, "leadleader", AMPLE)
    journey = world.store.journey(routed.lead_id)
    assert journey is not None
    assert list(journey.deliveries) == ["leadleader", *(["matchtrade"] if opened else [])]
    told = [dict(one.data) for one in journey.timeline if one.what == "fallback"]
    assert told == ([{"previous_partner": "leadleader", "previous_outcome": opened}] if opened else [])


def test_an_erased_lead_is_let_go(world: World) -> None:
    assert world.submitter().process("ld_nobody", "leadleader", AMPLE).outcome is Outcome.NOT_FOUND


def test_backoff_doubles_up_to_its_bound_and_leaves_half_to_chance(shipped_settings: Settings) -> None:
    partner = shipped_settings.partners["leadleader"].retry
    assert [backoff(partner, n, 1.0).total_seconds() for n in (1, 2, 3, 9, 99)] == [15, 30, 60, 3600, 3600]
    assert backoff(partner, 1, 0.0) == timedelta(seconds=7.5)
