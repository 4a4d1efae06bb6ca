"""Helpers of the stack tier: leads of new people, waiting for a result, the partner's calls for a person."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from time import monotonic, sleep
from typing import Any
from uuid import uuid4

from devstack.commands.api import Answer, ask
from devstack.sandbox.remote import Remote
from devstack.stack import Stack
from devstack.workdir import PROJECT, Workdir
from leadbridge.forms.adapters.standard_webhooks import sign

TESTS = Workdir(PROJECT / ".local" / "test-stack")

PATIENCE = 60.0  # seconds that anything may take
POLL_INTERVAL = 0.1  # seconds
UNTIL_SCHEDULES = 1.0  # seconds that a test waits before schedules run: most waits need none

# A stack that is not there: what needs only its description.
A_STACK = Stack(
    api_url="http://127.0.0.1:1/v1",
    console_url="http://127.0.0.1:1/v1/console",
    aws_endpoint_url="http://127.0.0.1:1",
    region="eu-central-1",
    stack_name="leadbridge-local",
    sandbox_url="http://127.0.0.1:2",
    operator_token="a-token",
    pid=os.getpid(),
    fingerprint="",
)

_numbers = count(1)


@dataclass(frozen=True)
class Form:
    """One source of leads, with its secret."""

    stack: Stack
    secret: str
    source: str = "web"

    def post(self, lead: dict[str, Any] | str, message_id: str | None = None) -> Answer:
        """Post a lead as a form builder would; the same `message_id` makes it a redelivery."""
        body = (lead if isinstance(lead, str) else json.dumps(lead, ensure_ascii=False)).encode()
        message_id, now = message_id or f"msg_{uuid4().hex}", int(time.time())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(now),
            "webhook-signature": sign(self.secret, message_id, now, body),
        }
        return ask("POST", f"{self.stack.api_url}/webhooks/{self.source}", headers=headers, body=body)


def person() -> dict[str, Any]:
    """A lead of somebody who never was, with a phone and an e-mail that no other test has."""
    number = next(_numbers)
    return {
        "person": {
            "full_name": "Прикладенко Олена Іванівна",
            "phone": f"+38050{uuid4().int % 10_000:04d}{number:03d}",
            "tax_number": "3068208400",
            "activity": "вчителька",
            "email": f"olena.{uuid4().hex[:12]}@example.com",
        },
        "loan": {"amount": "6000.00", "term": 12},
    }


def at_the_partner(lead: dict[str, Any]) -> str:
    """The lead's phone as Lead Leader gets it."""
    return str(lead["person"]["phone"]).removeprefix("+38")


@dataclass
class Schedule:
    """A scheduled function of the stack, called while a test waits: an idle one costs as much as all other work."""

    call: Callable[[], object]
    interval: float
    called_at: float = 0.0

    def call_if_due(self) -> None:
        """Call the function, unless that was less than an interval ago."""
        if monotonic() - self.called_at >= self.interval:
            self.call()
            self.called_at = monotonic()


schedules: dict[str, Schedule] = {}
"""The schedules of the stack of this run by function; empty if the stack has its own scheduler."""


def eventually[T](
    ask: Callable[[], T],
    holds: Callable[[T], bool],
    *,
    patience: float = PATIENCE,
    schedule: str = "FindDue",
) -> T:
    """Ask until the answer is as it should be, and return it; fail with the last answer when patience ends.

    Meanwhile a scheduled function of the stack is called.
    """
    began = monotonic()
    while True:
        answer = ask()
        if holds(answer):
            return answer
        waited = monotonic() - began
        assert waited < patience, f"still not so after {patience:g} s: {answer}"
        if waited >= UNTIL_SCHEDULES and schedule in schedules:
            schedules[schedule].call_if_due()
        sleep(POLL_INTERVAL)


def accepted(answer: Answer) -> str:
    """The id of a lead that was accepted."""
    assert answer.status == 202, answer
    return str(answer.content["lead_id"])


def creates(partner: Remote, lead: dict[str, Any]) -> list[dict[str, Any]]:
    """The create calls that the partner has seen for a person."""
    return [call for call in partner.calls("leadleader", "create") if call["telephone"] == at_the_partner(lead)]


def deals(partner: Remote, lead: dict[str, Any]) -> list[dict[str, Any]]:
    """The deals that the partner keeps for a person."""
    return [call for call in creates(partner, lead) if call.get("deal_id") is not None]


def typed(workdir: Workdir, *words: str) -> str:
    """What a command prints that does what it should."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        words,
        cwd=PROJECT,
        env={**environment, "LEADBRIDGE_WORKDIR": str(workdir.root)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
