"""Process a batch of queue messages, each on its own, and return those to the queue that need a retry."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from leadbridge.runtime.logs import count, count_version_fault, logger

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MAX_WAIT = timedelta(hours=11, minutes=30)  # SQS hides a message for 12 hours at most, counted from its receipt


def process_batch(
    event: dict[str, Any],
    work: Callable[[Any], timedelta | None],
    *,
    queue: SQSClient,
    queue_url: str | Callable[[Any], str],
) -> dict[str, Any]:
    """Do `work` on each message's JSON body; return the partial batch response.

    `work` returns the time until the queue delivers the message again, or None if it is done. A message whose work
    raises is delivered again after the queue's visibility timeout, and moves to the dead-letter queue after too many
    deliveries. A message that fails does not affect the others.

    `queue_url` is the queue of the messages. A function with several queues finds it by the message's body.
    """
    failures = []
    for record in event["Records"]:
        logger.remove_keys(["lead_id", "partner", "message_id"])
        try:
            body = json.loads(record["body"])
            retry_after = work(body)
            if retry_after is not None:
                failures.append({"itemIdentifier": record["messageId"]})
                seconds = max(0, min(retry_after, MAX_WAIT).total_seconds())
                queue.change_message_visibility(
                    QueueUrl=queue_url if isinstance(queue_url, str) else queue_url(body),
                    ReceiptHandle=record["receiptHandle"],
                    VisibilityTimeout=int(seconds + 0.999),
                )
        except Exception as error:  # the outermost edge: the other messages are processed all the same
            count("MessagesFailed")
            count_version_fault(error)
            logger.exception("a message could not be worked on", sqs_message_id=record["messageId"])
            failure = {"itemIdentifier": record["messageId"]}
            if failure not in failures:
                failures.append(failure)
    return {"batchItemFailures": failures}
