"""Compare the concurrency that the template may use with the account's quota, before a deployment.

It refuses prod (exit 1) and warns for dev if the quota is too small. New accounts have a quota of 10. Lambda then
throttles the forms' function, and the gateway answers 5xx.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Mapping
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from botocore.exceptions import ClientError

from devstack.template import read_template
from leadbridge_cli.cloud import Cloud, aws_errors
from leadbridge_cli.exit_codes import Failure

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

PROJECT = Path(__file__).parents[1]
SAMCONFIG = tomllib.loads((PROJECT / "samconfig.toml").read_text(encoding="utf-8"))
SHARDS = 4  # of the stream of a new table on demand
SECONDS_PER_POST = 0.2  # the forms' function takes less
HINT = "Request a higher quota (Service Quotas, AWS Lambda, Concurrent executions) or lower the concurrency parameters"


def needed(template: Mapping[str, Any], parameters: Mapping[str, str]) -> dict[str, int]:
    """Return how many unreserved executions each function of the template may use at once."""
    given = {name: str(one.get("Default", "")) for name, one in template["Parameters"].items()} | dict(parameters)

    def value(found: Any) -> int:
        return int(given[found["Ref"]] if isinstance(found, Mapping) else found)

    wanted: dict[str, int] = {}
    for name, resource in template["Resources"].items():
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        from_queues = 0
        wanted[name] = 1  # a schedule, an authorizer, an operator
        for event in resource["Properties"].get("Events", {}).values():
            match event["Type"]:
                case "SQS":
                    from_queues += value(event["Properties"]["ScalingConfig"]["MaximumConcurrency"])
                    wanted[name] = from_queues
                case "DynamoDB":
                    wanted[name] = SHARDS * value(event["Properties"].get("ParallelizationFactor", 1))
    is_reserved = int(given["ReservedConcurrency"]) > 0
    wanted["ReceiveLead"] = 0 if is_reserved else ceil(float(given["ThrottleRate"]) * SECONDS_PER_POST)
    return wanted


def check(
    client: LambdaClient, parameters: Mapping[str, str], *, refuses: bool, tell: Callable[[str], None] = print
) -> bool:
    """Report the numbers; return False if the quota is too small and `refuses` is set.

    If Lambda refuses to return the quota, that is a warning.
    """
    try:
        quota = client.get_account_settings()["AccountLimit"]
    except ClientError as error:
        tell(
            f"concurrency: Lambda did not return the account's quota ({error}). Compare it: docs/deploy.md#concurrency"
        )
        return True
    wanted = needed(read_template(PROJECT / "template.yaml"), parameters)
    total, unreserved = sum(wanted.values()), quota["UnreservedConcurrentExecutions"]
    largest = sorted(wanted.items(), key=lambda one: (-one[1], one[0]))[:4]
    parts = ", ".join(f"{name} {number}" for name, number in largest)
    text = (
        f"concurrency: the functions may use {total} executions at once ({parts}, …); the account has"
        f" {quota['ConcurrentExecutions']} in this region, of which {unreserved} are unreserved"
    )
    suffices = total <= unreserved
    tell(text if suffices else f"{text}. {HINT}: docs/deploy.md#concurrency")
    return suffices or not refuses


def parameters_of(environment: str, given: str = "") -> dict[str, str]:
    """Return the parameters of a deployment: those that are given, else those of samconfig.toml."""
    words = (given or SAMCONFIG[environment]["deploy"]["parameters"]["parameter_overrides"]).split()
    return dict(word.split("=", 1) for word in words if "=" in word)


def main(
    environment: Literal["dev", "prod"],
    parameters: Annotated[str, typer.Option(help="As `sam deploy --parameter-overrides` takes them.")] = "",
) -> None:
    """Compare what a deployment may use with the account's quota."""
    given = parameters_of(environment, parameters)
    try:
        with aws_errors("the account's concurrency"):
            client = Cloud(None, None, None, None).client("lambda")
            is_right = check(client, given, refuses=given.get("Environment", environment) == "prod")
    except Failure as error:
        sys.exit(error.text)
    raise typer.Exit(0 if is_right else 1)


if __name__ == "__main__":
    typer.run(main)
