"""Errors as AWS answers them."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError


def aws_error(code: str, operation: str = "PutItem", *, status: int = 400, **more: Any) -> ClientError:
    """An error as botocore raises it; `more` is what the answer holds besides."""
    answer: Any = {"Error": {"Code": code, "Message": "…"}, "ResponseMetadata": {"HTTPStatusCode": status}, **more}
    return ClientError(answer, operation)


def canceled(*reasons: str) -> ClientError:
    """A transaction that AWS canceled, with one reason for each of its writes."""
    codes = [{"Code": reason} for reason in reasons]
    return aws_error("TransactionCanceledException", "TransactWriteItems", CancellationReasons=codes)
