"""Check the status of one delivery with a real checker."""

from __future__ import annotations

from leadbridge.runtime.budget import Budget
from leadbridge.services.check_status import Checker
from leadbridge.services.checks.batch import CheckBatch
from leadbridge.services.worker import Result


def check_one(checker: Checker, lead_id: str, partner: str, budget: Budget, *, at_once: bool = False) -> Result:
    """The result of a batch of one delivery."""
    return checker.process(CheckBatch(partner, (lead_id,), at_once=at_once), budget).results[lead_id]
