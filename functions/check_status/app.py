"""Process a due delivery: check its status, requeue it if it waits too long, or settle a lost worker's attempt."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from leadbridge.domain.clock import utc_now
from leadbridge.domain.delivery import Delivery
from leadbridge.domain.events import DeliveryChanged, envelope
from leadbridge.runtime import aws
from leadbridge.runtime.batch import process_batch
from leadbridge.runtime.budget import Budget, LambdaContext
from leadbridge.runtime.environment import QueueEnvironment, SharedEnvironment, TableEnvironment, json_variable
from leadbridge.runtime.logs import logger, metrics
from leadbridge.runtime.outcomes import record_outcome
from leadbridge.runtime.queues import send
from leadbridge.runtime.warmup import warm_up
from leadbridge.services.check_status import ByDeal, ByEmail, Checker
from leadbridge.services.ports.deliveries import StatusPartner
from leadbridge.settings import settings
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.table import open_table


class Environment(SharedEnvironment, TableEnvironment, QueueEnvironment):
    """The environment variables of this function."""

    submit_queues: Mapping[str, str] = json_variable()


@lru_cache
def environment() -> Environment:
    """Return the environment variables."""
    return Environment.from_env()


@lru_cache
def checker(partner: str) -> Checker:
    """The checker of a partner's deliveries, wired to this stack."""
    store = LeadRepository(open_table())
    return Checker(
        ledger=store,
        partner=asked(partner, store),
        settings=settings().partners[partner],
        clock=utc_now,
        mirrors=settings().messages.mirror.on,
        requeue=requeue,
    )


def requeue(delivery: Delivery) -> None:
    """Send a delivery that waits too long directly to its partner's queue. Raises LookupError, Contended."""
    queue_url = environment().submit_queues[delivery.partner]
    send(queue_url, envelope(DeliveryChanged.of(delivery, delivery)))


def asked(partner: str, store: LeadRepository) -> StatusPartner:
    """How a partner is asked for a status. Raises LookupError."""
    match partner:
        case "leadleader":
            from leadbridge.partners.leadleader.wiring import lead_leader

            return ByDeal(lead_leader())
        case "matchtrade":
            from leadbridge.partners.matchtrade.wiring import match_trade

            return ByEmail(match_trade(), store.lead)
        case _:
            raise LookupError(f"nobody is asked about {partner}")


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """SQS messages `{"lead_id", "partner"}` in, none out: what could not be done is still due."""
    budget = Budget.of(context)

    def work(due: Any) -> None:
        lead_id, partner, at_once = due["lead_id"], due["partner"], due.get("at_once") is True
        logger.append_keys(lead_id=lead_id, partner=partner)
        result = checker(partner).process(lead_id, partner, budget, at_once=at_once)
        record_outcome("Check", result.outcome, result.error)

    return process_batch(event, work, queue=aws.sqs(), queue_url=environment().queue_url)


def checkers() -> None:
    """All of them: every partner's deliveries come due."""
    for partner in settings().partners:
        checker(partner)


warm_up(environment, aws.sqs, checkers)
