"""All flows of a stack, done once: what the functions called, logged and wrote, and how everything ended."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from devstack.partners import further
from devstack.sandbox.remote import Remote
from devstack.sandbox.server import Sandbox
from leadbridge.runtime import aws
from leadbridge.runtime.logs import logger
from leadbridge.storage.items import decode
from quality.testkit.aws.all_flows import begin, live
from quality.testkit.aws.capacity import TABLE, WRITE_UNIT, Item, keys_of, projected, units
from quality.testkit.aws.memory_dynamodb import MemoryDynamoDB, MemoryTable
from quality.testkit.aws.memory_stack import Call, MemoryStack, memory_stack
from quality.testkit.aws.operator_flows import asked

SECRET = re.compile(r"[A-Za-z0-9+/_=-]{16,}")
MAIN = "table"  # what KeyUnits calls it
STATUSES = ("В обробці", "Погоджено", "Видано")  # the last one closes the deal
SECRETS = ("leadleader", "leeloo", "matchtrade", "sources", "operators", "alerts")


@dataclass
class KeyUnits:
    """The write units of each partition key: by the table or index, the key, and the item's lead."""

    found: dict[tuple[str, str], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    factor: int = 1

    def count(self, before: Item | None, after: Item | None) -> None:
        """Count one write at the table's key and at the keys of the indexes."""
        item = after or before or {}
        owner = item["pk"]["S"]
        self.found[MAIN, owner][owner] += self.factor * max(units(one, WRITE_UNIT) for one in (before, after) if one)
        for index in TABLE["GlobalSecondaryIndexes"]:
            old, new = projected(index, before), projected(index, after)
            if old and new and keys_of(index, old) == keys_of(index, new):
                if old != new:
                    self._add(index, new, owner)
                continue
            for one in (old, new):
                if one:
                    self._add(index, one, owner)

    def _add(self, index: dict[str, Any], entry: Item, owner: str) -> None:
        self.found[index["IndexName"], keys_of(index, entry)[0]["S"]][owner] += units(entry, WRITE_UNIT)


@contextmanager
def counted() -> Iterator[KeyUnits]:
    """Count all writes while the block runs. A write of a transaction costs twice as much in the table."""
    key_units = KeyUnits()
    change, transact = MemoryTable.change, MemoryDynamoDB._transact_write_items

    def changed(table: MemoryTable, key: tuple[str, str], after: Item | None) -> None:
        before = table.items.get(key)
        change(table, key, after)
        if before is not None or after is not None:
            key_units.count(before, after)

    def transacted(database: MemoryDynamoDB, asked: Any) -> Any:
        key_units.factor = 2
        try:
            return transact(database, asked)
        finally:
            key_units.factor = 1

    with (
        patch.object(MemoryTable, "change", changed),
        patch.object(MemoryDynamoDB, "_transact_write_items", transacted),
    ):
        yield key_units


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
    with memory_stack() as stack, counted() as key_units:
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


def usual_life(stack: MemoryStack, partner: Remote, secrets: dict[str, dict[str, Any]]) -> None:
    """Process a lead of each kind to its end: delivered, checked, with messages and CRM notes; and incomplete ones."""
    # Meta has all leads of the sample: how often a missing one is asked for depends on the machine.
    for number in (3, 4):
        answers = {"full_name": "Прикладенко Олена", "phone_number": f"+38050000008{number}"}
        partner.post("graph/leads", {"answers": answers, "leadgen_id": f"120210000000001{number}"})
    begin(stack, partner, secrets)
    for status in STATUSES:
        for lead in asked(stack, "GET", "/leads")["leads"]:
            for name, delivery in lead["deliveries"].items():
                if delivery["state"] != "submitted":
                    continue
                if delivery["deal_id"] is not None:
                    partner.post(f"leadleader/deals/{delivery['deal_id']}", {"status": status})
                place = {"lead_id": lead["lead_id"], "partner": name}
                asked(stack, "POST", "/leads/{lead_id}/deliveries/{partner}/check", pathParameters=place)
        stack.carry()
    stack.tick()


def count_writes() -> KeyUnits:
    """Count the writes of a lead of each kind."""
    with (
        TemporaryDirectory() as folder,
        Sandbox(Path(folder), pace=3600, further=further()) as sandbox,
        memory_stack() as stack,
    ):
        Remote(sandbox.url).reset()
        with counted() as key_units, redirect_stdout(StringIO()):  # the functions print metrics
            usual_life(stack, Remote(sandbox.url), sandbox.secrets())
    return key_units
