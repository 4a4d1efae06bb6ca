"""Who may do what by infra/github-role.yaml, judged as IAM judges: a denial wins, and what nothing allows is denied.

The stack deployed is `leadbridge` in account 111122223333. What AWS names, such as a queue, has a made-up ending.
"""

import json
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, NamedTuple

from devstack.template import read_template
from quality.testkit.aws.permissions import listed
from quality.testkit.fakes.processed import processed
from quality.testkit.template import ROOT

STACK, PREFIX, ACCOUNT, REGION = "leadbridge", "leadbridge", "111122223333", "eu-central-1"
GIVEN = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackName": STACK,
    "ApplicationStack": STACK,
    "GithubEnvironment": "prod",
    "Prefix": PREFIX,
    "Repository": "somebody/leadbridge",
}
IAM = f"arn:aws:iam::{ACCOUNT}"
BOUNDARY = f"{IAM}:policy/github/leadbridge-prod-github-Boundary-1X2Y3Z"
MADE = {
    "Artifacts": "leadbridge-prod-github-artifacts-1x2y3z",
    "Artifacts.Arn": "arn:aws:s3:::leadbridge-prod-github-artifacts-1x2y3z",
    "Boundary": BOUNDARY,
    "Builder.Arn": f"{IAM}:role/github/leadbridge-prod-github-Builder-1X2Y3Z",
    "Deployer.Arn": f"{IAM}:role/github/leadbridge-prod-github-Deployer-1X2Y3Z",
}
NAMED_BY = {
    "AWS::CloudWatch::Dashboard": "DashboardName",
    "AWS::Events::EventBus": "Name",
    "AWS::Events::Rule": "Name",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Lambda::LayerVersion": "LayerName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::Scheduler::Schedule": "Name",
    "AWS::SecretsManager::Secret": "Name",
    "AWS::WAFv2::WebACL": "Name",
}


class Call(NamedTuple):
    """One action on one resource, and what IAM is told beside."""

    action: str
    resource: str
    context: Mapping[str, str] = {}


def text(value: Any) -> str:
    """A value of either template, its references replaced."""
    match value:
        case str():
            return value
        case {"Ref": name}:
            return GIVEN.get(name) or MADE.get(name) or named(name)
        case {"Fn::GetAtt": parts}:
            return MADE[".".join(parts)]
        case {"Fn::Sub": str() as pattern}:
            return re.sub(r"\$\{([\w:.]+)\}", lambda found: GIVEN.get(found[1]) or MADE[found[1]], pattern)
    raise LookupError(f"no text for {value}")


def named(resource: str) -> str:
    """What a resource of the application is called: as the template says, else after the stack and its logical id."""
    found = processed(GradualDeployment="true")[resource]
    if found["Type"] in NAMED_BY:
        return text(found["Properties"][NAMED_BY[found["Type"]]])
    if found["Type"] == "AWS::Lambda::Alias":
        return text(found["Properties"]["FunctionName"])
    return f"{STACK}-{resource}-1X2Y3Z"


@cache
def template() -> dict[str, Any]:
    """The whole of infra/github-role.yaml."""
    return read_template(ROOT / "infra" / "github-role.yaml")


def properties(name: str) -> dict[str, Any]:
    """Of one of its resources."""
    found: dict[str, Any] = template()["Resources"][name]["Properties"]
    return found


@cache
def statements(name: str) -> list[dict[str, Any]]:
    """All that a role's own policies say, or a policy, its references replaced."""
    found = properties(name)
    documents = [policy["PolicyDocument"] for policy in found.get("Policies", [found])]
    return [
        {
            "Effect": one["Effect"],
            "Action": listed(one["Action"]),
            "Resource": [text(resource) for resource in listed(one["Resource"])],
            "Condition": {
                operator: {key: [text(value) for value in listed(values)] for key, values in wanted.items()}
                for operator, wanted in one.get("Condition", {}).items()
            },
        }
        for document in documents
        for one in document["Statement"]
    ]


def size(name: str) -> int:
    """How many characters a role's policies have, as IAM counts: without white space."""
    return len(json.dumps(statements(name), separators=(",", ":")))


def may(name: str, call: Call) -> bool:
    """Whether a role may make a call."""
    effects = {one["Effect"] for one in statements(name) if applies(one, call)}
    return effects == {"Allow"}


def applies(statement: dict[str, Any], call: Call) -> bool:
    """Whether a statement speaks of a call."""
    return (
        any(fnmatchcase(call.action.lower(), action.lower()) for action in statement["Action"])
        and any(fnmatchcase(call.resource, resource) for resource in statement["Resource"])
        and all(holds(operator, wanted, call) for operator, wanted in statement["Condition"].items())
    )


def holds(operator: str, wanted: dict[str, list[str]], call: Call) -> bool:
    """Whether a condition holds. A call tells one value of a key at most."""
    match operator:
        case "StringEquals":
            return all(call.context.get(key) in values for key, values in wanted.items())
        case "ForAllValues:StringEquals":  # of none it holds
            return all(call.context.get(key, values[0]) in values for key, values in wanted.items())
        case "Null":
            return all((key not in call.context) == (values == ["true"]) for key, values in wanted.items())
    raise AssertionError(f"{operator} is not judged here")


def denied(name: str, calls: Iterable[Call]) -> list[str]:
    """Which of the calls a role may not make."""
    return [f"{call.action} on {call.resource}" for call in calls if not may(name, call)]
