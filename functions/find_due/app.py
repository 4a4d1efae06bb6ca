"""Every minute: which deliveries, messages, fetches want to be looked at? They go to queues, for workers to look.

And since when has the oldest lead been waiting?
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from itertools import batched
from typing import TYPE_CHECKING, Any

from leadbridge.domain.clock import utc_now
from leadbridge.runtime import aws
from leadbridge.runtime.environment import QueueEnvironment, SharedEnvironment, TableEnvironment, variable
from leadbridge.runtime.logs import count, logger, measure, metrics
from leadbridge.runtime.warmup import warm_up
from leadbridge.settings import settings
from leadbridge.storage.fetches import DUE_PARTITION as FETCHES_DUE
from leadbridge.storage.leads import DueItem, LeadRepository
from leadbridge.storage.messages import DUE_PARTITION
from leadbridge.storage.queries.backlog import BacklogMonitor
from leadbridge.storage.table import open_table

if TYPE_CHECKING:
    from mypy_boto3_sqs.literals import QueueAttributeNameType

PER_CALL = 10  # messages that SQS takes at once


class Environment(SharedEnvironment, TableEnvironment, QueueEnvironment):
    """The environment variables of this function."""

    message_queue_url: str
    fetch_queue_url: str
    max_queued: int = variable(int)


@lru_cache
def environment() -> Environment:
    """Return the environment variables."""
    return Environment.from_env()


@lru_cache
def store() -> LeadRepository:
    """The table of leads."""
    return LeadRepository(open_table())


@lru_cache
def watch() -> BacklogMonitor:
    """The watch over the same table."""
    return BacklogMonitor(open_table())


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """A schedule's tick in, how many were queued out.

    A queue is filled up to `MAX_QUEUED` and no further: however many deals are open, a tick stays short, and the
    next one goes on with those that are longest due. One that is queued twice is looked at once.
    """
    now = utc_now()
    most, checks, messages = environment().max_queued, environment().queue_url, environment().message_queue_url
    room = most - waiting(checks, "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    queued = fill(checks, room, list(settings().partners), now, delivery_body)
    # What is hidden there waits for its turn or for the morning, and takes nobody's room.
    room = most - waiting(messages, "ApproximateNumberOfMessages")
    queued += fill(messages, room, [DUE_PARTITION], now, message_body)
    fetches = environment().fetch_queue_url
    room = most - waiting(fetches, "ApproximateNumberOfMessages")
    queued += fill(fetches, room, [FETCHES_DUE], now, fetch_body)
    count("ChecksQueued", queued)
    oldest = watch().oldest_waiting()
    waits = 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())
    measure("OldestWaiting", waits, "Seconds")
    logger.info("queued", queued=queued, oldest_waits_seconds=round(waits))
    return {"queued": queued}


def fill(
    queue_url: str, room: int, partitions: list[str], now: datetime, body: Callable[[DueItem], dict[str, Any]]
) -> int:
    """Queue what is due in some partitions of the index, as far as there is room; return how many.

    They take turns, so that however much is due in one, the others have their share.
    """
    if room <= 0:
        return 0
    share = min(PER_CALL, max(1, room // len(partitions)))
    turns = deque(batched(store().due(partition, now, room), share, strict=False) for partition in partitions)
    queued = 0
    while turns and queued < room:
        due = next(turns[0], None)
        if due is None:
            turns.popleft()
            continue
        queued += send(queue_url, [body(one) for one in due[: room - queued]])
        turns.rotate(-1)
    return queued


def delivery_body(due: DueItem) -> dict[str, Any]:
    """What check_status is told."""
    return {"lead_id": due.owner, "partner": due.name}


def message_body(due: DueItem) -> dict[str, Any]:
    """What send_message is told of a message that nothing happened to when something should have."""
    return {"owner": due.owner, "message_id": due.name, "overdue": True}


def fetch_body(due: DueItem) -> dict[str, Any]:
    """What fetch_lead is told of a lead that nobody fetched when somebody should have."""
    return {"lead_id": due.owner, "overdue": True}


def waiting(queue_url: str, *kinds: QueueAttributeNameType) -> int:
    """How many messages of some kinds are in the queue already (SQS knows it roughly)."""
    found = aws.sqs().get_queue_attributes(QueueUrl=queue_url, AttributeNames=kinds)["Attributes"]
    return sum(int(number) for number in found.values())


def send(queue_url: str, bodies: list[dict[str, Any]]) -> int:
    """Queue some; return how many SQS took. What it did not take is still due at the next tick."""
    answer = aws.sqs().send_message_batch(
        QueueUrl=queue_url,
        Entries=[{"Id": str(number), "MessageBody": json.dumps(body)} for number, body in enumerate(bodies)],
    )
    if answer.get("Failed"):
        logger.warning("SQS did not take all", refused=len(answer["Failed"]))
    return len(answer.get("Successful", []))


warm_up(environment, aws.sqs, settings, store, watch)
