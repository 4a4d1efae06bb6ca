"""Check a deployed stack: its answers, the account's concurrency, and a test lead from end to end.

Exits with 1 if a check fails. Each request is repeated until the answer is the expected one: a new function may be
slow to start. docs/deploy.md explains what each answer proves.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated
from uuid import uuid4

import typer
import urllib3

from devstack.commands.api import Answer, ask
from infra import concurrency
from infra.concurrency import PROJECT, SAMCONFIG
from infra.deployment_probe import DeploymentProbe
from leadbridge.forms.base import adapter_named
from leadbridge.settings import Settings, self_check
from leadbridge_cli.cloud import Cloud, aws_errors
from leadbridge_cli.exit_codes import Failure
from tools.config import read_toml

MAX_ATTEMPTS, PAUSE = 4, 5.0  # per request; seconds between attempts
PROBLEM = "urn:leadbridge:problem:"
# The outputs that show where a lead stopped: the queue of each partner kind, and the queue of undelivered events.
QUEUES = re.compile(r"Submit\w+(?<!DeadLetter)QueueUrl|EventDeadLetterQueueUrl")


@dataclass(frozen=True)
class Request:
    """One request, and the expected answers: a status, and for a refusal the last part of its problem type."""

    method: str
    path: str
    expected: Mapping[int, str | None]
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def is_met_by(self, answer: Answer) -> bool:
        if (problem := self.expected.get(answer.status)) is None:
            return answer.status in self.expected
        is_problem = answer.headers.get("content-type", "").startswith("application/problem+json")
        return is_problem and answer.content.get("type") == PROBLEM + problem


def requests_for(settings: Settings) -> list[Request]:
    asked = [
        Request("GET", "/health", {200: None}),
        Request("GET", "/leads", {401: None}),
        # An invalid token passes the gateway; the authorizer refuses it.
        Request("GET", "/leads", {401: None}, {"Authorization": f"Bearer {uuid4().hex}"}),
    ]
    for name, source in list(settings.sources.items())[:1]:
        # Without a proof the function answers 401 after reading the secret, and 503 before the secret has a value.
        headers = {"Content-Type": adapter_named(source.adapter).content_types[0]}
        right = {401: "not-authentic", 503: "not-ready"}
        asked.append(Request("POST", f"/webhooks/{name}", right, headers, b"{}"))
    return asked


def check(
    api_url: str,
    asked: list[Request],
    send: Callable[..., Answer] = ask,
    *,
    sleep: Callable[[float], None] = time.sleep,
    tell: Callable[[str], None] = print,
) -> bool:
    """Send all requests and report the answers. Return whether all were as expected."""
    is_well = True
    for request in asked:
        said, is_met = "", False
        for number in range(MAX_ATTEMPTS):
            if number:
                sleep(PAUSE)
            try:
                answer = send(request.method, api_url + request.path, headers=request.headers, body=request.body)
            except urllib3.exceptions.HTTPError as error:
                said = f"no answer ({type(error).__name__})"
                continue
            said, is_met = str(answer), request.is_met_by(answer)
            if is_met or (request.method == "POST" and answer.status < 300):  # a lead was stored
                break
        tell(f"{request}: {said}" + ("" if is_met else f"; expected {' or '.join(map(str, request.expected))}"))
        is_well &= is_met
    return is_well


def probe_passes(cloud: Cloud, api_url: str, settings: Settings) -> bool:
    """Send the test lead through the whole stack. Raises Failure."""
    if self_check.SOURCE not in settings.sources:
        print(f"end to end: config/sources.toml has no source {self_check.SOURCE}, so the test lead cannot be sent")
        return False
    tested = {name for rule in settings.sources[self_check.SOURCE].partners for name in rule.partners}
    if untested := sorted(settings.partners.keys() - tested):
        print(f"not tested end to end, because [{self_check.SOURCE}] does not name them: {', '.join(untested)}")
    name = f"{cloud.prefix}/{self_check.SOURCE}"
    with aws_errors(f"the secret {name}"):
        text = cloud.client("secretsmanager").get_secret_value(SecretId=name)["SecretString"]
    (secret,) = self_check.signing_secrets(json.loads(text)) or [""]
    queues = {name.removesuffix("Url"): url for name, url in cloud.outputs.items() if QUEUES.fullmatch(name)}
    dynamodb, sqs = cloud.client("dynamodb"), cloud.client("sqs")
    return DeploymentProbe(api_url, secret, cloud.output("TableName"), dynamodb, sqs, queues).passes()


def main(
    environment: Annotated[str, typer.Argument(help="dev or prod: the stack that samconfig.toml names for it.")] = "",
    stack: Annotated[str, typer.Option(help="Another stack.")] = "",
    api: Annotated[str, typer.Option(help="Another address than the stack's output ApiUrl.")] = "",
) -> None:
    """Check a deployed stack."""
    if not stack and environment not in ("dev", "prod"):
        typer.echo("Name the deployment: make check-deployed ENV=dev (or prod), or STACK=name.", err=True)
        raise typer.Exit(2)
    name = stack or SAMCONFIG[environment]["global"]["parameters"]["stack_name"]
    cloud = Cloud(name, None, None, None)
    try:
        deployed = cloud.environment
        if "ApiUrl" not in cloud.outputs or deployed is None:
            sys.exit(
                f"Stack {name} has no output ApiUrl: it is not a leadbridge stack, or its deployment never finished."
            )
        url = (api or cloud.output("ApiUrl")).rstrip("/")
        settings = Settings.model_validate(read_toml(PROJECT / "config", deployed))
        is_well = check(url, requests_for(settings))
        if deployed != "local":
            with aws_errors("the account's concurrency"):
                is_well &= concurrency.check(cloud.client("lambda"), cloud.parameters, refuses=deployed == "prod")
        raise typer.Exit(0 if is_well and probe_passes(cloud, url, settings) else 1)
    except Failure as error:
        sys.exit(error.text)


if __name__ == "__main__":
    typer.run(main)
