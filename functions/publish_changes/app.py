"""Publish the table's stream to the event bus, so that no flow writes to two places."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from leadbridge.runtime.warmup import warm_up
from leadbridge.domain.clock import utc_now
from leadbridge.domain.errors.error_codes import ErrorCode, ErrorInfo
from leadbridge.domain.events import (
    DeliveryChanged,
    Event,
    FetchChanged,
    LeadIncomplete,
    LeadReceived,
    MessageChanged,
)
from leadbridge.runtime import aws
from leadbridge.runtime.environment import DeadLetterEnvironment, SharedEnvironment
from leadbridge.runtime.logs import count, count_for_source, logger, metrics
from leadbridge.runtime.queues import send_dead_letter
from leadbridge.settings import settings
from leadbridge.storage.stream import EventPublisher, event_of, is_retryable

UNREADABLE = ErrorInfo(ErrorCode.RECORD_INVALID, "the stream's record cannot be parsed")
SET_ASIDE_AFTER = timedelta(minutes=5)  # less than the 15 minutes after which the sweep queues waiting deliveries


class Environment(SharedEnvironment, DeadLetterEnvironment):
    """The environment variables of this function."""

    bus_name: str


environment = lru_cache(Environment.from_env)


@lru_cache
def bus() -> EventPublisher:
    """Make the event bus of this stack."""
    return EventPublisher(aws.eventbridge(), environment().bus_name)


def kind_of(partner: str) -> str | None:
    """Return the kind of a partner, by which a rule chooses the queue of its deliveries.

    Without one no rule takes the event: the delivery waits, and the sweep reports it, until the partner is configured.
    """
    configured = settings().partners.get(partner)
    if configured is None:
        count("PartnersUnknown")
        logger.error("the partner of a delivery is not in config/partners.toml", partner=partner)
        return None
    return configured.kind


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Process DynamoDB stream records. Returns the first one to retry; Lambda also retries all records after it.

    A record that would block the others goes to the dead-letter queue: immediately if the bus rejects its event
    permanently, after `SET_ASIDE_AFTER` if the bus accepts others but not this one. While the bus accepts none, all are
    retried. Events of a call that failed as a whole are always retried: the next call may be accepted.
    """
    announcements: list[tuple[dict[str, Any], Event]] = []
    for record in event["Records"]:
        try:
            announced = event_of(record, kind_of)
        except Exception:  # the outermost edge: a malformed record must not block the others
            count("RecordsUnreadable")
            logger.exception("a record cannot be parsed", keys=record["dynamodb"].get("Keys"))
            dead_letter(record, UNREADABLE)
            continue
        if announced is not None:
            announcements.append((record, announced))
    rejected = dict(bus().publish([event for _, event in announcements]))
    accepts_some = len(rejected) < len(announcements)
    to_retry: list[int] = []
    count("EventsPublished", len(announcements) - len(rejected))
    for number, (record, announced) in enumerate(announcements):
        lead_id = announced.owner if isinstance(announced, MessageChanged) else announced.lead_id
        rejection = rejected.get(number)
        if rejection is None:
            logger.info("published", lead_id=lead_id, event=announced.detail_type)
            if isinstance(announced, LeadIncomplete):
                count_for_source("LeadsIncomplete", announced.source)
        elif is_retryable(rejection) and (rejection.of_call or not accepts_some or age(record) <= SET_ASIDE_AFTER):
            to_retry.append(number)
        else:
            code = rejection.code
            count("EventsRejected")
            logger.error("the bus rejects an event", lead_id=lead_id, event=announced.detail_type, code=code)
            text = f"the bus rejects the event: {code}"
            dead_letter(record, ErrorInfo(ErrorCode.EVENT_REJECTED, text, {"cause": code}))
    if not to_retry:
        return {"batchItemFailures": []}
    count("EventsRetried", len(to_retry))
    first = announcements[to_retry[0]][0]["dynamodb"]["SequenceNumber"]
    logger.warning("not all events were published", codes=sorted({rejected[number].code for number in to_retry}))
    return {"batchItemFailures": [{"itemIdentifier": first}]}


def age(record: dict[str, Any]) -> timedelta:
    """Return the age of a record."""
    created = record["dynamodb"].get("ApproximateCreationDateTime")
    return timedelta() if created is None else utc_now() - datetime.fromtimestamp(float(created), UTC)


def dead_letter(record: dict[str, Any], error: ErrorInfo) -> None:
    """Send the keys of an item whose change was not published to the dead-letter queue. No other data is sent."""
    body = {"keys": record["dynamodb"].get("Keys"), "step": "publish", **error.dead_letter}
    send_dead_letter(body)


def warm_up_postbacks() -> None:
    """Build the event of postbacks if a source has a tracker."""
    if settings().feedback:
        from leadbridge.domain.feedback.events import PostbackChanged
        from leadbridge.storage.feedback.postbacks import postback_of  # noqa: F401 - the import is the work

        PostbackChanged.model_rebuild()


EVENTS = (LeadReceived, LeadIncomplete, DeliveryChanged, MessageChanged, FetchChanged)
warm_up(environment, bus, settings, *(event.model_rebuild for event in EVENTS), warm_up_postbacks)
