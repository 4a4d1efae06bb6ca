"""Transient errors of AWS, and retries.

botocore retries throttling, time-outs and internal errors of a single call three times, within a few seconds. It does
not retry a canceled transaction or a write that conflicts with one.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection

# Throttling of DynamoDB, SQS, EventBridge, Secrets Manager, Lambda and KMS.
THROTTLED = frozenset(
    {
        *("ThrottlingException", "Throttling", "ThrottledException", "ThrottlingError", "RequestThrottled"),
        *("ProvisionedThroughputExceededException", "ProvisionedThroughputExceeded", "RequestLimitExceeded"),
        *("RequestThrottledException", "TooManyRequestsException", "OverLimit", "LimitExceededException"),
        *("KmsThrottled", "KMS.ThrottlingException", "EC2ThrottledException", "SlowDown"),
    }
)
# Conflicts with another write.
CONFLICTED = frozenset({"TransactionConflict", "TransactionConflictException", "TransactionInProgressException"})
# Faults inside AWS, including KMS.
INTERNAL = frozenset(
    {
        *("InternalServerError", "InternalServerErrorException", "InternalServiceError", "InternalFailure"),
        *("InternalException", "InternalError", "ServiceUnavailable", "ServiceUnavailableException"),
        *("RequestTimeout", "RequestTimeoutException", "PriorRequestNotComplete"),
        *("DependencyTimeoutException", "KMSInternalException", "KeyUnavailableException", "DecryptionFailure"),
    }
)
TRANSIENT = THROTTLED | CONFLICTED | INTERNAL
CANCELED = "TransactionCanceledException"
CONDITION_FAILED = "ConditionalCheckFailed"  # the reason in a canceled transaction

RETRY_FOR = 2.0  # seconds, the default
MAX_ATTEMPTS = 1000
FIRST_PAUSE = 0.02  # seconds; each pause is twice as long as the one before, with jitter
MAX_PAUSE = 1.0  # seconds


class Contended(Exception):
    """AWS did not accept a call within its retry time; the same call may succeed a little later."""


def is_transient(error: BaseException) -> bool:
    """Return whether an error is throttling, a conflict, a time-out or a fault inside AWS.

    A canceled transaction is transient if all of its reasons are.
    """
    match error:
        case Contended() | NoConnection() | HTTPClientError():  # no connection, time-out, incomplete response
            return True
        case ClientError():
            reasons = cancellation_reasons(error)
            if reasons:
                return set(reasons) - {"None"} <= TRANSIENT
            answer: Any = error.response
            status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            return code_of(error) in TRANSIENT or status >= 500
        case _:
            return False


def code_of(error: ClientError) -> str:
    """Return AWS's error code, empty if there is none."""
    return str(error.response.get("Error", {}).get("Code", ""))


def cancellation_reasons(error: ClientError) -> list[str]:
    """Return the cancellation codes of a transaction, one for each write; empty for other errors."""
    answer: Any = error.response
    return [str(reason.get("Code") or "None") for reason in answer.get("CancellationReasons", [])]


def call_with_retries[T](call: Callable[[], T], retry_for: float = RETRY_FOR) -> T:
    """Call AWS; retry transient errors with growing, jittered pauses.

    The call must be safe to repeat. It may raise Contended itself, for a response with unprocessed entries. Raises
    Contended after `retry_for` seconds, and other errors immediately.
    """
    ends = time.monotonic() + retry_for
    for number in range(MAX_ATTEMPTS):
        try:
            return call()
        except (ClientError, BotoCoreError, Contended) as error:
            if not is_transient(error):
                raise
            longest = min(FIRST_PAUSE * 2 ** min(number, 10), MAX_PAUSE)
            pause = longest * random.uniform(0.5, 1)  # noqa: S311 - nothing secret
            if time.monotonic() + pause >= ends:
                raise Contended from error
        time.sleep(pause)
    raise Contended
