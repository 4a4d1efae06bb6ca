"""Every minute: queue what is due, and measure how late checks are and how long the oldest lead waits."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from leadbridge.runtime.warmup import warm_up
from leadbridge.domain.clock import utc_now
from leadbridge.runtime import aws
from leadbridge.runtime.environment import QueueEnvironment, SharedEnvironment, TableEnvironment, is_local, variable
from leadbridge.runtime.logs import count, logger, measure, metrics
from leadbridge.runtime.queues import send_all
from leadbridge.services.checks.batch import batch_bodies
from leadbridge.services.checks.plan import INDEX_MARGIN
from leadbridge.services.checks.sweep import CheckSweep
from leadbridge.services.find_due import (
    DueQueue,
    fetch_body,
    fill,
    fill_checks,
    fill_waiting,
    message_body,
    postback_body,
)
from leadbridge.settings import settings
from leadbridge.storage.feedback.postbacks import DUE_PARTITION as FEEDBACK_DUE
from leadbridge.storage.fetches import DUE_PARTITION as FETCHES_DUE
from leadbridge.storage.messages import DUE_PARTITION as MESSAGES_DUE
from leadbridge.storage.queries.backlog import BacklogMonitor
from leadbridge.storage.queries.check_progress import CheckProgressRepository
from leadbridge.storage.queries.due_items import due_items, followed_deals
from leadbridge.storage.queries.partner_state import PartnerStates
from leadbridge.storage.table import Table, open_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from leadbridge.domain.admission import PartnerState
    from leadbridge.domain.routing.intake import IntakeStatus


TRACKERLESS_MINUTES = 10  # without trackers; postbacks of one that was removed may still wait


class Environment(SharedEnvironment, TableEnvironment, QueueEnvironment):
    """The environment variables of this function.

    `max_queued` limits the messages in the queues of messages, fetches and postbacks, `max_queued_checks` those in the
    queue of checks, which hold many deals each.
    """

    message_queue_url: str
    fetch_queue_url: str
    feedback_queue_url: str
    max_queued: int = variable(int)
    max_queued_checks: int = variable(int)


environment = lru_cache(Environment.from_env)


@lru_cache
def table() -> Table:
    """Open the table."""
    return open_table()


@lru_cache
def sweeps() -> dict[str, CheckSweep | None]:
    """Wire the sweep of each partner's checks to this stack; None for a partner that is not asked for statuses."""
    return {name: sweep(name) for name in settings().partners}


def sweep(partner: str) -> CheckSweep | None:
    """Wire the sweep of one partner's checks."""
    schedule = settings().partners[partner].check_schedule
    if schedule is None:
        return None

    def send(batches: Sequence[Sequence[str]]) -> None:
        send_all(environment().queue_url, batch_bodies(partner, batches))

    return CheckSweep(
        schedule=schedule,
        progress=CheckProgressRepository(table(), partner),
        read=partial(followed_deals, table(), partner),
        send=send,
        margin=timedelta() if is_local() else INDEX_MARGIN,  # the emulator's indexes have no delay
    )


def partner_states(now: datetime) -> tuple[dict[str, PartnerState], dict[str, IntakeStatus]]:
    """Load the states of the partners, and what those with caps or hours take now.

    Their states are stored, so that the deliveries which wait for them are found after the limits were removed.
    """
    partners, stored = settings().partners, PartnerStates(table())
    if all(partner.intake is None for partner in partners.values()):
        return stored.load(partners), {}
    from leadbridge.domain.routing.intake import intake_status, window_keys

    windows = window_keys(partners, now)
    states = stored.load(partners, windows)
    for name, state in states.items():
        if not state.is_stored:
            stored.create(name)
    return states, {name: intake_status(partners[name], states[name].counts, now) for name in windows}


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Fill the queues. Returns the number of messages sent."""
    now, variables = utc_now(), environment()
    find_due = partial(due_items, table())
    queued, late = fill_checks(variables.queue_url, sweeps(), find_due, now, variables.max_queued_checks)
    states, intakes = partner_states(now)
    count("PartnersPaused", sum(state.pause is not None for state in states.values()))
    count("CircuitsOpen", sum(not state.circuit.is_closed for state in states.values()))
    kinds = {name: partner.kind for name, partner in settings().partners.items()}
    resumed, late_after_wait = fill_waiting(variables.queue_url, states, kinds, find_due, now, intakes)
    queued, late = queued + resumed, max(late, late_after_wait)
    count("CheckBatchesQueued", queued)
    queues = [
        DueQueue(variables.message_queue_url, MESSAGES_DUE, message_body),
        DueQueue(variables.fetch_queue_url, FETCHES_DUE, fetch_body),
    ]
    if settings().feedback or now.minute % TRACKERLESS_MINUTES == 0:
        queues.append(DueQueue(variables.feedback_queue_url, FEEDBACK_DUE, postback_body))
    for queue in queues:
        queued += fill(queue, find_due, now, variables.max_queued)
    measure("OldestDue", late, "Seconds")
    oldest = BacklogMonitor(table()).oldest_waiting()
    waits = 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())
    measure("OldestWaiting", waits, "Seconds")
    logger.info("queued", queued=queued, oldest_waits_seconds=round(waits), oldest_due_seconds=round(late))
    return {"queued": queued}


warm_up(environment, aws.sqs, settings, table, sweeps)
