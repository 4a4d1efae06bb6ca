"""The logs of a stack's functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from devstack.clients import CONFIG, Emulator

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

MAX_TRIES = 5


@dataclass(frozen=True)
class LogLine:
    group: str
    at: int
    """Milliseconds since 1970."""
    text: str


def read_logs(aws: Emulator) -> list[LogLine]:
    """Every line of all log groups, oldest first."""
    logs = aws.session.client("logs", endpoint_url=aws.url, config=CONFIG)
    groups = _groups(logs)
    lines = [
        LogLine(group, event["timestamp"], event["message"].rstrip("\n"))
        for group in groups
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group)
        for event in page["events"]
    ]
    return sorted(lines, key=lambda line: line.at)


def _groups(logs: CloudWatchLogsClient) -> list[str]:
    """The names of all log groups. The emulator returns an error while a function creates a group."""
    for remaining in reversed(range(MAX_TRIES)):
        try:
            pages = logs.get_paginator("describe_log_groups").paginate()
            return [group["logGroupName"] for page in pages for group in page["logGroups"]]
        except logs.exceptions.ClientError as error:
            if not remaining or error.response["Error"]["Code"] != "InternalError":
                raise
    raise AssertionError("the last try returns or raises")
