"""The application in the template: the callers of each function, and its permissions.

The roles have exactly the permissions that the functions use (tests/contract/test_permissions.py).
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from devstack.template import read_template
from leadbridge.partners.registry import all_kinds

ROOT = Path(__file__).resolve().parents[2]
WRITES = {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem"}
READS = {"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"}
# The partner whose address is in a secret. Meta's is in the secret of the sources.
PARTNERS = {kind.name: kind.label for kind in all_kinds()} | {
    "leeloo": "Leeloo",
    "sources": "Meta's Graph",
    "feedback": "Trackers",
    "alerts": "Telegram, webhooks",
}


@dataclass(frozen=True)
class Function:
    """One function: its callers and its permissions."""

    name: str
    routes: tuple[str, ...]
    queues: tuple[str, ...]
    stream: bool
    schedule: str | None
    writes: bool
    reads: bool
    announces: bool
    sends_to: tuple[str, ...]
    failures_to: tuple[str, ...]
    partners: tuple[str, ...]

    @property
    def flow(self) -> str:
        """The name of its folder: receive_lead for ReceiveLead."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", self.name).lower()


@dataclass(frozen=True)
class Rule:
    """A rule of the bus."""

    name: str
    event: str
    detail: dict[str, list[Any]]
    queue: str

    @property
    def condition(self) -> str:
        """The event and its conditions, without those of every rule."""
        values = [str(value) for name, (value, *_) in self.detail.items() if name != "retry_scheduled"]
        return f"{self.event}: {', '.join(values)}"


@dataclass(frozen=True)
class Application:
    functions: tuple[Function, ...]
    rules: tuple[Rule, ...]
    queues: dict[str, str | None]
    """Each queue, and where a message goes that came back too often."""
    tables: tuple[str, ...]
    buses: tuple[str, ...]

    def function(self, name: str) -> Function:
        return next(one for one in self.functions if one.name == name)


@cache
def application() -> Application:
    """The application of template.yaml."""
    resources = read_template(ROOT / "template.yaml")["Resources"]
    queues = {
        name: _logical_id(properties.get("RedrivePolicy", {}).get("deadLetterTargetArn"))
        for name, properties in _of_type(resources, "AWS::SQS::Queue")
    }
    return Application(
        tuple(_function(resources, name, has) for name, has in _of_type(resources, "AWS::Serverless::Function")),
        tuple(_rule(name, properties) for name, properties in _of_type(resources, "AWS::Events::Rule")),
        queues,
        tuple(name for name, _ in _of_type(resources, "AWS::DynamoDB::Table")),
        tuple(name for name, _ in _of_type(resources, "AWS::Events::EventBus")),
    )


def _of_type(resources: dict[str, Any], kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((name, found["Properties"]) for name, found in resources.items() if found["Type"] == kind)


def _function(resources: dict[str, Any], name: str, properties: dict[str, Any]) -> Function:
    events = _by_type(properties.get("Events", {}))
    allowed = list(_allowed(resources, f"{name}Role"))
    secrets = [partner for _, target in allowed for partner in PARTNERS if f"/{partner}-" in target]
    sends = [target for action, target in allowed if action == "sqs:SendMessage"]
    calls_partners = not events["Api"]
    return Function(
        name,
        tuple(f"{event['Method']} {event['Path']}" for event in events["Api"]),
        tuple(str(_logical_id(event["Queue"])) for event in events["SQS"]),
        bool(events["DynamoDB"]),
        next((event["ScheduleExpression"] for event in events["ScheduleV2"]), None),
        writes=any(action in WRITES for action, _ in allowed),
        reads=any(action in READS for action, _ in allowed),
        announces=any(action == "events:PutEvents" for action, _ in allowed),
        sends_to=tuple(target for target in sends if "DeadLetter" not in target),
        failures_to=tuple(target for target in sends if "DeadLetter" in target),
        partners=tuple(PARTNERS[secret] for secret in secrets) if calls_partners else (),
    )


def _by_type(events: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in events.values():
        found[event["Type"]].append(event["Properties"])
    return found


def _allowed(resources: dict[str, Any], role: str) -> Iterator[tuple[str, str]]:
    """Every action of a role with each of its resources, by logical id if possible."""
    attached = [policy for _, policy in _of_type(resources, "AWS::IAM::Policy") if {"Ref": role} in policy["Roles"]]
    for policy in (*resources[role]["Properties"]["Policies"], *attached):
        for statement in policy["PolicyDocument"]["Statement"]:
            for action in _listed(statement["Action"]):
                for resource in _listed(statement["Resource"]):
                    yield action, _target(resource)


def _target(resource: Any) -> str:
    match resource:
        case {"Fn::GetAtt": [name, "StreamArn"]}:
            return f"{name} Stream"
        case {"Fn::GetAtt": [name, _]}:
            return str(name)
        case {"Fn::Sub": text}:
            return str(text)
        case _:
            return str(resource)


def _rule(name: str, properties: dict[str, Any]) -> Rule:
    pattern = properties["EventPattern"]
    (target,) = properties["Targets"]
    return Rule(name, pattern["detail-type"][0], pattern["detail"], str(_logical_id(target["Arn"])))


def _logical_id(value: Any) -> str | None:
    match value:
        case {"Fn::GetAtt": [name, _]}:
            return str(name)
        case _:
            return None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
