"""Reading what the functions of a stack have logged."""

from dataclasses import dataclass

from local.clients import CONFIG, Emulator


@dataclass(frozen=True)
class LogLine:
    group: str
    at: int
    """Milliseconds since 1970."""
    text: str


def read_logs(aws: Emulator) -> list[LogLine]:
    """Every line in every log group, oldest first."""
    logs = aws.session.client("logs", endpoint_url=aws.url, config=CONFIG)
    groups = [
        group["logGroupName"]
        for page in logs.get_paginator("describe_log_groups").paginate()
        for group in page["logGroups"]
    ]
    lines = [
        LogLine(group, event["timestamp"], event["message"].rstrip("\n"))
        for group in groups
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group)
        for event in page["events"]
    ]
    return sorted(lines, key=lambda line: line.at)
