"""Chaos notices what is wrong: the product is broken on purpose, and soon the snapshot do not balance."""

from collections.abc import Iterator
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from devstack.partners import further, partner_profiles
from leadbridge.domain import delivery as steps
from leadbridge.domain.acceptance import build, correction
from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.errors import partner_errors
from leadbridge.domain.errors.error_codes import ErrorInfo
from leadbridge.domain.errors.partner_answer import PartnerAnswer
from leadbridge.domain.feedback import postback
from leadbridge.domain.routing.fallback import NextOn
from leadbridge.partners.feedback.client import GONE
from leadbridge.runtime import aws_errors
from leadbridge.runtime.budget import Budget
from leadbridge.runtime.fair_share import FairShare
from leadbridge.services import receive_lead
from leadbridge.services.dead_letters.queues import DeadLetters
from leadbridge.services.submit_lead import Submitter
from leadbridge.services.worker import Outcome, Result
from leadbridge.settings import settings
from leadbridge.storage import claims, corrections, items, links, writes
from leadbridge.storage.erasure.eraser import Eraser
from leadbridge.storage.messages import MessageRepository
from leadbridge.storage.statistics import counted
from quality.chaos import people
from quality.chaos.in_process import chaos as events
from quality.chaos.in_process import run as chaos_run
from quality.chaos.in_process.aws_faults import Throttling
from quality.chaos.in_process.chaos import Chaos
from quality.chaos.in_process.run import run
from quality.chaos.operator import Operator
from quality.chaos.partner_faults import DOWN, TRACKER_FAULTS
from quality.testkit.fakes.workers import FaultPlan

LEFT_OUT = "broker-c"  # the third of its kind


@pytest.fixture(autouse=True)
def few_partners(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run with two partners of each kind, all of whose leads are sent at once: the sooner two events meet."""
    few = {name: one for name, one in further().items() if name != LEFT_OUT}
    every = chaos_run._configure

    def configure(random: Random) -> frozenset[str]:
        settings().partners.pop(LEFT_OUT)
        return every(random)

    monkeypatch.setattr(FairShare, "wait", lambda *_: None)
    monkeypatch.setattr("devstack.partners.further", lambda: few)
    monkeypatch.setattr(chaos_run, "further", lambda: few)
    monkeypatch.setattr(chaos_run, "_configure", configure)
    partner_profiles.cache_clear()
    yield
    partner_profiles.cache_clear()


def noticed(check: str, *first: int) -> bool:
    """Whether a check tells of it within some seeds; those that did when this was written come first."""
    seeds = (*first, *range(1000, 1040))
    return any(check in {violation.check for violation in run(seed, leads=4).violations} for seed in seeds)


def test_workers_that_ignore_concurrent_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    put = writes.put

    def reckless(item: Any, condition: str | None = None, *, version: int | None = None, **others: Any) -> Any:
        return put(item, condition, **others)

    monkeypatch.setattr("quality.chaos.in_process.stack.STEPS", 8)  # the first of two workers is frozen early
    monkeypatch.setattr(links, "put", reckless)
    assert noticed("timelines_have_no_gaps", 1006)


def lose_answers(chaos: Chaos) -> None:
    """Let the lender lose the answers of the next creates."""
    chaos.partner.arm("leadleader", "create", DOWN["loses its answer"], times=2)


def test_workers_that_send_again_when_an_answer_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    def hopeful(
        submitter: Submitter,
        delivery: Delivery,
        info: ErrorInfo,
        _again: timedelta,
        error: partner_errors.PartnerError | None = None,
        budget: Budget | None = None,
    ) -> Result:
        lost = error or partner_errors.Unavailable(delivery.partner, "create", info.text, code=info.code)
        return submitter._retry(delivery, lost, budget)

    monkeypatch.setattr(Chaos, "break_partner", lose_answers)
    monkeypatch.setattr(Submitter, "_mark_reply_lost", hopeful)
    assert noticed("leads_are_created_once", 4)


@pytest.mark.parametrize("broken", [(MessageRepository, "add"), (DeadLetters, "redrive")])
def test_an_operator_s_route_that_never_works(broken: tuple[type, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(*broken, fails)
    assert noticed("failures_are_explained", 7)


def test_an_eraser_that_leaves_what_lies_beside_the_lead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Eraser, "_clean", lambda *_: None)
    assert noticed("erased_people_leave_no_data")


def test_an_eraser_that_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Eraser, "erase", lambda *_: None)
    assert noticed("erased_people_leave_no_data", 7)


def throttled(chaos: Chaos) -> FaultPlan:
    """Throttle every second worker's calls to the table, from about the one after its create call."""
    if chaos.is_draining or chaos.random.random() < 0.5:
        return FaultPlan()
    return Throttling(first=chaos.random.randint(3, 5))


def test_workers_that_throw_a_partner_s_answer_away_when_aws_throttles(monkeypatch: pytest.MonkeyPatch) -> None:
    def throw_away(_: Submitter, _delivery: Delivery, answer: PartnerAnswer) -> Result:
        return Result(Outcome.UNRECORDED, error=answer.error)

    monkeypatch.setattr(Chaos, "fault_plan", throttled)
    monkeypatch.setattr(aws_errors, "is_transient", lambda _: False)
    monkeypatch.setattr(Submitter, "_save_answer", throw_away)
    assert noticed("answers_are_recorded", 1009)


def refuse(chaos: Chaos) -> None:
    """Let every partner refuse the next creates permanently."""
    for partner in partner_profiles():
        chaos.partner.arm(partner, "create", partner_profiles()[partner].refusing, times=10)


def test_repeats_of_a_lead_that_no_partner_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Chaos, "break_partner", refuse)
    monkeypatch.setattr(people, "REPEATED", 1)
    monkeypatch.setattr(claims, "NOT_SERVED", frozenset())
    assert noticed("repeats_name_a_submitted_lead", 1001)


def test_a_correction_that_does_not_stop_a_worker_with_the_old_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "STEPS", 8)  # a worker is frozen before its create call
    monkeypatch.setattr(correction, "_restarted", lambda delivery, _: delivery)
    assert noticed("partners_get_corrected_values", 1009)


def test_a_full_name_that_is_corrected_beside_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "IN_PARTS", 1)
    monkeypatch.setattr(correction, "_with_one_name", lambda _, after: after)
    assert noticed("partners_get_corrected_values", 1003)


def test_corrections_that_overwrite_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    update = writes.update

    def reckless(key: Any, expression: str, _condition: str, *, values: dict[str, Any], names: dict[str, str]) -> Any:
        used = {name: value for name, value in values.items() if not name.startswith(":seen")}
        return update(key, expression, "attribute_exists(pk)", values=used, names=names)

    monkeypatch.setattr(events, "STEPS", 8)  # an operator is frozen before the correction is written
    monkeypatch.setattr(Chaos, "break_partner", lambda chaos: chaos.correct_meanwhile())
    monkeypatch.setattr(corrections, "update", reckless)
    assert noticed("corrections_are_kept", 1001)


def test_a_lead_that_an_operator_may_give_away_without_a_confirmation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(correction, "POSSIBLY_DELIVERED", frozenset())
    assert noticed("one_partner_of_an_order_has_the_lead", 1024)


def give_away(operator: Operator) -> None:
    """Give a lead to a further partner, without a confirmation."""
    if operator.posted:
        operator.add_partner(operator.random.choice(operator.posted).lead_id, is_confirmed=False)


def test_a_lead_of_an_unknown_delivery_that_an_operator_may_give_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Chaos, "break_partner", lose_answers)
    monkeypatch.setattr(Operator, "act", give_away)
    monkeypatch.setattr(correction, "POSSIBLY_DELIVERED", correction.POSSIBLY_DELIVERED - {State.UNKNOWN})
    assert noticed("one_partner_of_an_order_has_the_lead")


def test_a_lost_answer_that_opens_the_next_partner(monkeypatch: pytest.MonkeyPatch) -> None:
    def pass_on(
        submitter: Submitter,
        delivery: Delivery,
        lost: ErrorInfo,
        _after: timedelta,
        error: partner_errors.PartnerError | None = None,
        budget: Budget | None = None,
    ) -> Result:
        _, lead, _ = submitter.ledger.submission(delivery.lead_id, delivery.partner, [])
        assert lead is not None
        change = steps.mark_unknown(delivery, submitter.clock(), lost, can_be_looked_up=False)
        passed_on = submitter._with_next(change, lead, NextOn.REJECTED)
        return submitter._write(passed_on, Result(Outcome.UNKNOWN, error=error), budget)

    monkeypatch.setattr(Chaos, "break_partner", lose_answers)
    monkeypatch.setattr(Submitter, "_mark_reply_lost", pass_on)
    assert noticed("next_partners_follow_a_refusal", 4)


def test_outcomes_that_no_tracker_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    event_of = postback.event_of_change
    only_submitted = {None: None, postback.SUBMITTED: postback.SUBMITTED}
    monkeypatch.setattr(postback, "event_of_change", lambda change: only_submitted.get(event_of(change)))
    assert noticed("changes_have_postbacks", 1001)


def test_postbacks_that_fail_without_a_dead_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tuple(one for one in TRACKER_FAULTS if one.get("status") == GONE)
    monkeypatch.setattr(chaos_run, "TRACKER_FAULTS", gone)
    monkeypatch.setattr("leadbridge.services.dead_letters.bodies.failed_postback", lambda *_: {})
    monkeypatch.setattr("quality.chaos.in_process.drain.MAX_TIME", timedelta(hours=6))  # such a postback never settles
    assert noticed("postbacks_are_accepted_or_failed", 1012)


def test_a_completed_lead_that_stays_in_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corrections, "delete", lambda _: writes.delete(items.incomplete_key("ld_other")))
    assert noticed("incomplete_leads_are_listed", 1000)


def test_answers_that_are_thrown_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "bound_answers", lambda _: {})
    assert noticed("typed_values_are_kept", 1003)


def test_partners_that_get_leads_without_their_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "skip_unfit_partners", lambda decision, _: decision)
    assert noticed("leads_are_delivered_or_incomplete")


def test_a_source_that_refuses_what_it_should_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receive_lead, "is_worth_storing", lambda _: False)
    assert noticed("posts_are_accepted_or_refused")


def test_statistics_that_count_repeated_records_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counted.CountedLeads, "read", lambda *_args, **_named: {})
    monkeypatch.setattr(counted, "put", lambda item, *_args, **_named: writes.put(item))
    assert noticed("statistics_count_every_lead")
