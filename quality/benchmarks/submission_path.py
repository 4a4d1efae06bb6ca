"""receive_lead and submit_lead in one process, warm, with the emulated AWS and the partners in processes of their own.

What reaches the one from the other, the table's stream, the bus and the queue, is made by hand here.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from devstack import services
from devstack.sandbox.remote import Remote
from devstack.workdir import PROJECT, choose_port, hold
from events.sign import signed
from leadbridge import settings
from leadbridge.runtime.environment import STARTING
from quality.benchmarks.flow import LongContext, loaded, queue_event
from quality.benchmarks.runtime_stack import HOME, SLOWEST
from quality.benchmarks.scenarios import SECRET
from quality.testkit.lambda_runtime.cloud import Cloud
from quality.testkit.lambda_runtime.samples import sample
from tools.config import ship

type Event = dict[str, Any]

FUNCTIONS = ("ReceiveLead", "SubmitLead")


@dataclass(frozen=True)
class Road:
    """Both functions, and what is around them."""

    cloud: Cloud
    partners: Remote
    credentials: dict[str, Any]
    receive: Callable[[Event], Any]
    submit: Callable[[Event], Any]

    def received(self, event: Event) -> str:
        """Post a lead; its id. Raises SystemExit unless it was taken as a new one."""
        answer = self.receive(event)
        if answer["statusCode"] != 202:
            raise SystemExit(f"the post was answered {answer}")
        return str(json.loads(answer["body"])["lead_id"])

    def submitted(self, message: Event) -> None:
        """Hand over a queue's message; raises SystemExit unless the message is done with."""
        if self.submit(message) != {"batchItemFailures": []}:
            raise SystemExit(f"the message came back: {message}")


@contextmanager
def road() -> Iterator[Road]:
    """Start what is needed, and load both functions. What they log goes nowhere."""
    HOME.logs.mkdir(parents=True, exist_ok=True)
    with (
        hold(HOME) as lock,
        services.emulator(HOME, choose_port(), lock=lock) as (aws, _),
        services.sandbox(HOME, lock=lock) as (url, _),
        tempfile.TemporaryDirectory() as shipped,
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
    ):
        cloud, partners = Cloud.made(aws), Remote(url)
        partners.set_pace(SLOWEST)
        ship(PROJECT / "config", Path(shipped))
        settings._SHIPPED = Path(shipped)
        credentials = json.loads((HOME.sandbox / "secrets.json").read_text(encoding="utf-8"))["leadleader"]
        cloud.put_secret("leadleader", credentials)
        cloud.put_secret("sources", {"web": {"secrets": [SECRET]}})
        cloud.put_secret("index", {"key": "a key of the benchmark alone"})
        os.environ[STARTING] = "on-demand"  # as in a function
        for function in FUNCTIONS:
            os.environ.update(cloud.environment(function))
        receive, submit = (loaded(function) for function in FUNCTIONS)
        cast("Any", receive).logger.registered_handler.stream = nowhere
        with redirect_stdout(nowhere):  # metrics are printed
            yield Road(
                cloud,
                partners,
                credentials,
                lambda event: receive.handler(event, LongContext()),
                lambda event: submit.handler(event, LongContext()),
            )


def post(number: int) -> Event:
    """A form's post of somebody who has not come before; `number` has seven digits at most."""
    event, tie = sample("ReceiveLead", "good"), f"{number:07d}"
    body = json.loads(event["body"])
    body["person"] |= {"phone": f"+38050{tie}", "tax_number": f"306{tie}", "email": f"o{tie}@example.com"}
    event["body"] = json.dumps(body, ensure_ascii=False)
    event["headers"]["webhook-id"] += tie
    return signed(event, SECRET, int(time.time()))


def message(lead_id: str) -> Event:
    """The queue's message of a lead that waits for the lender."""
    (record,) = sample("SubmitLead", "waiting")["Records"]
    envelope = json.loads(record["body"])
    envelope["detail"] |= {"lead_id": lead_id}
    return queue_event(envelope)
