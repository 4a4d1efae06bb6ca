"""A lead that its form only named is fetched from where the form's builder keeps it, and goes on like any other."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from typing import Any

from leadbridge.auth.secrets import Secrets
from leadbridge.domain.clock import utc_now
from leadbridge.domain.consent import Consent
from leadbridge.domain.errors.error_codes import ErrorInfo
from leadbridge.domain.events import FetchChanged, read_fetch_changed
from leadbridge.domain.fetch import Fetch
from leadbridge.domain.fields.hashes import keyed_hash
from leadbridge.domain.lead import Lead, LeadFields
from leadbridge.forms.base import adapter_named
from leadbridge.partners.graph import Graph
from leadbridge.partners.graph.wiring import graph
from leadbridge.runtime import aws
from leadbridge.runtime.batch import process_batch
from leadbridge.runtime.budget import Budget, LambdaContext
from leadbridge.runtime.environment import DeadLetterEnvironment, QueueEnvironment, SharedEnvironment, TableEnvironment
from leadbridge.runtime.logs import logger, metrics
from leadbridge.runtime.queues import send_dead_letter
from leadbridge.runtime.warmup import warm_up
from leadbridge.services.fetch_lead import Fetcher
from leadbridge.services.outcomes import record_outcome
from leadbridge.settings import settings
from leadbridge.storage.fetches import FetchRepository
from leadbridge.storage.table import open_table


class Environment(SharedEnvironment, TableEnvironment, QueueEnvironment, DeadLetterEnvironment):
    """The environment variables of this function."""


@lru_cache
def environment() -> Environment:
    """Return the environment variables."""
    return Environment.from_env()


@lru_cache
def secrets() -> Secrets:
    """This stack's secrets."""
    return Secrets(aws.secrets_manager(), environment().secrets_prefix)


@lru_cache
def origin(source: str) -> Graph:
    """Where a source's leads are; Meta's is the only one yet."""
    return graph(source, secrets())


@lru_cache
def fetcher() -> Fetcher:
    """The fetcher, wired to this stack."""
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
    """SQS messages in, those that must come again out.

    A message carries `FetchChanged`, or `{"lead_id", "overdue": true}` from find_due.
    """
    budget = Budget.of(context)

    def work(body: Any) -> timedelta | None:
        overdue = isinstance(body, dict) and body.get("overdue") is True
        lead_id = str(body["lead_id"]) if overdue else read_fetch_changed(body).lead_id
        logger.append_keys(lead_id=lead_id)
        result = fetcher().process(lead_id, budget, overdue=overdue)
        record_outcome("Fetch", result.outcome, result.error, result.retry_after)
        return result.retry_after

    return process_batch(event, work, queue=aws.sqs(), queue_url=environment().queue_url)


def dead_letter(fetch: Fetch, error: ErrorInfo) -> None:
    """Put a lead that cannot be fetched where an operator finds it: which lead, which step, why."""
    send_dead_letter({"lead_id": fetch.lead_id, "step": "fetch", **error.letter})


def origins() -> None:
    """All sources whose leads are fetched, and what reads them."""
    for name, source in settings().sources.items():
        if source.fetch is not None:
            origin(name)
            adapter_named(source.adapter)


MODELS = (FetchChanged, LeadFields, Lead, Consent)
warm_up(environment, aws.sqs, fetcher, origins, *(model.model_rebuild for model in MODELS))
