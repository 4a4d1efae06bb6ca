"""Send messages to SQS queues, with retries."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from itertools import batched
from math import ceil
from typing import TYPE_CHECKING, Any

from leadbridge.runtime import aws
from leadbridge.runtime.aws_errors import Contended, call_with_retries
from leadbridge.runtime.environment import DeadLetterEnvironment
from leadbridge.runtime.logs import logger

if TYPE_CHECKING:
    from mypy_boto3_sqs.literals import QueueAttributeNameType
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

MAX_BATCH = 10  # messages of one call
MAX_DELAY = timedelta(minutes=15)  # SQS's limit


def send(queue_url: str, body: dict[str, Any], delay: timedelta = timedelta()) -> None:
    """Send a message, which can be received after `delay`, at most `MAX_DELAY`.

    Throttling and time-outs are retried for two seconds. Raises Contended after that.
    """
    _send_text(queue_url, json.dumps(body, ensure_ascii=False), delay)


def _send_text(queue_url: str, text: str, delay: timedelta = timedelta()) -> None:
    seconds = ceil(min(delay, MAX_DELAY).total_seconds())
    delayed: Any = {"DelaySeconds": seconds} if seconds > 0 else {}
    call_with_retries(lambda: aws.sqs().send_message(QueueUrl=queue_url, MessageBody=text, **delayed))


def send_batch(queue_url: str, bodies: Sequence[dict[str, Any]]) -> int:
    """Send up to `MAX_BATCH` messages. Throttling, time-outs and rejected entries are retried for two seconds.

    Returns how many SQS accepted. Raises Contended if it accepted none.
    """
    pending: dict[str, SendMessageBatchRequestEntryTypeDef] = {
        str(number): {"Id": str(number), "MessageBody": json.dumps(body)} for number, body in enumerate(bodies)
    }

    def send_pending() -> None:
        answer = aws.sqs().send_message_batch(QueueUrl=queue_url, Entries=[*pending.values()])
        for entry in answer.get("Successful", []):
            pending.pop(entry["Id"])
        if pending:
            raise Contended

    try:
        call_with_retries(send_pending)
    except Contended:
        if len(pending) == len(bodies):
            raise
        logger.warning("SQS did not accept all messages", rejected=len(pending))
    return len(bodies) - len(pending)


def send_all(queue_url: str, bodies: Sequence[dict[str, Any]]) -> None:
    """Send any number of messages. Raises Contended if SQS did not accept all of them."""
    for some in batched(bodies, MAX_BATCH, strict=False):
        if send_batch(queue_url, some) < len(some):
            raise Contended


def queue_length(queue_url: str, *, with_in_flight: bool) -> int:
    """Return the approximate number of messages in a queue, including delayed ones."""
    kinds: list[QueueAttributeNameType] = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed"]
    if with_in_flight:
        kinds.append("ApproximateNumberOfMessagesNotVisible")
    found = aws.sqs().get_queue_attributes(QueueUrl=queue_url, AttributeNames=kinds)["Attributes"]
    return sum(int(number) for number in found.values())


def send_dead_letter(body: dict[str, Any]) -> None:
    """Send a message to the function's own dead-letter queue, `DEAD_LETTER_QUEUE_URL`. Raises Contended."""
    send(DeadLetterEnvironment.from_env().dead_letter_queue_url, body)


def send_dead_letter_text(text: str) -> None:
    """Send a message as it is to the function's own dead-letter queue. Raises Contended."""
    _send_text(DeadLetterEnvironment.from_env().dead_letter_queue_url, text)
