"""The diagrams of docs/architecture.md: states as the code has them, and an overview as the template has it."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from leadbridge.domain.delivery import State
from leadbridge.domain.fetch import FetchState
from leadbridge.domain.message import MessageState
from quality.testkit.template import ROOT, resources
from tools.diagrams import PAGE, PLACE, TABLES, drawn, states

TEXT = PAGE.read_text(encoding="utf-8")
(OVERVIEW,) = re.findall(r"```mermaid\nflowchart LR\n(.*?)```", TEXT, re.DOTALL)
FUNCTIONS = resources("AWS::Serverless::Function")
SENDS = {"sqs:SendMessage", "events:PutEvents"}


def test_the_page_shows_what_would_be_drawn_now() -> None:
    assert drawn(TEXT) == TEXT, "make diagrams"
    assert sorted(place[1] for place in PLACE.finditer(TEXT)) == sorted(TABLES)


@pytest.mark.parametrize(("picture", "kind"), [("delivery", State), ("message", MessageState), ("fetch", FetchState)])
def test_every_state_is_shown(picture: str, kind: type[State] | type[MessageState] | type[FetchState]) -> None:
    words = re.findall(r"\w+", states(*TABLES[picture]))
    assert [state for state in kind if state.value not in words] == []


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def target(resource: Any) -> str:
    return str(resource["Fn::GetAtt"][0] if isinstance(resource, dict) and "Fn::GetAtt" in resource else resource)


def allowed(function: str) -> Iterator[tuple[str, str]]:
    """The actions of a function's role with their resources. A contract test compares them with what it does."""
    role = f"{function}Role"
    attached = [each["Properties"] for each in resources("AWS::IAM::Policy").values()]
    policies = [each for each in attached if {"Ref": role} in each["Roles"]]
    for policy in (*resources("AWS::IAM::Role")[role]["Properties"]["Policies"], *policies):
        for statement in policy["PolicyDocument"]["Statement"]:
            for action in listed(statement["Action"]):
                yield from ((action, target(resource)) for resource in listed(statement["Resource"]))


def arrows(function: str) -> Iterator[str]:
    """What the overview shows of a function's events and permissions."""
    events = [(one["Type"], one["Properties"]) for one in FUNCTIONS[function]["Properties"].get("Events", {}).values()]
    kinds = {kind for kind, _ in events}
    for kind, event in events:
        match kind:
            case "SQS":
                yield f"{target(event['Queue'])} --> {function}"
            case "DynamoDB":
                yield f"{target(event['Stream'])} -->|stream| {function}"
            case "ScheduleV2":
                every = re.sub(r"rate.(?:1 )?(.*).$", r"every\1", event["ScheduleExpression"]).replace(" ", "")
                yield f"{every} --> {function}"
            case "Api":
                path = event["Path"]
                forms = "forms" if path.startswith("/webhooks/") else "operators"
                yield f"{'Leeloosevents' if path.startswith('/partners/leeloo/') else forms} --> {function}"
    for action, to in allowed(function):
        if action in SENDS and "DeadLetter" not in to and (to == "Bus" or "ScheduleV2" in kinds):
            yield f"{function} --> {to}"
        if action == "dynamodb:UpdateItem" and kinds == {"Api"}:
            yield f"{function} --> Leads"


def test_the_overview_shows_what_calls_each_function_and_where_it_sends() -> None:
    expected = {arrow for function in FUNCTIONS for arrow in arrows(function)}
    assert len(expected) > 20
    others = re.compile(r'Bus -->|workers |.* --> \w+\(\["|.* --> Authorize$')  # rules, results, partners
    shown = [line.strip() for line in OVERVIEW.splitlines() if "->" in line]
    assert {re.sub(r'\(\[".*?"\]\)', "", line) for line in shown if not others.match(line)} == expected
    boxes = re.findall(r"^  [A-Z]\w+\[(\w+)\]$", OVERVIEW, re.MULTILINE)
    assert len(boxes) == len(FUNCTIONS)
    assert [name for name in boxes if not (ROOT / "functions" / name).is_dir()] == []


def test_the_overview_shows_every_rule_of_the_bus() -> None:
    rules = resources("AWS::Events::Rule")
    assert rules
    for name, rule in rules.items():
        (to,) = rule["Properties"]["Targets"]
        pattern = rule["Properties"]["EventPattern"]
        values = [str(value) for field, (value, *_) in pattern["detail"].items() if field != "retry_scheduled"]
        label = f"{name}<br/>{pattern['detail-type'][0]}: {', '.join(values)}"
        assert f'Bus -->|"{label}"| {target(to["Arn"])}' in OVERVIEW
