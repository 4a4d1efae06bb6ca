"""Every five minutes: read what is new in each synced partner's list, store its accounts, and update our deliveries."""

from __future__ import annotations

from dataclasses import asdict
from functools import lru_cache
from typing import Any

from leadbridge.auth.secrets import Secrets
from leadbridge.domain.clock import to_text, utc_now
from leadbridge.domain.errors.partner_errors import Misconfigured
from leadbridge.domain.errors.secret_errors import SecretMissing
from leadbridge.domain.fields.hashes import keyed_hash
from leadbridge.partners.wiring import client_of, kind_of
from leadbridge.runtime import aws
from leadbridge.runtime.aws_errors import is_transient
from leadbridge.runtime.budget import Budget, LambdaContext
from leadbridge.runtime.environment import SharedEnvironment, TableEnvironment
from leadbridge.runtime.logs import count, logger, measure, metrics
from leadbridge.runtime.warmup import warm_up
from leadbridge.services.reconcile_accounts import AccountReconciler
from leadbridge.services.sync_accounts import ProcessedPage, Sync, SyncOutcome, SyncReport
from leadbridge.settings import settings
from leadbridge.settings.partners import SyncPlan
from leadbridge.storage.accounts import AccountRepository
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.table import open_table

RESERVE = 15.0  # seconds for the last of what is written


class Environment(SharedEnvironment, TableEnvironment):
    """The environment variables of this function."""


@lru_cache
def environment() -> Environment:
    """Return the environment variables."""
    return Environment.from_env()


@lru_cache
def secrets() -> Secrets:
    """The secrets of this stack."""
    return Secrets(aws.secrets_manager(), environment().secrets_prefix)


@lru_cache
def sync(partner: str) -> Sync:
    """The sync of one partner's accounts, wired to this stack."""
    table = open_table()
    accounts = AccountRepository(table, partner, lambda value: keyed_hash(index_key(), value))
    configured, store = settings().partners[partner], LeadRepository(table)
    reconciler = AccountReconciler(
        partner, accounts, store, configured, utc_now, with_crm_note=settings().messages.crm_note.on
    )
    return Sync(client_of(partner), accounts, reconciler, plan(partner), utc_now, note)


def synced() -> list[str]:
    """The partners whose lists are read."""
    return [name for name, partner in settings().partners.items() if partner.sync is not None]


def index_key() -> str:
    """The key of the index that finds leads by e-mail. Raises SecretMissing."""
    return str(secrets().get("index")["key"])


def plan(partner: str) -> SyncPlan:
    """How a partner is synced. Raises LookupError."""
    configured = settings().partners[partner].sync
    if configured is None:
        raise LookupError(f"{partner} has no plan of a sync")
    return configured


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Receive a schedule's tick; return the outcome of the run by partner.

    A transient error of AWS is counted and does not fail the function: the next run continues where this one ended.
    """
    return {partner: outcome_of(partner, context) for partner in synced()}


def outcome_of(partner: str, context: LambdaContext) -> str:
    """Make one run for one partner."""
    logger.append_keys(partner=partner)
    try:
        return run(partner, context)
    except Exception as error:
        if not is_transient(error):
            raise
        count("SyncFailed")
        logger.exception("AWS failed for a moment")
        return SyncOutcome.FAILED.value


def run(partner: str, context: LambdaContext) -> str:
    """Make one run. A partner without a secret has nothing to do.

    Without the index's key no account finds its lead: then nothing is begun, and the function fails.
    """
    try:
        secrets().get(kind_of(partner).name)
    except SecretMissing:
        logger.info("no broker is set up")
        return "not_set_up"
    index_key()
    report = sync(partner).run(context.aws_request_id, Budget.of(context, reserve=RESERVE))
    tell(report)
    return report.outcome.value


def note(page: ProcessedPage) -> None:
    """Count a page, and log it without a word of anybody on it."""
    taken = page.taken
    count("SyncPages")
    count("SyncRows", taken.rows)
    if taken.written:
        count("AccountsWritten", taken.written)
    if taken.tied:
        count("AccountsLinked", taken.tied)
    if taken.changed:
        count("StatusesChanged", taken.changed)
    if taken.without_id:
        count("SyncRowsWithoutId", taken.without_id)
    if taken.failed:
        count("SyncRowsFailed", taken.failed)
    logger.info(
        "page taken in",
        scan=page.kind.value,
        since=to_text(page.since),
        until=to_text(page.until),
        page=page.number,
        pages=page.total_pages,
        **asdict(taken),
    )


def tell(report: SyncReport) -> None:
    """Count what a run came to, and how far it is behind."""
    if report.outcome in {SyncOutcome.LOCKED, SyncOutcome.LEASE_LOST}:
        count("SyncSkipped")
    if report.outcome is SyncOutcome.FAILED:
        count("SyncFailed")
    for window in report.skipped_windows:
        count("SyncWindowsLeftOut")
        logger.warning(
            "window left out",
            scan=window.kind.value,
            since=to_text(window.window),
            until=to_text(window.window_end),
            page=window.page,
        )
    if isinstance(report.error, Misconfigured) or (report.error is not None and report.error.is_intercepted):
        count("PartnerMisconfigured")
    standing: dict[str, Any] = {}
    if report.state is not None:
        state, now = report.state, utc_now()
        history = round(state.history * 100, 1)
        measure("SyncLag", (now - state.watermark).total_seconds(), "Seconds")
        measure("HistoryAge", state.history_age(now).total_seconds(), "Seconds")
        measure("HistoryProgress", history, "Percent")
        going_on = None if state.full_scan_progress is None else round(state.full_scan_progress * 100, 1)
        standing = {"watermark": to_text(state.watermark), "history_percent": history, "full_scan_percent": going_on}
    reason = report.error.text if report.error else None
    logger.info("synced", outcome=report.outcome.value, reason=reason, **standing)


def syncs() -> None:
    """All of them: every synced partner's list is read in each run."""
    for partner in synced():
        sync(partner)


warm_up(environment, secrets, syncs)
