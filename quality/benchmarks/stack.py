"""What the benchmarks run on: the functions, an emulated AWS and the partners' sandbox."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
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

HOME = Workdir(PROJECT / ".local" / "bench")
SLOWEST = 3600.0  # seconds between two statuses in the sandbox: nothing changes during a measurement
ARN = "arn:aws:lambda:eu-central-1:123456789012:function:a-function"
WEB: dict[str, Any] = {"web": {"secrets": [SECRET]}}  # the secret of the posts' source


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
        partners.set_pace(SLOWEST)
        secrets = json.loads((HOME.sandbox / "secrets.json").read_text(encoding="utf-8"))
        yield Servers(lock, aws, aws_child, partners, secrets)


@dataclass(frozen=True)
class Environment(Backend):
    """The functions in this process."""

    apps: dict[str, ModuleType] = field(default_factory=dict)

    def app(self, function: str) -> Any:
        """A function's module, in the function's environment."""
        os.environ.update(self.cloud.environment(function))
        if function not in self.apps:
            self.apps[function] = load(function)
        return self.apps[function]

    def receive(self, event: Event) -> str:
        """Post a new lead. Returns its id."""
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
def environment(*functions: str, sources: Callable[[], dict[str, Any]] = lambda: WEB) -> Iterator[Environment]:
    """Start everything and load some functions. `sources` returns the secrets of sources."""
    with servers() as started:
        settings._SHIPPED = compiled_configuration()
        found = Environment.made(started.aws, started.partners, started.secrets, "local")
        os.environ.update(found.cloud.environment("ReceiveLead"))
        found.cloud.put_secret("sources", sources())
        os.environ |= {LAMBDA_VARIABLE: "on-demand", "AWS_XRAY_SDK_ENABLED": "false"}
        for function in functions:
            found.app(function)
        yield found


def load(function: str) -> ModuleType:
    """A function's module, by its logical id."""
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
    """SQS's event for a function."""
    return {"Records": [{"messageId": "1", "receiptHandle": "1", "body": json.dumps(body, ensure_ascii=False)}]}


def submission(lead_id: str) -> Event:
    """The queue message of a lead for the lender."""
    (record,) = sample("SubmitLead", "waiting")["Records"]
    envelope = json.loads(record["body"])
    envelope["detail"] |= {"lead_id": lead_id}
    return queue_event(envelope)


class JsonServer(ThreadingHTTPServer):
    request_queue_size = 128  # it accepts all connections of a worker at once


@contextmanager
def json_server(answer: Callable[[str, Any], Any]) -> Iterator[str]:
    """The URL of a server in a thread. `answer` gets the operation that AWS's clients name, and the request."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # send headers and body together: otherwise the kernel delays the body by 40 ms

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
            body = json.dumps(answer(operation, request)).encode()
            self.send_response(200)
            self.send_header("Content-Type", self.headers["Content-Type"])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_request(self, *_: Any) -> None:
            """Log nothing."""

    with JsonServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
