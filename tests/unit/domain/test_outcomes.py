"""The outcomes of a delivery."""

from typing import get_args

from leadbridge.domain.statuses.outcomes import APPROVALS, PENDING, REFUSALS, SUCCESSES, DeliveryOutcome
from leadbridge.settings.partners import OutcomeName


def test_settings_accept_exactly_the_outcomes() -> None:
    assert get_args(OutcomeName) == tuple(DeliveryOutcome)


def test_each_outcome_is_pending_a_success_or_a_refusal() -> None:
    assert sorted([*PENDING, *SUCCESSES, *REFUSALS]) == sorted(DeliveryOutcome)
    assert SUCCESSES < APPROVALS
    assert not APPROVALS & REFUSALS
