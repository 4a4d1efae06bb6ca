"""Checks a deployed stack: its answers, the account's concurrency, and the whole way of a test lead, which is removed.

Exits with 1 if something is wrong.

python -m infra.check dev                        the stack that samconfig.toml names for an environment
python -m infra.check --stack NAME               another
python -m infra.check --stack NAME --api URL     at another address than its output ApiUrl says, as on the emulator

Each question is asked again, a few times and some seconds apart, until the answer is right: a function that has just
been made may be slow to come. docs/deploy.md tells what each answer proves.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import boto3
import urllib3
from botocore.exceptions import BotoCoreError, ClientError

from infra import concurrency
from infra.asking import PROBLEM, Answer, Ask, Question, asked_over_http
from infra.concurrency import CONFIG
from infra.road import Road
from leadbridge.forms.base import adapter_named
from leadbridge.settings import Settings, self_check
from tools.config import read_toml

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

PROJECT = Path(__file__).parents[1]
TRIES, PAUSE = 4, 5.0  # for each question, and seconds between
# The outputs that explain where a lead stopped: the queue of each partner kind, and what no rule could deliver.
QUEUES = re.compile(r"Submit\w+(?<!DeadLetter)QueueUrl|EventDeadLetterQueueUrl")


class NotDeployed(Exception):
    """There is no such stack, or it is none of ours. The text says which."""


def questions(settings: Settings) -> list[Question]:
    """What a stack of this configuration is asked."""
    asked = [
        Question("GET", "/health", {200: None}),
        Question("GET", "/leads", {401: None}),
        # A token that is nobody's gets past the gateway to the function that knows the operators.
        Question("GET", "/leads", {401: None}, {"Authorization": f"Bearer {uuid4().hex}"}),
    ]
    for name, source in list(settings.sources.items())[:1]:
        # Without a proof it is the function that refuses, having read the secret; before the secret is put, for that.
        headers = {"Content-Type": adapter_named(source.adapter).content_types[0]}
        right = {401: "bad-proof", 503: "not-ready"}
        asked.append(Question("POST", f"/webhooks/{name}", right, headers, b"{}", stores=True))
    return asked


def is_right(question: Question, answer: Answer) -> bool:
    """Whether an answer is one of those by which all is well."""
    if answer.status not in question.right:
        return False
    problem = question.right[answer.status]
    if problem is None:
        return True
    return answer.content_type == "application/problem+json" and answer.content.get("type") == PROBLEM + problem


def check(
    api_url: str,
    asked: list[Question],
    ask: Ask,
    *,
    sleep: Callable[[float], None] = time.sleep,
    tell: Callable[[str], None] = print,
) -> bool:
    """Ask everything, and tell what was answered. Returns whether all answers were right."""
    found = [_is_well(api_url, question, ask, sleep, tell) for question in asked]
    return all(found)


def _is_well(
    api_url: str, question: Question, ask: Ask, sleep: Callable[[float], None], tell: Callable[[str], None]
) -> bool:
    said = ""
    for number in range(TRIES):
        if number:
            sleep(PAUSE)
        try:
            answer = ask(api_url, question)
        except urllib3.exceptions.HTTPError as error:
            said = f"no answer ({type(error).__name__})"
            continue
        said = str(answer)
        if is_right(question, answer):
            tell(f"{question}: {said}")
            return True
        if question.stores and answer.status < 300:
            break
    tell(f"{question}: {said}, and not {' or '.join(map(str, question.right))}")
    return False


@dataclass(frozen=True)
class Deployed:
    """A deployed stack: its outputs and parameters by name."""

    outputs: Mapping[str, str]
    parameters: Mapping[str, str]

    @property
    def environment(self) -> str:
        """The environment that it was deployed for."""
        return self.parameters["Environment"]


def stack_of(client: CloudFormationClient, name: str) -> Deployed:
    """Describe a stack. Raises NotDeployed, and botocore's errors."""
    try:
        [stack] = client.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if "does not exist" in error.response["Error"].get("Message", ""):
            raise NotDeployed(f"There is no stack {name} in this account and region.") from None
        raise
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}
    parameters = {one["ParameterKey"]: one["ParameterValue"] for one in stack.get("Parameters", [])}
    if "ApiUrl" not in outputs or "Environment" not in parameters:
        raise NotDeployed(f"The stack {name} is none of ours, or was never deployed to its end: it names no ApiUrl.")
    return Deployed(outputs, parameters)


def road_is_whole(found: Deployed, api_url: str, settings: Settings) -> bool:
    """Send the test lead through the whole stack. Raises botocore's errors."""
    if self_check.SOURCE not in settings.sources:
        print(f"the whole road: config/sources.toml has no source {self_check.SOURCE}, so it cannot be proven")
        return False
    name = f"{found.parameters['Prefix']}/{self_check.SOURCE}"
    text = boto3.client("secretsmanager", config=CONFIG).get_secret_value(SecretId=name)["SecretString"]
    (secret,) = self_check.signing_secrets(json.loads(text)) or [""]
    queues = {name.removesuffix("Url"): url for name, url in found.outputs.items() if QUEUES.fullmatch(name)}
    return Road(
        api_url,
        secret,
        found.outputs["TableName"],
        boto3.client("dynamodb", config=CONFIG),
        asked_over_http,
        boto3.client("sqs", config=CONFIG),
        queues,
    ).is_whole()


def main() -> int:
    """Read the arguments and ask."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.check", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    samconfig = tomllib.loads((PROJECT / "samconfig.toml").read_text(encoding="utf-8"))
    parser.add_argument("environment", nargs="?", help="whose stack samconfig.toml names: dev or prod")
    parser.add_argument("--stack", help="another stack")
    parser.add_argument("--api", help="another address than the stack's output ApiUrl")
    given = parser.parse_args()
    if not given.stack and given.environment not in ("dev", "prod"):
        print("Name the deployment: make check-deployed ENV=dev (or prod), or STACK=name.", file=sys.stderr)
        return 2
    name = given.stack or samconfig[given.environment]["global"]["parameters"]["stack_name"]
    try:
        concurrency.require_aws()
        found = stack_of(boto3.client("cloudformation", config=CONFIG), name)
        url = (given.api or found.outputs["ApiUrl"]).rstrip("/")
        settings = Settings.model_validate(read_toml(PROJECT / "config", found.environment))
        is_well = check(url, questions(settings), asked_over_http)
        if found.environment != "local":
            has_room = concurrency.check(
                boto3.client("lambda", config=CONFIG), found.parameters, refuses=found.environment == "prod"
            )
            is_well = is_well and has_room
        return 0 if is_well and road_is_whole(found, url, settings) else 1
    except (NotDeployed, concurrency.NotConfigured, ClientError, BotoCoreError) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
