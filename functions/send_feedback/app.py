"""Send a pending postback to its tracker: in order, and with the same event id at every attempt."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from typing import Any

from leadbridge.runtime.warmup import warm_up
from leadbridge.domain.clock import utc_now
from leadbridge.domain.feedback.events import PostbackChanged, read_postback_changed
from leadbridge.partners.feedback.wiring import tracker_client
from leadbridge.runtime import aws
from leadbridge.runtime.batch import ids_in, process_batch
from leadbridge.runtime.budget import RECORDING_RESERVE, Budget, LambdaContext
from leadbridge.runtime.environment import DeadLetterEnvironment, QueueEnvironment, SharedEnvironment, TableEnvironment
from leadbridge.runtime.fair_share import FairShare
from leadbridge.runtime.logs import logger, metrics
from leadbridge.runtime.queues import send_dead_letter
from leadbridge.services.dead_letters.bodies import failed_postback
from leadbridge.services.feedback.send_feedback import PostbackSender
from leadbridge.services.outcomes import record_outcome
from leadbridge.settings import settings
from leadbridge.storage.feedback.postbacks import PostbackRepository
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.table import open_table


class Environment(SharedEnvironment, TableEnvironment, QueueEnvironment, DeadLetterEnvironment):
    """The environment variables of this function."""


environment = lru_cache(Environment.from_env)


@lru_cache
def sender() -> PostbackSender:
    """Wire the sender to this stack."""
    trackers = {tracker for trackers in settings().feedback.values() for tracker in trackers}
    return PostbackSender(
        leads=LeadRepository(open_table()),
        ledger=PostbackRepository(open_table()),
        tracker=tracker_client(),
        feedback=settings().feedback,
        clock=utc_now,
        dead_letter=lambda postback, error: send_dead_letter(failed_postback(postback, error)),
        share=FairShare(utc_now) if len(trackers) > 1 else None,
    )


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Process SQS messages. Returns those to retry.

    A message carries `PostbackChanged`, or `{"lead_id", "event_id", "overdue": true}` from find_due.
    """
    budget = Budget.of(context, reserve=RECORDING_RESERVE)

    def work(body: Any) -> timedelta | None:
        (lead_id, event_id), overdue = ids_in(body, read_postback_changed, "lead_id", "event_id")
        logger.append_keys(lead_id=lead_id, event_id=event_id)
        result = sender().process(lead_id, event_id, budget, overdue=overdue)
        record_outcome("Feedback", result.outcome, result.error, result.retry_after)
        return result.retry_after

    return process_batch(event, work, queue=aws.sqs(), queue_url=environment().queue_url)


warm_up(environment, aws.sqs, sender, PostbackChanged.model_rebuild)
