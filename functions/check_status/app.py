"""Process due deliveries: check statuses, requeue what waits too long, settle the attempts of lost workers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from leadbridge.runtime.warmup import warm_up
from leadbridge.domain.clock import utc_now
from leadbridge.domain.delivery import Delivery
from leadbridge.domain.events import DeliveryChanged, envelope
from leadbridge.partners.kind import LostReply
from leadbridge.partners.wiring import client_of, kind_of
from leadbridge.runtime import aws
from leadbridge.runtime.batch import process_batch
from leadbridge.runtime.budget import Budget, LambdaContext
from leadbridge.runtime.environment import QueueEnvironment, SharedEnvironment, TableEnvironment, json_variable
from leadbridge.runtime.logs import calls_in_one_record, count_version_fault, logger, metrics
from leadbridge.runtime.queues import send
from leadbridge.services.check_status import Checker, StatusByDeal, StatusByEmail
from leadbridge.services.checks.batch import CheckBatch
from leadbridge.services.outcomes import record_batch
from leadbridge.settings import settings
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.table import open_table

if TYPE_CHECKING:
    from leadbridge.services.ports.deliveries import StatusPartner


class Environment(SharedEnvironment, TableEnvironment, QueueEnvironment):
    """The environment variables of this function."""

    submit_queues: Mapping[str, str] = json_variable()


environment = lru_cache(Environment.from_env)


@lru_cache
def checker(partner: str) -> Checker:
    """Wire the checker of a partner's deliveries to this stack."""
    store = LeadRepository(open_table(), settings().feedback)
    return Checker(
        ledger=store,
        partner=status_of(partner, store),
        settings=settings().partners[partner],
        clock=utc_now,
        with_crm_note=settings().messages.crm_note.on,
        requeue=requeue,
    )


def requeue(delivery: Delivery) -> None:
    """Send a delivery that waits too long directly to its kind's queue. Raises LookupError, Contended."""
    queue_url = environment().submit_queues[kind_of(delivery.partner).name]
    send(queue_url, envelope(DeliveryChanged.of(delivery, delivery, kind_of(delivery.partner).name)))


def status_of(partner: str, store: LeadRepository) -> StatusPartner:
    """Make the client that reads a delivery's status: by its id, or by e-mail. Raises LookupError."""
    client = client_of(partner)
    return (
        StatusByEmail(client, store.lead) if kind_of(partner).lost_reply is LostReply.LOOK_UP else StatusByDeal(client)
    )


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Process SQS messages `{"partner", "lead_ids"}`. What is not done returns to the queue as a new message."""
    budget = Budget.of(context)

    def work(body: Any) -> None:
        batch = CheckBatch.of(body)
        logger.append_keys(partner=batch.partner)
        with calls_in_one_record():
            done = checker(batch.partner).process(batch, budget)
        for lead_id, error in done.failures.items():
            count_version_fault(error)
            logger.error("the delivery could not be processed", lead_id=lead_id, exc_info=error)
        record_batch("Check", done.results)
        for returned, delay in done.returned:
            send(environment().queue_url, returned.body(), delay)

    return process_batch(event, work, queue=aws.sqs(), queue_url=environment().queue_url)


def checkers() -> None:
    """Make the checker of every partner."""
    for partner in settings().partners:
        checker(partner)


warm_up(environment, aws.sqs, checkers)
