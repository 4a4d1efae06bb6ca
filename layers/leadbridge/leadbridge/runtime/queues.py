"""Sending messages to SQS queues, with retries."""

from __future__ import annotations

import json
from typing import Any

from leadbridge.runtime import aws
from leadbridge.runtime.aws_errors import call_with_retries
from leadbridge.runtime.environment import DeadLetterEnvironment


def send(queue_url: str, body: dict[str, Any]) -> None:
    """Send a message. Throttling and time-outs are retried for two seconds. Raises Contended after that."""
    text = json.dumps(body, ensure_ascii=False)
    call_with_retries(lambda: aws.sqs().send_message(QueueUrl=queue_url, MessageBody=text))


def send_dead_letter(body: dict[str, Any]) -> None:
    """Send a message to the function's own dead-letter queue, `DEAD_LETTER_QUEUE_URL`. Raises Contended."""
    send(DeadLetterEnvironment.from_env().dead_letter_queue_url, body)
