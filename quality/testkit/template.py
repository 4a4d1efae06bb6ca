"""The deployed template as the tests read it, so that a table in a test is the table that is deployed."""

from functools import cache
from pathlib import Path
from typing import Any

from devstack.template import read_template

ROOT = Path(__file__).resolve().parents[2]


@cache
def template() -> dict[str, Any]:
    """The whole of template.yaml."""
    return read_template(ROOT / "template.yaml")


def resources(kind: str) -> dict[str, dict[str, Any]]:
    """The resources of one type, by logical id."""
    return {name: found for name, found in template()["Resources"].items() if found["Type"] == kind}


def variables_of(flow: str) -> dict[str, Any]:
    """The environment variables that the template defines for the function of a flow alone."""
    functions = resources("AWS::Serverless::Function").values()
    variables: list[dict[str, Any]] = [found["Properties"]["Environment"]["Variables"] for found in functions]
    return next(one for one in variables if one["LEADBRIDGE_FLOW"] == flow)


def role_statements(function: str) -> list[dict[str, Any]]:
    """Return the statements of a function's role: its own policy and those attached to it."""
    role = resources("AWS::IAM::Role")[f"{function}Role"]["Properties"]
    assert "ManagedPolicyArns" not in role
    attached = [one["Properties"] for one in resources("AWS::IAM::Policy").values()]
    policies = [*role["Policies"], *(one for one in attached if {"Ref": f"{function}Role"} in one["Roles"])]
    return [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]


def table_definition(name: str) -> dict[str, Any]:
    """What CreateTable wants to make the Leads table under another name."""
    properties = template()["Resources"]["Leads"]["Properties"]
    kept = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
    return {"TableName": name, **{key: properties[key] for key in kept}}
