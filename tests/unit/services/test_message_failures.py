"""What becomes of a message where something does not work."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from leadbridge.domain.errors import partner_errors
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.message import UNSETTLED, Message, MessageChange, MessageState
from leadbridge.runtime.budget import Budget
from leadbridge.services.worker import Outcome, Result
from quality.testkit.people import lead
from quality.testkit.services.messages import (
    ACCOUNT,
    AMPLE,
    FOR_GOOD,
    LEAD,
    NOT_SENT,
    PARTNER,
    Answers,
    Messenger,
    World,
    always,
    answers,
    fails,
    settings,
    world,
)

__all__ = ["world"]


@pytest.mark.parametrize("error", [*NOT_SENT, partner_errors.Unknown])
@pytest.mark.parametrize("where", ["on_find", "on_make"])
def test_a_failed_search_is_always_repeated(world: World, where: str, error: type[partner_errors.PartnerError]) -> None:
    world.messenger = Messenger(makes=ACCOUNT)
    setattr(world.messenger, where, answers(fails(error)))
    message = world.status("Погоджено")
    visit = world.visit(message)
    assert (visit.outcome, visit.retry_after) == (Outcome.RETRIED, timedelta(seconds=10))
    kept = world.now_of(message)
    assert (kept.state, kept.attempts, kept.last_error) == (MessageState.PENDING, 1, "as the test wants")
    world.time.pass_(seconds=9)
    assert world.visit(message) == Result(Outcome.WAITING, retry_after=timedelta(seconds=1))
    world.time.pass_(seconds=20)  # whoever may have made the person keeps the claim for a moment
    assert world.visit(message).outcome is Outcome.SENT
    assert world.now_of(message).attempts == 2


@pytest.mark.parametrize("error", NOT_SENT)
def test_a_send_that_definitely_was_not_processed_is_repeated(
    world: World, error: type[partner_errors.PartnerError]
) -> None:
    world.messenger.on_send = answers(fails(error), fails(error))
    message = world.status("Погоджено")
    waits = []
    while (visit := world.visit(message)).outcome is Outcome.RETRIED:
        assert visit.retry_after is not None
        assert isinstance(visit.error, error)
        waits.append(visit.retry_after.total_seconds())
        world.time.now += visit.retry_after
    assert (visit.outcome, waits) == (Outcome.SENT, [10, 20])
    assert len(world.messenger.sent) == 1
    assert world.timeline == [("message_sent", "Погоджено")], "what came right in the end is no news"


def test_retry_after_counts_if_it_is_longer_and_within_the_retry_window(world: World) -> None:
    waits = [600.0, 1.0, 10.0**9]
    world.messenger.on_send = iter([fails(partner_errors.RateLimited, retry_after=wait) for wait in waits])
    message = world.status("Погоджено")
    assert world.visit(message).retry_after == timedelta(seconds=600)
    world.time.pass_(seconds=600)
    assert world.visit(message).retry_after == timedelta(seconds=20)
    world.time.pass_(seconds=20)
    assert world.visit(message).retry_after == timedelta(seconds=40)


def test_after_a_day_of_trying_it_fails_and_an_operator_is_called_first(world: World) -> None:
    world.messenger.on_send = always(fails(partner_errors.Unavailable))
    message = world.status("Погоджено")
    began, visit = world.time(), world.visit(message)
    while visit.retry_after is not None:
        world.time.now += visit.retry_after
        visit = world.visit(message)
    assert visit.outcome is Outcome.FAILED
    assert timedelta(hours=24) <= world.time() - began <= timedelta(hours=25)
    assert world.dead_letters == [(message.message_id, "as the test wants", MessageState.SENDING)]
    assert world.timeline == [("message_failed", "Погоджено: as the test wants")]
    assert world.visit(message) == Result(Outcome.NO_ACTION)


@pytest.mark.parametrize("error", FOR_GOOD)
@pytest.mark.parametrize("where", ["on_find", "on_make", "on_send"])
def test_what_cannot_work_fails_at_once_and_an_operator_is_called_first(
    world: World, where: str, error: type[partner_errors.PartnerError]
) -> None:
    world.messenger = Messenger(makes=ACCOUNT)
    setattr(world.messenger, where, answers(fails(error)))
    message = world.status("Погоджено")
    visit = world.visit(message)
    assert visit.outcome is Outcome.FAILED
    assert isinstance(visit.error, error)
    assert world.state(message) is MessageState.FAILED
    ((buried, reason, state_then),) = world.dead_letters
    assert (buried, reason) == (message.message_id, "as the test wants")
    assert state_then in UNSETTLED, "a word too many is better than one too few"
    assert world.visit(message) == Result(Outcome.NO_ACTION)
    assert world.messenger.sent == []


def test_a_lost_reply_to_a_send_is_never_resent(world: World) -> None:
    world.messenger.on_send = answers(fails(partner_errors.Unknown))
    message = world.status("Погоджено")
    assert world.visit(message).outcome is Outcome.UNKNOWN
    for _ in range(5):
        world.time.pass_(hours=5)
        assert world.visit(message) == Result(Outcome.NO_ACTION)
        assert world.sender().process(message.owner, message.message_id, AMPLE, overdue=True) == Result(
            Outcome.NO_ACTION
        )
    assert world.messenger.asked.count("send") == 1
    assert (world.state(message), world.now_of(message).due_at) == (MessageState.UNKNOWN, None)
    assert world.dead_letters == []


def test_what_nothing_is_said_of_is_skipped(world: World) -> None:
    message = world.status("Скасовано")
    assert world.visit(message) == Result(Outcome.SKIPPED)
    assert world.messenger.asked == []
    assert world.timeline == [("message_skipped", "Скасовано: no notification is configured for this status")]


def test_the_words_are_those_of_the_day_on_which_it_is_said(world: World) -> None:
    """A status that was switched off while its message waited is not told."""
    message = world.status("Погоджено")
    world.messenger.on_find = answers(fails(partner_errors.Unavailable))
    world.visit(message)
    world.settings = settings(notifications={PARTNER: {"default": {"on": False}}})
    world.time.pass_(seconds=10)
    assert world.visit(message) == Result(Outcome.SKIPPED)


def test_a_message_of_a_lead_that_was_erased_is_skipped(world: World) -> None:
    nobody = lead(7)
    message = world.status("Погоджено", nobody)
    by_hand = world.by_hand(nobody.lead_id, text="Вітаю")
    assert world.visit(message) == Result(Outcome.SKIPPED)
    assert world.visit(by_hand) == Result(Outcome.SKIPPED)
    assert world.messenger.asked == []


def test_a_message_that_is_gone_is_let_go(world: World) -> None:
    assert world.sender().process(LEAD.lead_id, "2026#none", AMPLE) == Result(Outcome.NOT_FOUND)
    assert world.sender().process("ld_nobody", "2026#none", AMPLE, overdue=True) == Result(Outcome.NOT_FOUND)


def test_without_time_for_a_whole_message_none_is_begun(world: World) -> None:
    message = world.status("Погоджено")
    brief = Budget(deadline=22.0, reserve=3.0, monotonic=lambda: 0.0)
    assert world.visit(message, budget=brief) == Result(Outcome.WAITING, retry_after=timedelta())
    assert world.messenger.asked == []


def test_when_the_search_took_all_the_time_nothing_is_sent_in_a_hurry(world: World) -> None:
    moments = iter([0.0])  # there is time at first, and none after the search
    budget = Budget(deadline=24.0, reserve=3.0, monotonic=lambda: next(moments, 20.0))
    message = world.status("Погоджено")
    world.messenger.seconds_per_message = 20.0
    sender = replace(world.sender(), messenger=Patient(known=ACCOUNT))
    assert sender.process(message.owner, message.message_id, budget) == Result(Outcome.WAITING, retry_after=timedelta())
    assert world.now_of(message) == message
    assert world.outbox.contact(LEAD.lead_id).account_id == "acc-1", "what was found is kept"


@dataclass
class Patient(Messenger):
    """Looks for people however little time is left."""

    def _asked(self, what: str, says: Answers, budget: Budget) -> None:
        assert what == "find"


def answers_late(world: World, message: Message, error: partner_errors.PartnerError) -> Answers:
    """Leeloo answers after the lease ran out and the sweep has set the message to unknown."""
    world.time.pass_(minutes=30)
    assert world.visit(message).outcome is Outcome.UNKNOWN
    yield error
    yield None


@pytest.mark.parametrize("error", NOT_SENT)
def test_late_answer_that_nothing_was_sent_has_the_message_sent_again(
    world: World, error: type[partner_errors.PartnerError]
) -> None:
    message = world.status("Погоджено")
    world.messenger.on_send = answers_late(world, message, fails(error))
    visit = world.visit(message)
    assert visit.outcome is Outcome.RETRIED
    assert visit.retry_after is not None
    waiting = world.now_of(message)
    assert (waiting.state, waiting.attempts, waiting.last_error) == (MessageState.PENDING, 1, "as the test wants")
    world.time.pass_(seconds=visit.retry_after.total_seconds())
    assert world.visit(message).outcome is Outcome.SENT
    assert world.messenger.texts == ["Статус: Погоджено."]


@pytest.mark.parametrize("error", FOR_GOOD)
def test_message_that_leeloo_refuses_late_is_failed_and_its_letter_can_be_redriven(
    world: World, error: type[partner_errors.PartnerError]
) -> None:
    message = world.status("Погоджено")
    world.messenger.on_send = answers_late(world, message, fails(error))
    outcome = world.visit(message).outcome
    assert (outcome, world.state(message)) == (Outcome.FAILED, MessageState.FAILED)
    assert [letter[0] for letter in world.dead_letters] == [message.message_id]
    assert [what for what, _ in world.timeline] == ["message_unknown", "message_failed"]


def test_late_answer_that_nothing_was_sent_never_sends_after_a_newer_message(world: World) -> None:
    older, newer = world.status("Погоджено"), world.status("Очікує")

    def slow() -> Answers:
        yield from answers_late(world, older, fails(partner_errors.Unavailable))

    answer = slow()

    def sweep_and_send_newer() -> Answers:
        error = next(answer)
        world.messenger.on_send = answers(None)
        assert world.visit(newer).outcome is Outcome.SENT
        yield error

    world.messenger.on_send = sweep_and_send_newer()
    assert world.visit(older).outcome is Outcome.RETRIED
    world.time.pass_(hours=2)
    assert world.visit(older).outcome is Outcome.SKIPPED
    assert world.messenger.texts == ["Статус: Очікує."]


@pytest.mark.parametrize(
    "changes",
    [
        {"state": MessageState.UNKNOWN, "last_error_code": ErrorCode.RESTORED},
        {"state": MessageState.UNKNOWN, "attempts": 2},
        {"state": MessageState.SENT},
        {"state": MessageState.PENDING},
    ],
)
def test_late_answer_changes_nothing_but_what_the_sweep_settled_of_its_attempt(
    world: World, changes: dict[str, Any]
) -> None:
    message = world.status("Погоджено")

    def slow() -> Answers:
        before = world.now_of(message)
        after = replace(before, version=before.version + 1, **changes)
        world.outbox.apply(MessageChange(before, after, world.time(), None))
        yield fails(partner_errors.Unavailable)

    world.messenger.on_send = slow()
    assert world.visit(message).outcome is Outcome.NO_ACTION
    assert world.state(message) is changes["state"]
