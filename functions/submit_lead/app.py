"""A waiting delivery to Lead Leader becomes a deal: queue, authorize, create, and what came of it in the table."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from functools import lru_cache
from typing import Any

from leadbridge import aws
from leadbridge.batches import work_through
from leadbridge.budget import Budget, LambdaContext
from leadbridge.clock import utc_now
from leadbridge.errors import Misconfigured
from leadbridge.leads.delivery import Delivery
from leadbridge.leads.events import read_delivery_changed
from leadbridge.leads.store import Store
from leadbridge.leads.submission import Submitter
from leadbridge.logs import count, logger, metrics
from leadbridge.partners.leadleader.wiring import lead_leader
from leadbridge.settings import settings


@lru_cache
def submitter() -> Submitter:
    """The submitter, wired to this stack."""
    return Submitter(
        ledger=Store(aws.dynamodb(), os.environ["TABLE_NAME"]),
        partner=lead_leader(),
        settings=settings().partners["leadleader"],
        clock=utc_now,
        dead_letter=dead_letter,
    )


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """SQS messages that carry `DeliveryChanged` in, those that must come again out."""
    budget = Budget.of(context)

    def work(envelope: Any) -> timedelta | None:
        changed = read_delivery_changed(envelope)
        logger.append_keys(lead_id=changed.lead_id, partner=changed.partner)
        visit = submitter().visit(changed.lead_id, changed.partner, budget)
        count(f"Submission.{visit.outcome}")
        if isinstance(visit.error, Misconfigured):
            count("PartnerMisconfigured")
        reason = visit.error.text if visit.error else None
        wait = visit.again.total_seconds() if visit.again is not None else None
        logger.info("visited", outcome=visit.outcome.value, reason=reason, again_in_seconds=wait)
        return visit.again

    return work_through(event, work, queue=aws.sqs(), queue_url=os.environ["QUEUE_URL"])


def dead_letter(delivery: Delivery, reason: str) -> None:
    """Put a delivery that cannot go on by itself where an operator finds it: which lead, which step, why."""
    body = {"lead_id": delivery.lead_id, "partner": delivery.partner, "step": "submit", "reason": reason}
    aws.sqs().send_message(
        QueueUrl=os.environ["DEAD_LETTER_QUEUE_URL"], MessageBody=json.dumps(body, ensure_ascii=False)
    )
