"""A tracker that hangs does not delay the postbacks to the others of the queue."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from types import ModuleType
from unittest.mock import patch

import pytest

from leadbridge.domain.errors.partner_errors import Unavailable
from leadbridge.domain.feedback.postback import Postback
from leadbridge.domain.feedback.states import PostbackState
from leadbridge.domain.lead import Lead
from leadbridge.runtime.budget import Budget
from leadbridge.runtime.fair_share import FairShare
from leadbridge.services.feedback.send_feedback import PostbackSender
from leadbridge.services.worker import Result
from leadbridge.settings import Settings
from leadbridge.storage.leads import LeadRepository
from quality.testkit.fixtures import Time, queue
from quality.testkit.services.feedback import AMPLE, FEEDBACK, LEAD, TRACKER, FakeTracker, World, world

__all__ = ["world"]

HANGS = "hangs"
TIME_OUT = 10.0
BOTH = {LEAD.source: dict.fromkeys((HANGS, TRACKER), FEEDBACK[LEAD.source][TRACKER])}


@dataclass
class Trackers(FakeTracker):
    """Two trackers, of which one hangs."""

    time: Time | None = None
    attempts: int = 0

    def send(self, postback: Postback, lead: Lead, kind: str, budget: Budget) -> None:
        if postback.tracker == HANGS:
            assert self.time is not None
            self.attempts += 1
            self.time.pass_(seconds=TIME_OUT)
            raise Unavailable(HANGS, "postback", "no answer")
        super().send(postback, lead, kind, budget)


@pytest.fixture
def sender(world: World) -> PostbackSender:
    world.feedback = BOTH
    world.store = LeadRepository(world.store._table, BOTH)
    world.tracker = Trackers(time=world.time)
    return replace(world.sender(), share=FairShare(world.time, jitter=lambda: 0.0))


def visit(sender: PostbackSender, postback: Postback) -> Result:
    return sender.process(postback.lead_id, postback.event_id, AMPLE)


def test_its_postbacks_go_back_to_the_queue_and_no_attempt_is_counted(world: World, sender: PostbackSender) -> None:
    assert isinstance(world.tracker, Trackers)
    world.submit()
    first, to_other = sorted(world.all(), key=lambda one: one.tracker)
    visit(sender, first)
    assert world.tracker.attempts == 1
    world.time.pass_(seconds=6)
    assert visit(sender, first).retry_after == timedelta(seconds=14), "it is due, and the worker still free for others"
    assert visit(sender, to_other).retry_after is None
    (hangs, accepted) = sorted(world.all(), key=lambda one: one.tracker)
    assert (hangs.state, hangs.attempts, accepted.state) == (PostbackState.PENDING, 1, PostbackState.ACCEPTED)
    world.time.pass_(seconds=14)
    visit(sender, first)
    assert world.tracker.attempts == 2


@pytest.mark.parametrize(("trackers", "is_bounded"), [(BOTH, True), (FEEDBACK, False)])
def test_the_function_bounds_a_tracker_that_has_neighbours(
    trackers: dict[str, dict[str, object]],
    is_bounded: bool,
    shipped_settings: Settings,
    aws_mocked: None,
    function: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("QUEUE_URL", queue("feedback"))
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", queue("dead-feedback"))
    with patch.object(Settings, "feedback", trackers):
        assert (function("send_feedback").sender().share is not None) is is_bounded
