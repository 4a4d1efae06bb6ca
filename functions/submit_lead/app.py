"""Submit a waiting delivery to its partner and store the result.

Each partner kind has its own queue, so that a slow kind does not delay the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any

from leadbridge.runtime.warmup import warm_up
from leadbridge.domain.clock import utc_now
from leadbridge.domain.delivery import Delivery
from leadbridge.domain.errors.error_codes import ErrorInfo
from leadbridge.domain.errors.partner_answer import PartnerAnswer
from leadbridge.domain.events import DeliveryChanged, read_delivery_changed
from leadbridge.partners.kind import LostReply
from leadbridge.partners.wiring import client_of, kind_of
from leadbridge.runtime import aws
from leadbridge.runtime.batch import process_batch
from leadbridge.runtime.budget import RECORDING_RESERVE, Budget, LambdaContext
from leadbridge.runtime.environment import SharedEnvironment, TableEnvironment, json_variable
from leadbridge.runtime.fair_share import FairShare
from leadbridge.runtime.logs import logger, metrics
from leadbridge.runtime.queues import send
from leadbridge.services.dead_letters.bodies import failed_delivery, unrecorded_answer
from leadbridge.services.outcomes import record_outcome
from leadbridge.services.submission.circuit import CircuitBreaker
from leadbridge.services.submission_rules import RepeatPolicy, fallback_finder
from leadbridge.services.submit_lead import Submitter
from leadbridge.settings import settings
from leadbridge.storage.claims import ClaimRepository
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.queries.partner_state import PartnerStates
from leadbridge.storage.table import open_table


class Environment(SharedEnvironment, TableEnvironment):
    """The environment variables of this function. The queues are URLs by partner kind."""

    submit_queues: Mapping[str, str] = json_variable()
    submit_dead_letter_queues: Mapping[str, str] = json_variable()


environment = lru_cache(Environment.from_env)


@lru_cache
def store() -> LeadRepository:
    """Make the repository of leads."""
    return LeadRepository(open_table(), settings().feedback)


@lru_cache
def share() -> FairShare:
    """Make what remembers the slow partners."""
    return FairShare(utc_now)


@lru_cache
def submitter(partner: str) -> Submitter:
    """Wire the submitter of one partner to this stack. It is kept: its client caches the partner's token."""
    client, partners = client_of(partner), settings().partners
    is_alone = sum(one.kind == partners[partner].kind for one in partners.values()) == 1
    return Submitter(
        ledger=store(),
        partner=client,
        accounts=client if kind_of(partner).lost_reply is LostReply.LOOK_UP else None,
        settings=partners[partner],
        clock=utc_now,
        dead_letter=dead_letter,
        save_answer=save_answer,
        repeats=RepeatPolicy(ClaimRepository(open_table()), settings()),
        find_fallback=fallback_finder(settings()),
        find_warning=kind_of(partner).find_warning,
        circuit=CircuitBreaker(partner, partners[partner].circuit, PartnerStates(open_table()), utc_now),
        share=None if is_alone else share(),
    )


def dead_letter(delivery: Delivery, error: ErrorInfo) -> None:
    """Send a delivery that needs an operator to the dead-letter queue of its kind."""
    send(environment().submit_dead_letter_queues[kind_of(delivery.partner).name], failed_delivery(delivery, error))


def save_answer(delivery: Delivery, answer: PartnerAnswer) -> None:
    """Send a partner's answer that could not be stored to the dead-letter queue of its kind."""
    send(environment().submit_dead_letter_queues[kind_of(delivery.partner).name], unrecorded_answer(delivery, answer))


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Process SQS messages with `DeliveryChanged`. Returns those to retry."""
    budget = Budget.of(context, reserve=RECORDING_RESERVE)

    def work(envelope: Any) -> timedelta | None:
        changed = read_delivery_changed(envelope)
        logger.append_keys(lead_id=changed.lead_id, partner=changed.partner)
        result = submitter(changed.partner).process(changed.lead_id, changed.partner, budget)
        record_outcome("Submission", result.outcome, result.error, result.retry_after)
        return result.retry_after

    def queue_url(envelope: Any) -> str:
        return environment().submit_queues[kind_of(read_delivery_changed(envelope).partner).name]

    return process_batch(event, work, queue=aws.sqs(), queue_url=queue_url)


def submitters() -> None:
    """Make the submitter of every partner."""
    for partner in settings().partners:
        submitter(partner)


warm_up(environment, aws.sqs, submitters, DeliveryChanged.model_rebuild)
