"""A waiting delivery to Lead Leader becomes a deal: queue, authorize, create, and what came of it in the table."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from leadbridge.domain.clock import utc_now
from leadbridge.domain.events import DeliveryChanged
from leadbridge.partners.leadleader.wiring import lead_leader
from leadbridge.runtime import aws
from leadbridge.runtime.budget import LambdaContext
from leadbridge.runtime.environment import DeadLetterEnvironment, QueueEnvironment, SharedEnvironment, TableEnvironment
from leadbridge.runtime.logs import logger, metrics
from leadbridge.runtime.warmup import warm_up
from leadbridge.services.submit_batch import Repeats, dead_letter, falls_back_on, keep_answer, submit_each
from leadbridge.services.submit_lead import Submitter
from leadbridge.settings import settings
from leadbridge.storage.claims import Claims
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.table import open_table


class Environment(SharedEnvironment, TableEnvironment, QueueEnvironment, DeadLetterEnvironment):
    """The environment variables of this function."""


@lru_cache
def environment() -> Environment:
    """Return the environment variables."""
    return Environment.from_env()


@lru_cache
def submitter() -> Submitter:
    """The submitter, wired to this stack."""
    return Submitter(
        ledger=LeadRepository(open_table()),
        partner=lead_leader(),
        settings=settings().partners["leadleader"],
        clock=utc_now,
        dead_letter=dead_letter,
        keep_answer=keep_answer,
        repeats=Repeats(Claims(open_table()), settings()),
        falls_back_on=falls_back_on(settings()),
    )


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """SQS messages that carry `DeliveryChanged` in, those that must come again out."""
    return submit_each(event, context, submitter)


warm_up(environment, aws.sqs, submitter, DeliveryChanged.model_rebuild)
