"""The functions in this process, with the emulated AWS and the partners' sandbox in processes of their own."""

from __future__ import annotations

import importlib.util
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from devstack import services
from devstack.partners import stored_secrets
from devstack.sandbox.remote import Remote
from devstack.workdir import PROJECT, Workdir, choose_port, hold
from events.sign import signed
from leadbridge import settings
from leadbridge.runtime.environment import LAMBDA_VARIABLE
from quality.testkit.lambda_runtime.cloud import Cloud
from quality.testkit.lambda_runtime.samples import sample
from tools.config import ship

type Event = dict[str, Any]

HOME = Workdir(PROJECT / ".local" / "bench")
SLOWEST = 3600.0  # seconds between two statuses in the sandbox: nothing changes during a measurement
INDEX_KEY = "a key of the benchmark alone"
SECRET = "whsec_c2FtcGxlLXNlY3JldC1vZi10aGUtdGVzdHMhISEh"


@dataclass
class Context:
    """Lambda's context object."""

    deadline: float = field(default_factory=lambda: time.monotonic() + 180)
    aws_request_id: str = "a-request"
    function_name: str = "a-function"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:123456789012:function:a-function"

    def get_remaining_time_in_millis(self) -> int:
        return int((self.deadline - time.monotonic()) * 1000)


@dataclass
class Environment:
    """An AWS with the partners' secrets, and the partners. `secrets` are the sandbox's, by partner."""

    cloud: Cloud
    partners: Remote
    secrets: dict[str, dict[str, Any]]
    apps: dict[str, ModuleType] = field(default_factory=dict)

    def app(self, function: str) -> Any:
        """A function's module, in the function's environment."""
        os.environ.update(self.cloud.environment(function))
        if function not in self.apps:
            self.apps[function] = load(function)
        return self.apps[function]

    def receive(self, event: Event) -> str:
        """Post a new lead. Returns its id. Raises SystemExit unless it was accepted."""
        answer = self.apps["ReceiveLead"].handler(event, Context())
        if answer["statusCode"] != 202:
            raise SystemExit(f"the post was answered {answer}")
        return str(json.loads(answer["body"])["lead_id"])

    def submit(self, message: Event) -> None:
        """Process a queue message. Raises SystemExit if it fails."""
        if self.apps["SubmitLead"].handler(message, Context()) != {"batchItemFailures": []}:
            raise SystemExit(f"the message was not processed: {message}")


@contextmanager
def environment(
    *functions: str, sources: Callable[[], dict[str, Any]] = lambda: {"web": {"secrets": [SECRET]}}
) -> Iterator[Environment]:
    """Start everything and load some functions. Their output is discarded. `sources` returns the secrets of sources."""
    HOME.logs.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        lock = stack.enter_context(hold(HOME))
        aws, _ = stack.enter_context(services.emulator(HOME, choose_port(), lock=lock))
        url, _ = stack.enter_context(services.sandbox(HOME, lock=lock))
        use_configuration(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        secrets = json.loads((HOME.sandbox / "secrets.json").read_text(encoding="utf-8"))
        found = Environment(Cloud.made(aws), Remote(url), secrets)
        found.partners.set_pace(SLOWEST)
        for name, value in stored_secrets(secrets).items():
            found.cloud.put_secret(name, value)
        os.environ.update(found.cloud.environment("ReceiveLead"))
        found.cloud.put_secret("sources", sources())
        found.cloud.put_secret("index", {"key": INDEX_KEY})
        os.environ |= {LAMBDA_VARIABLE: "on-demand", "AWS_XRAY_SDK_ENABLED": "false"}
        if functions:
            log = stack.enter_context(Path(os.devnull).open("w", encoding="utf-8"))
            for function in functions:
                found.app(function).logger.registered_handler.stream = log
            stack.enter_context(redirect_stdout(log))  # metrics are printed
        yield found


def use_configuration(folder: Path) -> None:
    """Compile the configuration into a folder, and read it from there."""
    ship(PROJECT / "config", folder)
    settings._SHIPPED = folder


def load(function: str) -> ModuleType:
    """A function's module, by its logical id."""
    name = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in function).lstrip("_")
    spec = importlib.util.spec_from_file_location(f"{name}_measured", PROJECT / "functions" / name / "app.py")
    assert spec is not None
    assert spec.loader is not None
    app = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(app)
    return app


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
