"""Every minute: which deliveries want to be looked at? They go to the queue, and workers do the looking."""

from __future__ import annotations

import json
import os
from functools import lru_cache
from itertools import batched
from typing import Any

from leadbridge import aws
from leadbridge.clock import utc_now
from leadbridge.leads.store import Due, Store
from leadbridge.logs import count, logger, metrics
from leadbridge.settings import settings

PER_CALL = 10  # messages that SQS takes at once


@lru_cache
def store() -> Store:
    """The table of leads."""
    return Store(aws.dynamodb(), os.environ["TABLE_NAME"])


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """A schedule's tick in, how many deliveries were queued out.

    The queue is filled up to `MOST_WAITING` and no further: however many deals are open, a tick stays short, and the
    next one goes on with those that are longest due. One that is queued twice is looked at once.
    """
    room = int(os.environ["MOST_WAITING"]) - waiting()
    queued = 0
    for partner in settings().partners:
        if room - queued > 0:
            for due in batched(store().due(partner, utc_now(), room - queued), PER_CALL, strict=False):
                queued += send(due)
    count("ChecksQueued", queued)
    logger.info("queued", queued=queued, room=room)
    return {"queued": queued}


def waiting() -> int:
    """How many checks are in the queue already, being worked on or not (SQS knows it roughly)."""
    found = aws.sqs().get_queue_attributes(
        QueueUrl=os.environ["QUEUE_URL"],
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )["Attributes"]
    return sum(int(number) for number in found.values())


def send(due: tuple[Due, ...]) -> int:
    """Queue some deliveries; return how many SQS took. What it did not take is still due at the next tick."""
    answer = aws.sqs().send_message_batch(
        QueueUrl=os.environ["QUEUE_URL"],
        Entries=[
            {"Id": str(number), "MessageBody": json.dumps({"lead_id": item.lead_id, "partner": item.partner})}
            for number, item in enumerate(due)
        ],
    )
    if answer.get("Failed"):
        logger.warning("SQS did not take all", refused=len(answer["Failed"]))
    return len(answer.get("Successful", []))
