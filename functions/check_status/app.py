"""A due delivery is looked at: its status asked for, or a lost worker's delivery called by its name, unknown."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

from leadbridge import aws
from leadbridge.batches import work_through
from leadbridge.budget import Budget, LambdaContext
from leadbridge.clock import utc_now
from leadbridge.errors import Misconfigured
from leadbridge.leads.checking import Checker
from leadbridge.leads.store import Store
from leadbridge.logs import count, logger, metrics
from leadbridge.partners.leadleader.wiring import lead_leader
from leadbridge.settings import settings


@lru_cache
def checker() -> Checker:
    """The checker, wired to this stack."""
    return Checker(
        ledger=Store(aws.dynamodb(), os.environ["TABLE_NAME"]),
        partner=lead_leader(),
        settings=settings().partners["leadleader"],
        clock=utc_now,
        mirrors=settings().messages.mirror.on,
    )


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """SQS messages `{"lead_id", "partner"}` in, none out: what could not be done is still due."""
    budget = Budget.of(context)

    def work(due: Any) -> None:
        lead_id, partner, at_once = due["lead_id"], due["partner"], due.get("at_once") is True
        logger.append_keys(lead_id=lead_id, partner=partner)
        look = checker().look(lead_id, partner, budget, at_once=at_once)
        count(f"Check.{look.outcome}")
        if isinstance(look.error, Misconfigured):
            count("PartnerMisconfigured")
        logger.info("looked", outcome=look.outcome.value, reason=look.error.text if look.error else None)

    return work_through(event, work, queue=aws.sqs(), queue_url=os.environ["QUEUE_URL"])
