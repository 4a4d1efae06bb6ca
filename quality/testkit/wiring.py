"""Who calls which function, as the template says."""

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from quality.testkit.template import resources, template


@cache
def events() -> list[tuple[str, str, dict[str, Any]]]:
    """Every event: its function, its name, itself."""
    return [
        (function, name, event)
        for function, found in resources("AWS::Serverless::Function").items()
        for name, event in found["Properties"].get("Events", {}).items()
    ]


@cache
def routes() -> dict[tuple[str, str], tuple[str, dict[str, Any]]]:
    """The routes, by method and path: which function answers, and the event's properties."""
    return {
        (event["Properties"]["Method"], event["Properties"]["Path"]): (function, event["Properties"])
        for function, _, event in events()
        if event["Type"] == "Api"
    }


@cache
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


@cache
def stream_mappings() -> list[tuple[str, dict[str, Any]]]:
    """Which function reads the table's stream, and the mapping's properties."""
    return [(function, event["Properties"]) for function, _, event in events() if event["Type"] == "DynamoDB"]


def passes_stream_filter(record: Mapping[str, Any], function: str = "PublishChanges") -> bool:
    """Whether a filter of the function's mapping lets a stream record through."""
    return any(matches(pattern, record) for pattern in _patterns(function))


@cache
def _patterns(function: str) -> list[Any]:
    """The filters of a function's mapping."""
    return [
        json.loads(one["Pattern"])
        for name, properties in stream_mappings()
        if name == function
        for one in properties["FilterCriteria"]["Filters"]
    ]


def matches(pattern: Any, value: Any) -> bool:
    """Whether a value matches a filter's pattern, as Lambda evaluates it."""
    if isinstance(pattern, dict):
        found: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
        return all(matches(one, found.get(name)) for name, one in pattern.items())
    return any(_is_allowed(one, value) for one in pattern)


def _is_allowed(allowed: Any, value: Any) -> bool:
    match allowed:
        case {"prefix": prefix}:
            return isinstance(value, str) and value.startswith(prefix)
        case {"anything-but": others}:
            return value is not None and value not in (others if isinstance(others, list) else [others])
        case {"exists": is_there}:
            return (value is not None) is bool(is_there)
        case _:
            return bool(value == allowed)
