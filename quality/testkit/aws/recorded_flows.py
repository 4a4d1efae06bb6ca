"""All flows of a stack, done once: what the functions called, logged and wrote, and how everything ended."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from io import StringIO
from typing import Any

from devstack.sandbox.remote import Remote
from devstack.sandbox.server import Sandbox
from leadbridge.runtime import aws
from leadbridge.runtime.logs import logger
from leadbridge.storage.items import decode
from quality.benchmarks.hot_keys import KeyUnits, counted
from quality.testkit.aws.all_flows import live
from quality.testkit.aws.moto_stack import Call, moto_stack

SECRET = re.compile(r"[A-Za-z0-9+/_=-]{16,}")
SECRETS = ("leadleader", "leeloo", "matchtrade", "sources", "operators", "alerts")


@dataclass(frozen=True)
class AllFlows:
    """The functions' calls to AWS, the routes that succeeded, the log, the secret words, the writes, the results."""

    calls: list[Call]
    answered: set[tuple[str, str]]
    lines: list[str]
    secret: set[str]
    key_units: KeyUnits
    outcomes: dict[str, list[str]]


def record(sandbox: Sandbox) -> AllFlows:
    """Run all flows against a sandbox of their own."""
    written = StringIO()
    handler: Any = logger.registered_handler
    with moto_stack() as stack, counted() as key_units:
        before = handler.setStream(written)
        try:
            live(stack, Remote(sandbox.url), sandbox.secrets())
        finally:
            handler.setStream(before)
        words = set(SECRET.findall(json.dumps([stack.secret(name) for name in SECRETS]))) - {sandbox.url}
        return AllFlows(stack.calls, stack.answered, written.getvalue().splitlines(), words, key_units, outcomes())


def outcomes() -> dict[str, list[str]]:
    """Return how the deliveries, messages and fetches in the table ended, by kind."""
    found: dict[str, list[str]] = {}
    for item in aws.dynamodb().scan(TableName="Leads")["Items"]:
        values = decode(item)
        if "state" in values:
            found.setdefault(values["sk"].partition("#")[0], []).append(values["state"])
    return {kind: sorted(states) for kind, states in found.items()}
