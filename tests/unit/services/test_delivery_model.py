"""A delivery as a machine of states: workers that die, freeze and meet, partners that say anything, people who decide.

hypothesis draws what happens in which order; what must hold does so after every step, and in the end, when nothing goes
wrong any more, the delivery comes to an end state.
"""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import settings as search
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from leadbridge.domain import delivery as steps
from leadbridge.domain.acceptance.correction import correct_lead
from leadbridge.domain.delivery import Delivery
from leadbridge.domain.errors import partner_errors
from leadbridge.domain.operator_steps import (
    NOT_AT_PARTNER,
    SubmissionInProgress,
    WrongState,
    erase_delivery,
    resolve_found,
    resolve_not_found,
    retry_by_operator,
)
from leadbridge.domain.transitions import Conflict
from leadbridge.runtime.budget import Budget
from leadbridge.services.check_status import Checker
from leadbridge.services.submit_lead import Submitter
from leadbridge.settings import Settings
from quality.testkit.fakes.blades import Ports
from quality.testkit.fakes.workers import FaultPlan, Harness, Time, Worker
from quality.testkit.people import lead
from quality.testkit.services.checks import check_one
from quality.testkit.services.delivery_model import ANSWERS, ENDS, C, F, Partner, R, S, U, W, Watched
from quality.testkit.template import ROOT
from tools.config import read_toml

SETTINGS = Settings.model_validate(read_toml(ROOT / "config", "prod")).partners
AUTHORIZATIONS = [
    None,
    None,
    None,
    None,
    None,
    partner_errors.Unavailable,
    partner_errors.Unknown,
    partner_errors.Misconfigured,
]
OVER_THE_CALL = st.integers(8, 11)  # a worker's steps from the note of its attempt to the answer's own
FATES = st.one_of(
    st.just(FaultPlan()),
    st.builds(FaultPlan, killed_at=OVER_THE_CALL),
    st.builds(FaultPlan, frozen_at=OVER_THE_CALL),
    st.builds(FaultPlan, killed_at=st.integers(1, 14), frozen_at=st.integers(0, 14)),
)


class LenderModel(RuleBasedStateMachine):
    """A delivery to Lead Leader, which cannot be asked what it has."""

    partner_name = "leadleader"
    can_be_asked = False

    def __init__(self) -> None:
        super().__init__()
        self.time = Time()
        self.harness = Harness(self.time)
        self.ledger = Watched()
        self.partner = Partner(self.partner_name, self.time, self.harness, self.can_be_asked)
        self.letters: list[str] = []
        self.was_told_too_early = False
        self.may_send_old, self.seen = False, 0
        self.lead = lead(received_at=self.time.now).model_copy(update={"partners": (self.partner_name,)})
        self.ledger.accept(self.lead)

    @property
    def delivery(self) -> Delivery:
        found = self.ledger.delivery(self.lead.lead_id, self.partner_name)
        assert found is not None
        return found

    def budget(self) -> Budget:
        return Budget(self.time.seconds() + 60, monotonic=self.time.seconds)

    # What happens

    @rule()
    def the_form_posts_again(self) -> None:
        """As the store does: only where the lead is not there yet."""
        if self.ledger.lead(self.lead.lead_id) is None:
            self.ledger.accept(self.lead)

    @rule(
        authorizes=st.sampled_from(AUTHORIZATIONS),
        answers=st.sampled_from(list(ANSWERS)),
        listens=st.booleans(),
        fault_plan=FATES,
    )
    def a_worker_takes_it(
        self, authorizes: type[partner_errors.PartnerError] | None, answers: str, listens: bool, fault_plan: FaultPlan
    ) -> None:
        self.partner.authorizes, self.partner.answers, self.partner.listens = authorizes, answers, listens
        self.work(fault_plan if len(self.harness.frozen) < 3 else FaultPlan(killed_at=fault_plan.killed_at))

    @precondition(lambda self: self.harness.frozen)
    @rule(number=st.integers(0, 2))
    def a_frozen_worker_goes_on(self, number: int) -> None:
        self.harness.resume(self.harness.frozen[number % len(self.harness.frozen)])

    @rule(seconds=st.sampled_from([1, 5, 19, 21, 30, 61, 1000, 90_000]))
    def time_passes(self, seconds: int) -> None:
        self.time.advance(seconds)

    @rule(listens=st.booleans(), at_once=st.booleans())
    def it_is_looked_at(self, listens: bool, at_once: bool) -> None:
        self.partner.listens = listens
        self.look(at_once=at_once)

    @rule(confirm=st.booleans())
    def an_operator_retries(self, confirm: bool) -> None:
        with suppress(WrongState):
            self.ledger.apply(retry_by_operator(self.delivery, self.time.now, "olena", is_confirmed=confirm))

    @precondition(lambda self: self.delivery.state is U and not self.delivery.is_erased)
    @rule()
    def an_operator_tells_what_the_partner_has(self) -> None:
        """What the partner has at this moment; a worker that is frozen may yet make it untrue."""
        delivery, now = self.delivery, self.time.now
        if self.partner.made:
            self.ledger.apply(resolve_found(delivery, now, "olena", self.partner.made[-1], is_followed=False))
        else:
            self.ledger.apply(resolve_not_found(delivery, now, "olena"))
            self.was_told_too_early |= bool(self.harness.frozen)

    @precondition(lambda self: not self.delivery.is_erased)
    @rule()
    def the_person_is_erased(self) -> None:
        with suppress(SubmissionInProgress):
            self.ledger.apply(erase_delivery(self.delivery, self.time.now))

    @precondition(lambda self: not self.delivery.is_erased)
    @rule()
    def an_operator_corrects_a_field(self) -> None:
        """A worker whose lease has expired may still be in its call, and send what it read before."""
        kept, now = self.ledger.lead(self.lead.lead_id), self.time.now
        assert kept is not None
        values = {"person": {"city": f"Місто {kept.revision}"}}
        with suppress(SubmissionInProgress):
            correction = correct_lead(
                kept, (self.delivery,), values, operator="olena", now=now, partners=SETTINGS, choose=None
            )
            assert correction is not None
            self.ledger.correct(correction)
            self.may_send_old |= bool(self.harness.frozen) and self.delivery.attempts > 0

    # What must hold

    @invariant()
    def what_was_corrected_is_sent(self) -> None:
        kept = self.ledger.lead(self.lead.lead_id)
        assert kept is not None
        seen, self.seen = self.seen, len(self.partner.sent)
        if not self.may_send_old:
            assert self.partner.sent[seen:] == [kept.revision] * (self.seen - seen), self.ledger.timeline

    @invariant()
    def it_is_not_made_twice_unless_a_person_asked(self) -> None:
        assert len(self.partner.made) <= self.ledger.permitted, self.ledger.timeline

    @invariant()
    def what_is_submitted_is_there(self) -> None:
        delivery = self.delivery
        if delivery.state in {S, C} and not delivery.is_erased:
            assert (delivery.deal_id or delivery.account_uuid) in self.partner.made

    @invariant()
    def what_waits_is_looked_at_some_day(self) -> None:
        delivery = self.delivery
        assert (delivery.due_at is not None) or delivery.state not in {R, W}
        assert delivery.due_at is None or delivery.state in {R, W, S}

    @invariant()
    def who_is_erased_is_known_by_no_number(self) -> None:
        delivery = self.delivery
        if delivery.is_erased:
            assert (delivery.deal_id, delivery.account_uuid, delivery.due_at) == (None, None, None)

    @invariant()
    def failures_have_a_dead_letter(self) -> None:
        delivery = self.delivery
        if (
            delivery.state is F
            and delivery.last_error_code not in {None, NOT_AT_PARTNER.code}
            and not delivery.is_erased
        ):
            assert self.letters

    def teardown(self) -> None:
        """Nothing goes wrong any more."""
        while self.harness.frozen:
            self.harness.resume(self.harness.frozen[0], kill=True)
        self.partner.authorizes, self.partner.answers, self.partner.listens = None, "taken", True
        for _ in range(8):
            if self.delivery.state in ENDS:
                break
            self.time.advance(25_000)
            self.look()
            self.work(FaultPlan())
        delivery = self.delivery
        assert delivery.state in ENDS, self.ledger.timeline
        self.it_is_not_made_twice_unless_a_person_asked()
        self.what_is_submitted_is_there()
        asked = self.ledger.permitted > 1 or self.was_told_too_early
        assert not self.partner.made or delivery.state in {S, C, U} or delivery.is_erased or asked

    # How it happens

    def work(self, fault_plan: FaultPlan) -> None:
        submitter = Submitter(
            ledger=Ports(self.ledger, self.harness),
            partner=Ports(self.partner, self.harness),
            settings=SETTINGS[self.partner_name],
            clock=lambda: self.time.now,
            dead_letter=lambda _delivery, error: self.letters.append(error.text),
            accounts=Ports(self.partner, self.harness) if self.can_be_asked else None,
            jitter=lambda: 1.0,
        )
        budget = self.budget()
        worker = Worker(
            self.time.seconds(),
            fault_plan,
            lambda: submitter.process(self.lead.lead_id, self.partner_name, budget),
            self.it_may_only_be_overtaken,
        )
        self.harness.work(worker)

    @staticmethod
    def it_may_only_be_overtaken(worker: Worker) -> None:
        """A worker ends, dies, or finds that others were quicker: that is all."""
        assert worker.error is None or isinstance(worker.error, Conflict), worker.error

    def look(self, *, at_once: bool = False) -> None:
        checker = Checker(
            self.ledger, self.partner, SETTINGS[self.partner_name], lambda: self.time.now, jitter=lambda: 1.0
        )
        check_one(checker, self.lead.lead_id, self.partner_name, self.budget(), at_once=at_once)


class BrokerModel(LenderModel):
    """A delivery to Match-Trade, which is looked into before anything is sent again, and has one account an e-mail."""

    partner_name = "matchtrade"
    can_be_asked = True

    @invariant()
    def there_is_one_account(self) -> None:
        assert len(self.partner.made) <= 1


TestLender, TestBroker = LenderModel.TestCase, BrokerModel.TestCase
TestLender.settings = TestBroker.settings = search(stateful_step_count=25)


def test_the_model_notices_a_worker_that_sends_again_what_is_unknown() -> None:
    """Who takes a lost reply for one that was not processed makes it twice."""
    model = LenderModel()
    model.a_worker_takes_it(None, "answer lost, and made", listens=True, fault_plan=FaultPlan())
    assert model.delivery.state is U
    reckless = steps.new_delivery(model.lead.lead_id, "leadleader", "web", model.time.now)
    model.ledger.put(reckless)
    model.a_worker_takes_it(None, "taken", listens=True, fault_plan=FaultPlan())
    with pytest.raises(AssertionError):
        model.it_is_not_made_twice_unless_a_person_asked()
