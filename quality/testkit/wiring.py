"""Who calls which function, as the template says."""

import json
import re
from collections.abc import Iterator
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


def passes_stream_filter(record: dict[str, Any]) -> bool:
    """Whether the stream's filter lets a record through."""
    stream = template()["Resources"]["PublishChanges"]["Properties"]["Events"]["Stream"]
    (filter_,) = stream["Properties"]["FilterCriteria"]["Filters"]
    wanted = json.loads(filter_["Pattern"])
    prefixes = tuple(one["prefix"] for one in wanted["dynamodb"]["Keys"]["sk"]["S"])
    return record["eventName"] in wanted["eventName"] and record["dynamodb"]["Keys"]["sk"]["S"].startswith(prefixes)
