"""What the benchmarks run on: the functions, an emulated AWS and the partners' sandbox; and processes, from /proc."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

from awslambdaric.lambda_context import LambdaContext
from botocore.client import BaseClient

from devstack import deployment, services
from devstack.clients import Emulator
from devstack.processes import Child
from devstack.sandbox.remote import Remote
from devstack.workdir import PROJECT, Workdir, choose_port, hold
from events.sign import signed
from leadbridge import settings
from leadbridge.partners.http import Transport
from leadbridge.runtime.environment import LAMBDA_VARIABLE
from quality.testkit.configuration import compiled_configuration
from quality.testkit.handlers import load_function
from quality.testkit.lambda_runtime.cloud import SECRET, Backend, Event
from quality.testkit.lambda_runtime.runtime import copy_distributions
from quality.testkit.lambda_runtime.samples import folder_of, sample
from quality.testkit.lambda_runtime.workshop import Workshop

GONE = (FileNotFoundError, ProcessLookupError)
HOME = Workdir(PROJECT / ".local" / "bench")
SLOWEST = 3600.0  # seconds between two statuses in the sandbox: nothing changes during a measurement
ARN = "arn:aws:lambda:eu-central-1:123456789012:function:a-function"


@dataclass(frozen=True)
class Servers:
    """The emulated AWS with its process, and the partners with their secrets, by partner."""

    lock: int
    aws: Emulator
    aws_child: Child
    partners: Remote
    secrets: dict[str, dict[str, Any]]

    def backend(self, configuration: str = "prod") -> Backend:
        """A new, empty AWS with the partners' secrets."""
        return Backend.made(self.aws, self.partners, self.secrets, configuration)


@contextmanager
def servers() -> Iterator[Servers]:
    HOME.logs.mkdir(parents=True, exist_ok=True)
    with (
        hold(HOME) as lock,
        services.emulator(HOME, choose_port(), lock=lock) as (aws, aws_child),
        services.sandbox(HOME, lock=lock) as (url, _),
    ):
        partners = Remote(url)
        partners.post("pace", {"seconds": SLOWEST})
        secrets = json.loads((HOME.sandbox / "secrets.json").read_text(encoding="utf-8"))
        yield Servers(lock, aws, aws_child, partners, secrets)


@dataclass(frozen=True)
class Environment(Backend):
    apps: dict[str, ModuleType] = field(default_factory=dict)

    def app(self, function: str) -> Any:
        """A function's module, in the function's environment."""
        os.environ.update(self.cloud.environment(function))
        if function not in self.apps:
            self.apps[function] = load(function)
        return self.apps[function]

    def receive(self, event: Event) -> str:
        return accepted(self.apps["ReceiveLead"].handler(event, context()))

    def submit(self, message: Event) -> None:
        """Process a queue message. Raises SystemExit if it fails."""
        if self.apps["SubmitLead"].handler(message, context()) != {"batchItemFailures": []}:
            raise SystemExit(f"the message was not processed: {message}")


def context(seconds: float = 180, request: str = "a-request") -> Any:
    """The context of an invocation with so much time, by Lambda's own runtime client."""
    return LambdaContext(request, None, None, int((time.time() + seconds) * 1000), ARN)


def accepted(answer: Event) -> str:
    """The id of a posted lead. Raises SystemExit unless it was accepted."""
    if answer["statusCode"] != 202:
        raise SystemExit(f"the post was answered {answer}")
    return str(json.loads(answer["body"])["lead_id"])


@contextmanager
def environment(*functions: str) -> Iterator[Environment]:
    """Start everything and load some functions. All sources have the secret of the sample events."""
    with servers() as started:
        settings._SHIPPED = compiled_configuration()
        found = Environment.made(started.aws, started.partners, started.secrets, "local")
        os.environ.update(found.cloud.environment("ReceiveLead"))
        found.cloud.put_secret("sources", {name: {"secrets": [SECRET]} for name in settings.settings().sources})
        os.environ |= {LAMBDA_VARIABLE: "on-demand", "AWS_XRAY_SDK_ENABLED": "false"}
        for function in functions:
            found.app(function)
        yield found


def load(function: str) -> ModuleType:
    flow = folder_of(function).name
    return load_function(flow, f"{flow}_measured")


@contextmanager
def observed(
    on_aws: Callable[[str, str, Event, Event], None], on_partner: Callable[[str], None] = lambda _: None
) -> Iterator[None]:
    """Note each call of AWS after its answer: service, operation, request, answer; and each call of a partner."""
    of_aws, of_partner = BaseClient._make_api_call, Transport.call  # type: ignore[attr-defined]

    def call_aws(client: Any, operation: str, request: Event) -> Event:
        answer: Event = of_aws(client, operation, request)
        on_aws(client.meta.service_model.service_name, operation, request, answer)
        return answer

    def call_partner(transport: Transport, operation: str, *args: Any, **kwargs: Any) -> Any:
        on_partner(operation)
        return of_partner(transport, operation, *args, **kwargs)

    with patch.object(BaseClient, "_make_api_call", call_aws), patch.object(Transport, "call", call_partner):
        yield


@contextmanager
def runtime_stack() -> Iterator[tuple[Servers, Workshop]]:
    """Build the functions if they changed, and start everything but them. Lambda's runtime client is copied."""
    with servers() as started, tempfile.TemporaryDirectory() as folder:
        deployment.build(HOME, lock=started.lock)
        copy_distributions(Path(folder))
        yield started, Workshop(HOME, Path(folder), started.lock)


def post(number: int) -> Event:
    """The signed post of a new person. `number` has at most seven digits."""
    event, digits = sample("ReceiveLead", "good"), f"{number:07d}"
    body = json.loads(event["body"])
    body["person"] |= {"phone": f"+38050{digits}", "tax_number": f"306{digits}", "email": f"o{digits}@example.com"}
    event["body"] = json.dumps(body, ensure_ascii=False)
    event["headers"]["webhook-id"] += digits
    return signed(event, SECRET, int(time.time()))


def queue_event(body: Any) -> Event:
    return {"Records": [{"messageId": "1", "receiptHandle": "1", "body": json.dumps(body, ensure_ascii=False)}]}


def submission(lead_id: str) -> Event:
    """The queue message of a lead for the lender."""
    (record,) = sample("SubmitLead", "waiting")["Records"]
    envelope = json.loads(record["body"])
    envelope["detail"] |= {"lead_id": lead_id}
    return queue_event(envelope)


def in_new_process[T](work: Callable[..., T], *given: Any) -> T:
    """Call a function in a process of its own, whose output is discarded: functions print logs and metrics."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=discard_output) as pool:
        return pool.submit(work, *given).result()


def discard_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def under(pid: int) -> Iterator[int]:
    with suppress(*GONE):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text(encoding="ascii").split():
                yield int(child)
                yield from under(int(child))


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of processes, including their threads and children that ended."""
    total = 0
    for pid in pids:
        with suppress(*GONE):
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
            total += sum(map(int, stat.rpartition(") ")[2].split()[11:15]))
    return total / os.sysconf("SC_CLK_TCK")


def peak_mib(pid: int | str = "self") -> float:
    """Peak resident memory in MiB; 0 if the process has ended."""
    with suppress(*GONE):
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
        if found := re.search(r"^VmHWM:\s+(\d+)", status, re.MULTILINE):
            return int(found[1]) / 1024
    return 0.0


def resident_kib() -> float:
    """Resident memory of this process in KiB, without free memory: a leak would fill the gaps that the start left."""
    gc.collect()
    with suppress(AttributeError):  # only in glibc
        ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024
