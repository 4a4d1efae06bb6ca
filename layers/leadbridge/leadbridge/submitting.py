"""What the functions that submit have in common: their queue's messages, the submitter's visits, the dead letters."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from leadbridge import aws
from leadbridge.batches import work_through
from leadbridge.budget import Budget, LambdaContext
from leadbridge.errors import Misconfigured
from leadbridge.leads.delivery import Delivery
from leadbridge.leads.events import read_delivery_changed
from leadbridge.leads.submission import Submitter
from leadbridge.logs import count, logger


def submit_each(event: dict[str, Any], context: LambdaContext, submitter: Callable[[], Submitter]) -> dict[str, Any]:
    """SQS messages that carry `DeliveryChanged` in, those that must come again out. `QUEUE_URL` is their queue."""
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
    """Put a delivery that cannot go on by itself where an operator finds it: which lead, which step, why.

    `DEAD_LETTER_QUEUE_URL` is where.
    """
    body = {"lead_id": delivery.lead_id, "partner": delivery.partner, "step": "submit", "reason": reason}
    aws.sqs().send_message(
        QueueUrl=os.environ["DEAD_LETTER_QUEUE_URL"], MessageBody=json.dumps(body, ensure_ascii=False)
    )
