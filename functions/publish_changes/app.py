"""The table's stream to the bus: everybody hears of what was written, and nobody has to write in two places."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

from leadbridge import aws
from leadbridge.leads.changes import Bus, announcement
from leadbridge.leads.events import Event, MessageChanged
from leadbridge.logs import count, logger, metrics


@lru_cache
def bus() -> Bus:
    """The bus of this stack."""
    return Bus(aws.eventbridge(), os.environ["BUS_NAME"])


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """DynamoDB stream records in, the first one that must come again out (all after it come again with it)."""
    told: list[tuple[str, Event]] = []
    first_failed: str | None = None
    for record in event["Records"]:
        sequence_number = record["dynamodb"]["SequenceNumber"]
        try:
            announced = announcement(record)
        except Exception:  # the outermost edge: a record that cannot be read holds up those behind it, not those before
            logger.exception("a record cannot be read", sequence_number=sequence_number)
            first_failed = sequence_number
            break
        if announced is not None:
            told.append((sequence_number, announced))
    refused = sorted(bus().publish([event for _, event in told]))
    count("EventsPublished", len(told) - len(refused))
    for _, announced in told:
        lead_id = announced.owner if isinstance(announced, MessageChanged) else announced.lead_id
        logger.info("published", lead_id=lead_id, event=announced.detail_type)
    if refused:
        count("EventsRefused", len(refused))
        first_failed = told[refused[0]][0]
    return {"batchItemFailures": [{"itemIdentifier": first_failed}] if first_failed is not None else []}
