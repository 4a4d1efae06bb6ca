"""Who calls which function, as the template says."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from quality.testkit.template import resources, template


def events() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every event: its function, its name, itself."""
    for function, found in resources("AWS::Serverless::Function").items():
        for name, event in found["Properties"].get("Events", {}).items():
            yield function, name, event


def routes() -> dict[tuple[str, str], tuple[str, dict[str, Any]]]:
    """The routes, by method and path: which function answers, and the event's properties."""
    return {
        (event["Properties"]["Method"], event["Properties"]["Path"]): (function, event["Properties"])
        for function, _, event in events()
        if event["Type"] == "Api"
    }


def workers() -> list[tuple[str, str]]:
    """Which function works off which queue."""
    return [
        (event["Properties"]["Queue"]["Fn::GetAtt"][0], function)
        for function, _, event in events()
        if event["Type"] == "SQS"
    ]


def schedules() -> dict[str, str]:
    """The functions that schedules call, by the roles that SAM makes for that."""
    return {f"{function}{name}Role": function for function, name, event in events() if event["Type"] == "ScheduleV2"}


def queues(variable: str = "QUEUES") -> dict[str, str]:
    """The resources of the queues (or of the `DEAD_LETTER_QUEUES`) by the names that operators have for them."""
    variables = template()["Resources"]["ManageLeads"]["Properties"]["Environment"]["Variables"]
    return dict(re.findall(r'"([\w-]+)":"\$\{(\w+)\}"', variables[variable]["Fn::Sub"]))


def passes_stream_filter(record: Mapping[str, Any]) -> bool:
    """Whether a filter of publish_changes' stream lets a record through."""
    stream = template()["Resources"]["PublishChanges"]["Properties"]["Events"]["Stream"]
    filters = stream["Properties"]["FilterCriteria"]["Filters"]
    return any(_matches(json.loads(one["Pattern"]), record) for one in filters)


def _matches(pattern: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether a record has all that a pattern names; its lists are alternatives, and `prefix` the only operator."""
    for name, wanted in pattern.items():
        value = found.get(name)
        if isinstance(wanted, dict):
            if not isinstance(value, Mapping) or not _matches(wanted, value):
                return False
        elif not any(
            isinstance(value, str) and value.startswith(one["prefix"]) if isinstance(one, dict) else value == one
            for one in wanted
        ):
            return False
    return True
