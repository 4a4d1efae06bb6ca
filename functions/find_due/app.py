"""Every minute: queue the deliveries, messages and fetches that are due, and measure how long the oldest lead waits."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from leadbridge.runtime.warmup import warm_up
from leadbridge.domain.clock import utc_now
from leadbridge.runtime import aws
from leadbridge.runtime.environment import QueueEnvironment, SharedEnvironment, TableEnvironment, variable
from leadbridge.runtime.logs import count, logger, measure, metrics
from leadbridge.services.find_due import DueQueue, delivery_body, fetch_body, fill, message_body
from leadbridge.settings import settings
from leadbridge.storage.fetches import DUE_PARTITION as FETCHES_DUE
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.messages import DUE_PARTITION as MESSAGES_DUE
from leadbridge.storage.queries.backlog import BacklogMonitor
from leadbridge.storage.table import open_table


class Environment(SharedEnvironment, TableEnvironment, QueueEnvironment):
    """The environment variables of this function. `max_queued` limits the messages in each queue."""

    message_queue_url: str
    fetch_queue_url: str
    max_queued: int = variable(int)


environment = lru_cache(Environment.from_env)


@lru_cache
def store() -> LeadRepository:
    """Make the repository of leads."""
    return LeadRepository(open_table())


@lru_cache
def backlog() -> BacklogMonitor:
    """Make the monitor of waiting leads."""
    return BacklogMonitor(open_table())


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Fill the queues. Returns the number of messages sent."""
    now, variables = utc_now(), environment()
    queues = (
        DueQueue(variables.queue_url, list(settings().partners), delivery_body, counts_in_flight=True),
        DueQueue(variables.message_queue_url, [MESSAGES_DUE], message_body),
        DueQueue(variables.fetch_queue_url, [FETCHES_DUE], fetch_body),
    )
    queued = sum(fill(queue, store().due, now, variables.max_queued) for queue in queues)
    count("ChecksQueued", queued)
    oldest = backlog().oldest_waiting()
    waits = 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())
    measure("OldestWaiting", waits, "Seconds")
    logger.info("queued", queued=queued, oldest_waits_seconds=round(waits))
    return {"queued": queued}


warm_up(environment, aws.sqs, settings, store, backlog)
