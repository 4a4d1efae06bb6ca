"""Process a batch of SQS messages and return those that need a retry to the queue."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from leadbridge.runtime.logs import count, count_version_fault, logger

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

LOG_KEYS = ["lead_id", "partner", "message_id", "event_id"]  # that one message adds to its log lines
MAX_VISIBILITY = timedelta(hours=11, minutes=30)  # SQS allows 12 hours, counted from the receipt


def process_batch(
    event: dict[str, Any],
    work: Callable[[Any], timedelta | None],
    *,
    queue: SQSClient,
    queue_url: str | Callable[[Any], str],
) -> dict[str, Any]:
    """Call `work` with the JSON body of each message. Returns the partial batch response.

    `work` returns the time until the message is retried, or None if it is done. If `work` raises, the message is
    retried after the queue's visibility timeout, and moves to the dead-letter queue after too many deliveries. A failed
    message does not affect the others.

    `queue_url` is the queue of the messages, or a function that returns it for a body.
    """
    failures = []
    for record in event["Records"]:
        logger.remove_keys(LOG_KEYS)
        try:
            body = json.loads(record["body"])
            retry_after = work(body)
            if retry_after is not None:
                failures.append({"itemIdentifier": record["messageId"]})
                seconds = max(0, min(retry_after, MAX_VISIBILITY).total_seconds())
                queue.change_message_visibility(
                    QueueUrl=queue_url if isinstance(queue_url, str) else queue_url(body),
                    ReceiptHandle=record["receiptHandle"],
                    VisibilityTimeout=int(seconds + 0.999),
                )
        except Exception as error:  # the outermost edge: the other messages are processed anyway
            count("MessagesFailed")
            count_version_fault(error)
            logger.exception("the message could not be processed", sqs_message_id=record["messageId"])
            failure = {"itemIdentifier": record["messageId"]}
            if failure not in failures:
                failures.append(failure)
    return {"batchItemFailures": failures}


def ids_in(body: Any, read_event: Callable[[Any], Any], *names: str) -> tuple[list[str], bool]:
    """Return the ids in a message, and whether find_due sent it because its item is overdue.

    Any other message carries an event, which `read_event` parses. Raises its errors, and KeyError.
    """
    overdue = isinstance(body, dict) and body.get("overdue") is True
    if overdue:
        return [str(body[name]) for name in names], True
    event = read_event(body)
    return [getattr(event, name) for name in names], False
