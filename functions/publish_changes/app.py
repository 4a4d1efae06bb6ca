"""Publish the table's stream to the bus, so that no flow has to write in two places."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from leadbridge.domain.clock import utc_now
from leadbridge.domain.errors.error_codes import ErrorCode, ErrorInfo
from leadbridge.domain.events import DeliveryChanged, Event, FetchChanged, LeadReceived, MessageChanged
from leadbridge.runtime import aws
from leadbridge.runtime.environment import DeadLetterEnvironment, SharedEnvironment
from leadbridge.runtime.logs import count, logger, metrics
from leadbridge.runtime.queues import send_dead_letter
from leadbridge.runtime.warmup import warm_up
from leadbridge.storage.stream import NO_ANSWER, EventPublisher, event_of, is_retryable

UNREADABLE = ErrorInfo(ErrorCode.RECORD_INVALID, "the stream's record cannot be read")
SET_ASIDE_AFTER = timedelta(minutes=5)  # shorter than the 15 minutes after which the sweep sends what waits


class Environment(SharedEnvironment, DeadLetterEnvironment):
    """The environment variables of this function."""

    bus_name: str


@lru_cache
def environment() -> Environment:
    """Return the environment variables."""
    return Environment.from_env()


@lru_cache
def bus() -> EventPublisher:
    """The bus of this stack."""
    return EventPublisher(aws.eventbridge(), environment().bus_name)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Receive DynamoDB stream records; return the first one to retry. Lambda retries all records after it too.

    A record that would hold up the others goes to the dead-letter queue: at once if the bus rejects its event for good,
    after `SET_ASIDE_AFTER` if the bus accepts others but not this one. While the bus accepts none, all are retried.
    """
    announcements: list[tuple[dict[str, Any], Event]] = []
    for record in event["Records"]:
        try:
            announced = event_of(record)
        except Exception:  # the outermost edge: one record that cannot be read must not hold up all behind it
            count("RecordsUnreadable")
            logger.exception("a record cannot be read", keys=record["dynamodb"].get("Keys"))
            dead_letter(record, UNREADABLE)
            continue
        if announced is not None:
            announcements.append((record, announced))
    refused = dict(bus().publish([event for _, event in announcements]))
    accepts = len(refused) < len(announcements)
    again: list[int] = []
    count("EventsPublished", len(announcements) - len(refused))
    for number, (record, announced) in enumerate(announcements):
        lead_id = announced.owner if isinstance(announced, MessageChanged) else announced.lead_id
        code = refused.get(number)
        if code is None:
            logger.info("published", lead_id=lead_id, event=announced.detail_type)
        elif is_retryable(code) and not (accepts and code != NO_ANSWER and age(record) > SET_ASIDE_AFTER):
            again.append(number)
        else:
            count("EventsRejected")
            logger.error("the bus rejects an event", lead_id=lead_id, event=announced.detail_type, code=code)
            text = f"the bus rejects the event: {code}"
            dead_letter(record, ErrorInfo(ErrorCode.EVENT_REJECTED, text, {"cause": code}))
    if not again:
        return {"batchItemFailures": []}
    count("EventsRefused", len(again))
    first = announcements[again[0]][0]["dynamodb"]["SequenceNumber"]
    logger.warning("not all were published", refused=len(again), codes=sorted({refused[number] for number in again}))
    return {"batchItemFailures": [{"itemIdentifier": first}]}


def age(record: dict[str, Any]) -> timedelta:
    """Return how long ago a record's change was made."""
    created = record["dynamodb"].get("ApproximateCreationDateTime")
    return timedelta() if created is None else utc_now() - datetime.fromtimestamp(float(created), UTC)


def dead_letter(record: dict[str, Any], error: ErrorInfo) -> None:
    """Send the keys of an item whose change was not published to the dead-letter queue, and nothing else of it."""
    body = {"keys": record["dynamodb"].get("Keys"), "step": "publish", **error.letter}
    send_dead_letter(body)


EVENTS = (LeadReceived, DeliveryChanged, MessageChanged, FetchChanged)
warm_up(environment, bus, *(event.model_rebuild for event in EVENTS))
