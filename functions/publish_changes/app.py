"""The table's stream to the bus: everybody hears of what was written, and nobody has to write in two places."""

from __future__ import annotations

import json
import os
from functools import lru_cache
from typing import Any

from leadbridge import aws
from leadbridge.leads.changes import Bus, announcement
from leadbridge.leads.events import DeliveryChanged, Event, FetchChanged, LeadReceived, MessageChanged
from leadbridge.logs import count, logger, metrics
from leadbridge.starting import prepare


@lru_cache
def bus() -> Bus:
    """The bus of this stack."""
    return Bus(aws.eventbridge(), os.environ["BUS_NAME"])


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """DynamoDB stream records in, the first one that must come again out (all after it come again with it)."""
    told: list[tuple[str, Event]] = []
    for record in event["Records"]:
        try:
            announced = announcement(record)
        except Exception:  # the outermost edge: one record that cannot be read must not hold up all behind it
            count("RecordsUnreadable")
            logger.exception("a record cannot be read", keys=record["dynamodb"].get("Keys"))
            dead_letter(record)
            continue
        if announced is not None:
            told.append((record["dynamodb"]["SequenceNumber"], announced))
    refused = sorted(bus().publish([event for _, event in told]))
    count("EventsPublished", len(told) - len(refused))
    for _, announced in told:
        lead_id = announced.owner if isinstance(announced, MessageChanged) else announced.lead_id
        logger.info("published", lead_id=lead_id, event=announced.detail_type)
    if not refused:
        return {"batchItemFailures": []}
    count("EventsRefused", len(refused))
    return {"batchItemFailures": [{"itemIdentifier": told[refused[0]][0]}]}


def dead_letter(record: dict[str, Any]) -> None:
    """Put where an operator finds it which item's change could not be announced, and nothing of the item itself."""
    body = {"keys": record["dynamodb"].get("Keys"), "step": "publish", "reason": "the stream's record cannot be read"}
    aws.sqs().send_message(QueueUrl=os.environ["DEAD_LETTER_QUEUE_URL"], MessageBody=json.dumps(body))


EVENTS = (LeadReceived, DeliveryChanged, MessageChanged, FetchChanged)
prepare(bus, *(event.model_rebuild for event in EVENTS))
