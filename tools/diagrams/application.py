"""The application in the template: the callers of each function, and its permissions.

The roles have exactly the permissions that the functions use (tests/contract/test_permissions.py).
"""

import re
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
    """One function: its callers and its permissions. `sends_to` are queues and the bus."""

    name: str
    routes: tuple[str, ...]
    queues: tuple[str, ...]
    stream: bool
    every: str
    table: str
    sends_to: tuple[str, ...]
    failures_to: tuple[str, ...]
    partners: tuple[str, ...]

    @property
    def flow(self) -> str:
        """The name of its folder: receive_lead for ReceiveLead."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", self.name).lower()


@dataclass(frozen=True)
class Rule:
    """A rule of the bus. `condition` has the event and what only this rule asks for."""

    name: str
    condition: str
    queue: str


@dataclass(frozen=True)
class Application:
    """The functions and rules, and each queue with its dead-letter queue if it has one."""

    functions: tuple[Function, ...]
    rules: tuple[Rule, ...]
    queues: dict[str, str]


@cache
def application() -> Application:
    """The application of template.yaml."""
    resources = read_template(ROOT / "template.yaml")["Resources"]
    queues = {
        name: found["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0] if "RedrivePolicy" in found else ""
        for name, found in _of_type(resources, "AWS::SQS::Queue")
    }
    functions = _of_type(resources, "AWS::Serverless::Function")
    return Application(
        tuple(_function(name, found, list(_allowed(resources, f"{name}Role")), queues) for name, found in functions),
        tuple(_rule(name, properties) for name, properties in _of_type(resources, "AWS::Events::Rule")),
        queues,
    )


def _of_type(resources: dict[str, Any], kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((name, found["Properties"]) for name, found in resources.items() if found["Type"] == kind)


def _function(
    name: str, properties: dict[str, Any], allowed: list[tuple[str, str]], dead_letters: dict[str, str]
) -> Function:
    def events(kind: str) -> list[dict[str, Any]]:
        return [one["Properties"] for one in properties.get("Events", {}).values() if one["Type"] == kind]

    actions = {action for action, _ in allowed}
    sends = [target for action, target in allowed if action in {"sqs:SendMessage", "events:PutEvents"}]
    queues = tuple(event["Queue"]["Fn::GetAtt"][0] for event in events("SQS"))
    calls = [label for _, target in allowed for secret, label in PARTNERS.items() if f"/{secret}-" in target]
    return Function(
        name,
        routes=tuple(f"{event['Method']} {event['Path']}" for event in events("Api")),
        queues=queues,
        stream=bool(events("DynamoDB")),
        every="".join(_every(event["ScheduleExpression"]) for event in events("ScheduleV2")),
        table="writes" if actions & WRITES else "reads" if actions & READS else "",
        sends_to=tuple(target for target in sends if "DeadLetter" not in target),
        failures_to=tuple(target for target in sends if "DeadLetter" in target)
        or tuple(dead_letters[queue] for queue in queues if dead_letters[queue]),
        partners=() if events("Api") else tuple(calls),
    )


def _every(rate: str) -> str:
    number, unit = rate.removeprefix("rate(").removesuffix(")").split()
    return f"every {unit}" if number == "1" else f"every {number} {unit}"


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
        case _:
            return str(resource)


def _rule(name: str, properties: dict[str, Any]) -> Rule:
    pattern = properties["EventPattern"]
    values = [str(value) for field, (value, *_) in pattern["detail"].items() if field != "retry_scheduled"]
    (target,) = properties["Targets"]
    return Rule(name, f"{pattern['detail-type'][0]}: {', '.join(values)}", target["Arn"]["Fn::GetAtt"][0])


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
