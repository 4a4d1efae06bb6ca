"""An operator at a terminal: runs the command, reads what it says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

import typer.testing
from typer.testing import CliRunner

from leadbridge.domain import delivery as steps
from leadbridge.domain.delivery import Change, Delivery, State
from leadbridge.domain.lead import Lead
from leadbridge.runtime import aws
from leadbridge.storage.leads import LeadRepository
from leadbridge_cli.__main__ import app
from quality.testkit.cli.gateway import Gateway
from quality.testkit.fakes.errors import some_error
from quality.testkit.people import NOW, lead

# Each run builds the whole tree of commands otherwise, which takes longer than most commands.
vars(typer.testing)["_get_command"] = cache(typer.main.get_command)

TOKEN = "token-of-olena-0123456789"
LEAD = lead()
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class CommandResult:
    """What a command has said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        assert self.out.endswith("\n")
        assert self.out.count("\n") == 1, self.out
        return json.loads(self.out)

    @property
    def failure(self) -> str:
        """The one line of a command that failed, which says nothing on stdout."""
        assert self.out == ""
        assert self.err.startswith("leadbridge: "), self.err
        assert self.err.count("\n") == 1, self.err
        return self.err


def run(*arguments: str, stdin: str | None = None, env: dict[str, str] | None = None) -> CommandResult:
    """Run the command."""
    result = CliRunner().invoke(app, [*arguments], input=stdin, env=env, prog_name="leadbridge")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return CommandResult(result.exit_code, result.stdout, result.stderr)


@dataclass
class Terminal:
    """An operator, the API, and the table behind it."""

    gateway: Gateway
    store: LeadRepository
    accepted: Lead = LEAD

    def run(self, *arguments: str, stdin: str | None = None, token: str = TOKEN) -> CommandResult:
        """Run the command as an operator of the API."""
        env = {"LEADBRIDGE_API_URL": self.gateway.url, "LEADBRIDGE_TOKEN": token}
        return run(*arguments, stdin=stdin, env=env)

    @property
    def delivery(self) -> Delivery:
        """The delivery of the lead as it stands."""
        found = self.store.delivery(self.accepted.lead_id, "leadleader")
        assert found is not None
        return found

    def bring(self, state: State) -> Delivery:
        """Bring the delivery into a state, as its flow would."""
        if state is State.FAILED:
            return self.store.apply(steps.fail(self.delivery, NOW, some_error("spent")))
        begun = self.store.apply(steps.start_attempt(self.delivery, NOW, MINUTE))
        ends: dict[State, Callable[[], Change]] = {
            State.SUBMITTED: lambda: steps.confirm(begun, NOW, 24, is_followed=True),
            State.REJECTED: lambda: steps.reject(begun, NOW, some_error("no")),
            State.UNKNOWN: lambda: steps.mark_unknown(begun, NOW, some_error("lost")),
        }
        return begun if state is State.SUBMITTING else self.store.apply(ends[state]())


def secret(name: str, value: Any) -> None:
    """Give the stack a secret; None makes it without a value, as the template does."""
    manager = aws.secrets_manager()
    given: dict[str, Any] = {} if value is None else {"SecretString": json.dumps(value)}
    manager.create_secret(Name=f"leadbridge/{name}", **given)


def stored_secret(name: str) -> Any:
    """The value that a secret has now."""
    manager = aws.secrets_manager()
    got = manager.get_secret_value(SecretId=f"leadbridge/{name}")
    return json.loads(got["SecretString"])


def put_dead_letter(queue: str, content: object) -> None:
    """A letter in a dead-letter queue."""
    url = aws.sqs().get_queue_url(QueueName=f"dead-{queue}")["QueueUrl"]
    aws.sqs().send_message(QueueUrl=url, MessageBody=json.dumps(content))


SYNC_STATE: dict[str, Any] = {
    "pk": "SYNC#matchtrade",
    "sk": "STATE",
    "owner": "a-run",
    "lease_until": "2026-03-01T12:05:00.000Z",
    "scan_state": {
        "watermark": "2026-03-01T11:55:00.000Z",
        "full_scan_started_at": "2026-03-01T08:00:00.000Z",
        "active_scans": {
            "full": {
                "kind": "full",
                "started_at": "2026-03-01T08:00:00.000Z",
                "since": "2026-01-01T00:00:00.000Z",
                "until": "2026-03-02T00:00:00.000Z",
                "window": "2026-01-31T00:00:00.000Z",
                "page": 7,
                "extent": 9000,
            }
        },
    },
}
