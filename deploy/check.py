"""Asks a deployed stack whether it answers as it should, and ends with 1 where it does not. Nothing is stored by it.

python -m deploy.check dev                        the stack that samconfig.toml names for an environment
python -m deploy.check --stack NAME               another
python -m deploy.check --stack NAME --api URL     at another address than its output ApiUrl says, as on the emulator

Each question is asked again, a few times and some seconds apart, until the answer is right: a function that has just
been made may be slow to come. docs/deploy.md tells what each answer proves.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import urllib3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from leadbridge.forms.adapter import adapter_named
from leadbridge.settings import Settings
from leadbridge.shipping import read_toml

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

PROJECT = Path(__file__).parents[1]
TRIES, PAUSE = 4, 5.0  # for each question, and seconds between
PATIENCE = 20.0  # seconds that one answer may take; a form's function has 15
PROBLEM = "urn:leadbridge:problem:"
CONFIG = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 3})


class NotDeployed(Exception):
    """There is no such stack, or it is none of ours. The text says which."""


@dataclass(frozen=True)
class Question:
    """One request, and by which answers all is well: a status, with the problem it must tell of where it is a refusal.

    `stores` says whether the answer 2xx would mean that something was stored: then it is not asked twice.
    """

    method: str
    path: str
    right: Mapping[int, str | None]
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    stores: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Answer:
    """What came back; `content` is the JSON in the body, empty where there is none."""

    status: int
    content_type: str
    content: Mapping[str, Any]

    def __str__(self) -> str:
        told = str(self.content.get("type", "")).removeprefix(PROBLEM)
        return f"{self.status} {told}".strip()


Ask = Callable[[str, Question], Answer]
"""Ask at an address, once. Raises urllib3's HTTPError where nobody answers in time."""


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


def asked_over_http(api_url: str, question: Question) -> Answer:
    """Ask a gateway."""
    response = urllib3.request(
        question.method,
        api_url + question.path,
        headers=question.headers,
        body=question.body,
        timeout=urllib3.Timeout(total=PATIENCE),
        retries=False,
        redirect=False,
    )
    try:
        content = json.loads(response.data)
    except ValueError:
        content = {}
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return Answer(response.status, kind, content if isinstance(content, dict) else {})


def stack_of(client: CloudFormationClient, name: str) -> tuple[str, str]:
    """A stack's address, and which environment it is of. Raises NotDeployed, and botocore's errors."""
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
    return outputs["ApiUrl"], parameters["Environment"]


def main() -> int:
    """Read the arguments and ask."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.check", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    samconfig = tomllib.loads((PROJECT / "samconfig.toml").read_text(encoding="utf-8"))
    parser.add_argument("environment", nargs="?", choices=["dev", "prod"], help="whose stack samconfig.toml names")
    parser.add_argument("--stack", help="another stack")
    parser.add_argument("--api", help="another address than the stack's output ApiUrl")
    given = parser.parse_args()
    if not (given.stack or given.environment):
        parser.error("name an environment, or a --stack")
    name = given.stack or samconfig[given.environment]["global"]["parameters"]["stack_name"]
    try:
        url, environment = stack_of(boto3.client("cloudformation", config=CONFIG), name)
    except (NotDeployed, ClientError, BotoCoreError) as error:
        print(error, file=sys.stderr)
        return 1
    asked = questions(Settings.model_validate(read_toml(PROJECT / "config", environment)))
    return 0 if check((given.api or url).rstrip("/"), asked, asked_over_http) else 1


if __name__ == "__main__":
    sys.exit(main())
