"""`make sam-local ARGS="invoke …"`: the SAM CLI's `sam local`, in containers that find the local AWS.

A container does not see this machine's 127.0.0.1. It knows the machine as `host.docker.internal`; where that is an
address of this machine (on Linux), what the functions call is forwarded from there.
"""

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from devstack import deployment
from devstack.clients import REGION, Emulator
from devstack.deployment import PREFIX
from devstack.relay import forwarded
from devstack.sam_local import image
from devstack.stack import Stack
from devstack.template import read_template
from devstack.workdir import PROJECT, TOOLS, LocalError, Workdir, hold

OWN = Workdir(PROJECT / ".local" / "sam-local")
THIS_MACHINE = "host.docker.internal"
KNOWING_THIS_MACHINE = ("--add-host", f"{THIS_MACHINE}:host-gateway")
ACCOUNT = "000000000000"
CONTAINERS_PREFIX = f"{PREFIX}-containers"


@dataclass(frozen=True)
class Surroundings:
    """What functions need: the AWS, URLs of other servers, and each function's environment by logical id."""

    aws: Emulator
    other_urls: tuple[str, ...]
    environments: dict[str, dict[str, str]]

    @classmethod
    def of(cls, stack: Stack) -> Self:
        """Those of a running stack. Its secrets are copied, with URLs for containers."""
        _copy_secrets(stack)
        functions, prefix = stack.client("lambda"), {"SECRETS_PREFIX": CONTAINERS_PREFIX}
        environments = {
            logical_id: functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"] | prefix
            for logical_id, name in stack.resources["AWS::Lambda::Function"].items()
        }
        return cls(stack.aws, (stack.sandbox_url,), environments)


@dataclass(frozen=True)
class SamLocal:
    workdir: Workdir
    image: str
    aws: Emulator

    @property
    def env(self) -> dict[str, str]:
        """The environment of SAM, which calls the emulated AWS."""
        return deployment.sam_env(self.workdir, self.aws)

    def command(self, *words: str) -> list[str]:
        return [
            *(str(TOOLS / "sam"), "local", *words),
            *("--template", str(self.workdir.build / "containers.json")),
            *("--env-vars", str(self.workdir.root / "environments.json")),
            *("--layer-cache-basedir", str(self.workdir.root / "layers")),
            *KNOWING_THIS_MACHINE,
            *("--skip-pull-image", "--invoke-image", self.image),
            *deployment.parameters(),
        ]


@contextmanager
def sam_local(surroundings: Surroundings, workdir: Workdir = OWN) -> Iterator[SamLocal]:
    """Build the input of `sam local`, and make the servers reachable for containers. Raises LocalError."""
    if reason := image.why_not():
        raise LocalError(f"{reason}, and `sam local` runs functions in containers.")
    with hold(workdir) as lock:
        name = image.image()
        deployment.build(workdir, lock=lock)
        _write_inputs(surroundings, workdir)
        hosts = image.run_in(name, *KNOWING_THIS_MACHINE, script="while read line; do echo $line; done </etc/hosts")
        lines = [line.split() for line in hosts.splitlines()]
        address = next(words[0] for words in lines if THIS_MACHINE in words[1:])
        ports = [urlsplit(url).port or 80 for url in (surroundings.aws.url, *surroundings.other_urls)]
        with forwarded(address, ports):
            yield SamLocal(workdir, name, surroundings.aws)


def as_containers_see(text: str) -> str:
    return text.replace("127.0.0.1", THIS_MACHINE)


def _write_inputs(surroundings: Surroundings, workdir: Workdir) -> None:
    """The template and the environments. `sam local` passes only declared variables, and does not support aliases."""
    template = read_template(workdir.build / "template.yaml")
    where = {"AWS_ENDPOINT_URL": as_containers_see(surroundings.aws.url)}
    template["Globals"]["Function"]["Environment"]["Variables"] |= where
    (workdir.build / "containers.json").write_text(without_aliases(json.dumps(template)), encoding="utf-8")
    environments = {function: values | where for function, values in surroundings.environments.items()}
    (workdir.root / "environments.json").write_text(as_containers_see(json.dumps(environments)), encoding="utf-8")


def without_aliases(template: str) -> str:
    """Replace references to functions' aliases in JSON by the functions."""
    return re.sub(r'\{"Ref": "(\w+)\.Alias"\}', rf'"arn:aws:lambda:{REGION}:{ACCOUNT}:function:\1"', template)


def _copy_secrets(stack: Stack) -> None:
    manager = stack.client("secretsmanager")
    pages = manager.get_paginator("list_secrets").paginate()
    for name in [secret["Name"] for page in pages for secret in page["SecretList"]]:
        if name.startswith(f"{PREFIX}/"):
            copy = name.replace(PREFIX, CONTAINERS_PREFIX, 1)
            value = as_containers_see(manager.get_secret_value(SecretId=name)["SecretString"])
            with suppress(manager.exceptions.ResourceExistsException):
                manager.create_secret(Name=copy, SecretString=value)
            manager.put_secret_value(SecretId=copy, SecretString=value)


def run_to_its_end(sam: SamLocal, *words: str) -> int:
    """Run a command of `sam local` and return its exit code. It handles signals, because it must remove containers."""
    with subprocess.Popen(sam.command(*words), env=sam.env, cwd=PROJECT) as running:
        signal.signal(signal.SIGINT, lambda *_: None)  # a terminal sends it to both
        signal.signal(signal.SIGTERM, lambda *_: running.terminate())
        return running.wait()
