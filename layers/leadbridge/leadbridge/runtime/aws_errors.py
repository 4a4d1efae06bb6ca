"""Which errors of AWS are transient, so that the same call may succeed a little later.

botocore retries throttling, time-outs and internal errors of a single call three times, within a few seconds. It does
not retry a canceled transaction or a write that conflicts with one.
"""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection

# The codes for throttling of DynamoDB, SQS, EventBridge, Secrets Manager, Lambda and KMS.
THROTTLED = frozenset(
    {
        *("ThrottlingException", "Throttling", "ThrottledException", "ThrottlingError", "RequestThrottled"),
        *("ProvisionedThroughputExceededException", "ProvisionedThroughputExceeded", "RequestLimitExceeded"),
        *("RequestThrottledException", "TooManyRequestsException", "OverLimit", "LimitExceededException"),
        *("KmsThrottled", "KMS.ThrottlingException", "EC2ThrottledException", "SlowDown"),
    }
)
# Writes that conflicted with another write.
CONFLICTED = frozenset({"TransactionConflict", "TransactionConflictException", "TransactionInProgressException"})
# Faults inside AWS, those of the key service included.
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


class Contended(Exception):
    """AWS did not accept a call within its retry time; the same call may succeed a little later."""


def is_transient(error: BaseException) -> bool:
    """Return whether an error is throttling, a conflict, a time-out or a fault inside AWS.

    A canceled transaction is transient if all of its reasons are.
    """
    match error:
        case Contended() | NoConnection() | HTTPClientError():  # no connection, a time-out, or an incomplete response
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
    """Return AWS's code for an error, empty where it gives none."""
    return str(error.response.get("Error", {}).get("Code", ""))


def cancellation_reasons(error: ClientError) -> list[str]:
    """Return the codes by which a transaction was canceled, one for each of its writes; empty for other errors."""
    answer: Any = error.response
    return [str(reason.get("Code") or "None") for reason in answer.get("CancellationReasons", [])]
