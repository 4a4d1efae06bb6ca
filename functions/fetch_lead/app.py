"""Fetch a lead whose form sent only its id, and store it."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from typing import Any

from leadbridge.runtime.warmup import warm_up
from leadbridge.auth.secrets import Secrets
from leadbridge.domain.acceptance.consent import Consent
from leadbridge.domain.clock import utc_now
from leadbridge.domain.errors.error_codes import ErrorInfo
from leadbridge.domain.events import FetchChanged, read_fetch_changed
from leadbridge.domain.fetch import Fetch
from leadbridge.domain.fields.hashes import keyed_hash
from leadbridge.domain.lead import Lead, LeadFields
from leadbridge.forms.base import adapter_named
from leadbridge.partners.graph import Graph
from leadbridge.partners.graph.wiring import graph
from leadbridge.runtime import aws
from leadbridge.runtime.batch import ids_in, process_batch
from leadbridge.runtime.budget import Budget, LambdaContext
from leadbridge.runtime.environment import DeadLetterEnvironment, QueueEnvironment, SharedEnvironment, TableEnvironment
from leadbridge.runtime.logs import logger, metrics
from leadbridge.runtime.queues import send_dead_letter
from leadbridge.services.dead_letters.bodies import failed_fetch
from leadbridge.services.fetch_lead import Fetcher
from leadbridge.services.outcomes import record_outcome
from leadbridge.settings import settings
from leadbridge.storage.fetches import FetchRepository
from leadbridge.storage.table import open_table


class Environment(SharedEnvironment, TableEnvironment, QueueEnvironment, DeadLetterEnvironment):
    """The environment variables of this function."""


environment = lru_cache(Environment.from_env)


@lru_cache
def secrets() -> Secrets:
    """Make the reader of this stack's secrets."""
    return Secrets(aws.secrets_manager(), environment().secrets_prefix)


@lru_cache
def origin(source: str) -> Graph:
    """Make the client that fetches a source's leads. Meta is the only form builder that needs one."""
    return graph(source, secrets())


@lru_cache
def fetcher() -> Fetcher:
    """Wire the fetcher to this stack."""
    return Fetcher(
        ledger=FetchRepository(open_table()),
        origin=origin,
        settings=settings(),
        keyed_hash=lambda value: keyed_hash(secrets().get("index")["key"], value),
        clock=utc_now,
        dead_letter=dead_letter,
    )


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Process SQS messages. Returns those to retry.

    A message carries `FetchChanged`, or `{"lead_id", "overdue": true}` from find_due.
    """
    budget = Budget.of(context)

    def work(body: Any) -> timedelta | None:
        (lead_id,), overdue = ids_in(body, read_fetch_changed, "lead_id")
        logger.append_keys(lead_id=lead_id)
        result = fetcher().process(lead_id, budget, overdue=overdue)
        record_outcome("Fetch", result.outcome, result.error, result.retry_after)
        return result.retry_after

    return process_batch(event, work, queue=aws.sqs(), queue_url=environment().queue_url)


def dead_letter(fetch: Fetch, error: ErrorInfo) -> None:
    """Send a lead that cannot be fetched to the dead-letter queue."""
    send_dead_letter(failed_fetch(fetch, error))


def origins() -> None:
    """Make the clients of all sources whose leads are fetched, and import their adapters."""
    for name, source in settings().sources.items():
        if source.fetch is not None:
            origin(name)
            adapter_named(source.adapter)


MODELS = (FetchChanged, LeadFields, Lead, Consent)
warm_up(environment, aws.sqs, fetcher, origins, *(model.model_rebuild for model in MODELS))
