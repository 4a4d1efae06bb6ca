"""Every five minutes: queue a sync of each synced partner. A queued sync reads what is new in the partner's list."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from leadbridge.runtime.warmup import warm_up
from leadbridge.auth.secrets import Secrets
from leadbridge.domain.clock import utc_now
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.partner_errors import Unavailable
from leadbridge.domain.fields.hashes import keyed_hash
from leadbridge.partners.wiring import client_of, secret_of
from leadbridge.runtime import aws
from leadbridge.runtime.aws_errors import is_transient
from leadbridge.runtime.budget import Budget, LambdaContext
from leadbridge.runtime.environment import QueueEnvironment, SharedEnvironment, TableEnvironment
from leadbridge.runtime.logs import count, logger, metrics
from leadbridge.services.reconcile_accounts import AccountReconciler
from leadbridge.services.sync_accounts import Sync, SyncOutcome
from leadbridge.services.sync_metrics import record_page, record_progress, record_run
from leadbridge.settings import settings
from leadbridge.storage.accounts import AccountRepository
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.table import open_table

RESERVE = 15.0  # seconds for the last writes


class Environment(SharedEnvironment, TableEnvironment, QueueEnvironment):
    """The environment variables of this function."""


environment = lru_cache(Environment.from_env)


@lru_cache
def secrets() -> Secrets:
    """Make the reader of this stack's secrets."""
    return Secrets(aws.secrets_manager(), environment().secrets_prefix)


@lru_cache
def accounts(partner: str) -> AccountRepository:
    """Open the repository of one partner's accounts, which also stores the progress of its sync."""
    return AccountRepository(open_table(), partner, lambda value: keyed_hash(index_key(), value))


@lru_cache
def sync(partner: str) -> Sync:
    """Wire the sync of one partner to this stack. Raises LookupError if the partner has no sync plan."""
    configured, log = settings().partners[partner], accounts(partner)
    if configured.sync is None:
        raise LookupError(f"{partner} has no sync plan")
    reconciler = AccountReconciler(
        partner,
        log,
        LeadRepository(open_table(), settings().feedback),
        configured,
        utc_now,
        with_crm_note=settings().messages.crm_note.on,
    )
    return Sync(client_of(partner), log, reconciler, configured.sync, utc_now, record_page)


def synced() -> list[str]:
    """Return the partners whose lists are read."""
    return [name for name, partner in settings().partners.items() if partner.sync is not None]


def index_key() -> str:
    """Return the key of the index that finds leads by e-mail. Raises SecretMissing."""
    return str(secrets().get("index")["key"])


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Run the sync of an SQS message `{"partner"}`. For the schedule's event, queue a sync of each partner.

    Each partner has an invocation of its own, so one that hangs does not delay the others. A batch has one message. If
    the function fails, the message expires before it is visible again, and the next tick continues.
    """
    if "Records" not in event:
        return {"queued": tick()}
    for record in event["Records"]:
        outcome_of(json.loads(record["body"])["partner"], context)
    return {"batchItemFailures": []}


def tick() -> int:
    """Queue a sync of each partner and measure their progress. Returns the number of messages sent.

    A transient error of AWS does not fail the function: the next tick comes soon.
    """
    from leadbridge.runtime.queues import send_all  # no run needs it

    partners = synced()
    try:
        send_all(environment().queue_url, [{"partner": partner} for partner in partners])
        record_progress({partner: accounts(partner).state() for partner in partners}, utc_now())
    except Exception as error:
        if not is_transient(error):
            raise
        count("SyncFailed")
        logger.exception("AWS did not answer in time")
        return 0
    return len(partners)


def outcome_of(partner: str, context: LambdaContext) -> str:
    """Make one run. A transient error of AWS does not fail the function: the next run continues."""
    logger.append_keys(partner=partner)
    if partner not in synced():  # the configuration has changed since the message was sent
        logger.warning("the partner has no sync plan")
        return "not_synced"
    try:
        return run(partner, Budget.of(context, reserve=RESERVE), context)
    except Exception as error:
        if not is_transient(error):
            raise
        count("SyncFailed")
        logger.exception("AWS did not answer in time")
        return SyncOutcome.FAILED.value


def run(partner: str, budget: Budget, context: LambdaContext) -> str:
    """Make one run. A partner without a secret has nothing to do.

    Without the index's key no account can be linked to its lead, so the function fails before it reads anything.
    """
    try:
        secret_of(partner).get()
    except Unavailable as error:
        if error.code is not ErrorCode.SECRET_MISSING:
            raise
        logger.info("the partner has no secret")
        return "not_set_up"
    index_key()
    report = sync(partner).run(context.aws_request_id, budget)
    record_run(report)
    return report.outcome.value


def syncs() -> None:
    """Make the sync of every partner."""
    for partner in synced():
        sync(partner)


warm_up(environment, secrets, syncs)
