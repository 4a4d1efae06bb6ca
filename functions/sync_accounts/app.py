"""Every five minutes: read what is new in each synced partner's list, store its accounts, update our deliveries."""

from __future__ import annotations

from dataclasses import replace
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
from leadbridge.runtime.environment import SharedEnvironment, TableEnvironment
from leadbridge.runtime.logs import count, logger, metrics
from leadbridge.services.reconcile_accounts import AccountReconciler
from leadbridge.services.sync_accounts import Sync, SyncOutcome
from leadbridge.services.sync_metrics import record_page, record_run
from leadbridge.settings import settings
from leadbridge.storage.accounts import AccountRepository
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.table import open_table

RESERVE = 15.0  # seconds for the last writes


class Environment(SharedEnvironment, TableEnvironment):
    """The environment variables of this function."""


environment = lru_cache(Environment.from_env)


@lru_cache
def secrets() -> Secrets:
    """Make the reader of this stack's secrets."""
    return Secrets(aws.secrets_manager(), environment().secrets_prefix)


@lru_cache
def sync(partner: str) -> Sync:
    """Wire the sync of one partner to this stack. Raises LookupError if the partner has no sync plan."""
    configured, table = settings().partners[partner], open_table()
    if configured.sync is None:
        raise LookupError(f"{partner} has no sync plan")
    accounts, store = (
        AccountRepository(table, partner, lambda value: keyed_hash(index_key(), value)),
        LeadRepository(table),
    )
    reconciler = AccountReconciler(
        partner, accounts, store, configured, utc_now, with_crm_note=settings().messages.crm_note.on
    )
    return Sync(client_of(partner), accounts, reconciler, configured.sync, utc_now, record_page)


def synced() -> list[str]:
    """Return the partners whose lists are read."""
    return [name for name, partner in settings().partners.items() if partner.sync is not None]


def index_key() -> str:
    """Return the key of the index that finds leads by e-mail. Raises SecretMissing."""
    return str(secrets().get("index")["key"])


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Make one run for each partner. Returns the outcomes by partner.

    Each partner gets an equal share of the time that is left, and is synced whatever happened to those before it. Then
    the first exception is raised.
    """
    outcomes: dict[str, str] = {}
    failures: list[Exception] = []
    partners = synced()
    for number, partner in enumerate(partners):
        try:
            outcomes[partner] = outcome_of(partner, share_of(context, len(partners) - number), context)
        except Exception as error:  # raised below
            logger.exception("the sync of a partner failed")
            failures.append(error)
    if failures:
        raise failures[0]
    return outcomes


def share_of(context: LambdaContext, partners: int) -> Budget:
    """Return an equal share of the time that is left, for one of so many partners."""
    budget = Budget.of(context, reserve=RESERVE)
    now = budget.monotonic()
    return replace(budget, deadline=now + RESERVE + (budget.deadline - RESERVE - now) / partners)


def outcome_of(partner: str, budget: Budget, context: LambdaContext) -> str:
    """Make one run. A transient error of AWS does not fail the function: the next run continues."""
    logger.append_keys(partner=partner)
    try:
        return run(partner, budget, context)
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
    record_run(report, utc_now())
    return report.outcome.value


def syncs() -> None:
    """Make the sync of every partner."""
    for partner in synced():
        sync(partner)


warm_up(environment, secrets, syncs)
