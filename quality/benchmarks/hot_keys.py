"""`python -m quality.benchmarks.hot_keys`: the write units per second of each key at 1,000 leads per second.

DynamoDB accepts 1,000 write units per second for one partition key, of the table or of an index. All flows of the
product run once in one process, and each write is counted at the keys that it changes. A key that has the id of a lead,
an account, a deal or a message, or the hash of a person, belongs to one lead or person: its rate does not grow with the
traffic. Every other key must be in `SHARED`, with what bounds its rate. With --write the figures are stored in
quality/benchmarks/hot_keys.json, from which docs/capacity.md is computed.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from functools import cache
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from devstack.partners import further
from devstack.sandbox.remote import Remote
from devstack.sandbox.server import Sandbox
from leadbridge.domain.lead import lead_id_of
from leadbridge.domain.shards import SHARDS, shard_of, shards_in
from quality.benchmarks.capacity import TABLE, WRITE_UNIT, Item, keys_of, projected, units
from quality.benchmarks.measurement import Measurement, run_alone
from quality.testkit.aws.all_flows import begin
from quality.testkit.aws.memory_dynamodb import MemoryDynamoDB, MemoryTable
from quality.testkit.aws.moto_stack import MotoStack, moto_stack
from quality.testkit.aws.operator_flows import asked

FILE = Path(__file__).with_name("hot_keys.json")
LEADS_PER_SECOND = 1000
MAX_UNITS = 1000  # write units per second that DynamoDB accepts for one partition key
SAMPLE = 100_000  # leads by which the imbalance of the shards is measured
MAIN = "table"

type Life = Callable[[MotoStack, Remote, dict[str, dict[str, Any]]], None]

STATUSES = ("В обробці", "Погоджено", "Видано")  # the last one closes the deal
# Ids of leads, accounts, events and deals, and hashes.
OWN_KEY = re.compile(r"ld_[a-z2-7]{26}|[0-9a-f]{20,}|[0-9a-f]{8}-[0-9a-f]{4}-|^DEAL#\w+#\d+$|^TRACE#")
SHARD = re.compile(r"#\d+$")
# What bounds the rate of the other keys, whatever the traffic.
SHARED = {
    r"RATE#": "500 leads per minute and key (storage/quota.py), of 7 write units at most: 58 per second",
    r"SYNC#": "one run at a time writes its progress, after each page of the broker's list",
    r"PARTNER#": "changes of a circuit, failures before it opens, attempts at partners with caps, which take few leads",
    r"SOURCES$": "one write per hour",
    r"INBOX$": "what operators change by hand",
    r"ALERT#": "changes of alarms, which CloudWatch evaluates once a minute",
    r"NOTICE#": "a daily digest, and texts that people publish to the topic",
    r"CHECKS#": "one write per sweep, each minute",
    r"STATS#": "one write per day and source for each batch of the stream, spread over the shards if batches are large",
    r"CAMPAIGNS": "as STATS#, for sources with more than two campaigns a day, and one write for each new name",
    r"POSTS$": "posts without a new lead: each worker of receive_lead writes at most once per second for a source",
    r"FORM_FIELDS$": "one write per source and day for each field that a form fills, from up to 30 workers",
    r"STATS$": "one write for each page of leads that the nightly comparison of the statistics reads",
}


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


def usual_life(stack: MotoStack, partner: Remote, secrets: dict[str, dict[str, Any]]) -> None:
    """Process a lead of each kind to its end: delivered, checked, with messages and CRM notes; and incomplete ones."""
    begin(stack, partner, secrets)
    for status in STATUSES:
        for lead in asked(stack, "GET", "/leads")["leads"]:
            for name, delivery in lead["deliveries"].items():
                if delivery["state"] != "submitted":
                    continue
                if delivery["deal_id"] is not None:
                    partner.pin(delivery["deal_id"], status)
                place = {"lead_id": lead["lead_id"], "partner": name}
                asked(stack, "POST", "/leads/{lead_id}/deliveries/{partner}/check", pathParameters=place)
        stack.carry()
    stack.tick()


def count_writes(life: Life) -> KeyUnits:
    """Count the writes of some flows."""
    with (
        TemporaryDirectory() as folder,
        Sandbox(Path(folder), pace=3600, further=further()) as sandbox,
        moto_stack() as stack,
    ):
        Remote(sandbox.url).reset()
        with counted() as key_units, redirect_stdout(StringIO()):  # the functions print metrics
            life(stack, Remote(sandbox.url), sandbox.secrets())
    return key_units


@cache
def _sample() -> list[str]:
    return [lead_id_of("web", f"id:{number}") for number in range(SAMPLE)]


@cache
def hottest_share(shards: int = SHARDS) -> float:
    """The share of the leads in the fullest shard."""
    found = Counter(shard_of(lead_id, shards) for lead_id in _sample())
    return max(found.values()) / SAMPLE


def partition_of(key: str) -> str | None:
    """Return the name of a shared key, without its shard, or None for a key of one lead or person."""
    if OWN_KEY.search(key):
        return None
    return SHARD.sub("", key)


def rates(key_units: KeyUnits) -> dict[str, float]:
    """The write units per second of the hottest key of each partition of the indexes, at `LEADS_PER_SECOND`.

    By the lead of the flows that writes most to the partition.
    """
    by_lead: dict[str, Counter[str]] = defaultdict(Counter)
    shares: dict[str, float] = {}
    for (place, key), owners in key_units.found.items():
        partition = partition_of(key)
        if partition is not None and place != MAIN:
            name = f"{place} {partition}"
            by_lead[name].update(owners)
            shares[name] = hottest_share(shards_in(partition)) if SHARD.search(key) else 1
    return {
        name: round(max(units.values()) * shares[name] * LEADS_PER_SECOND, 1) for name, units in sorted(by_lead.items())
    }


def unknown(key_units: KeyUnits) -> list[str]:
    """Return the shared keys of the table that are not in `SHARED`."""
    shared = (key for place, key in sorted(key_units.found) if place == MAIN and partition_of(key) is not None)
    return [key for key in shared if not any(re.match(known, key) for known in SHARED)]


def stored() -> dict[str, float]:
    """The rates that were written last."""
    return dict(json.loads(FILE.read_text(encoding="utf-8"))["rates"])


def measure(rounds: int) -> Iterator[Measurement]:
    """The rates of the last round. They do not differ between rounds."""
    found = sorted([rates(count_writes(usual_life)) for _ in range(rounds)][-1].items(), key=lambda item: -item[1])
    rows = tuple((name.replace(" ", ", "), f"{rate:,.0f}") for name, rate in found)
    title = f"Write units a second of the hottest key of each partition, at {LEADS_PER_SECOND:,} leads a second"
    columns = ("index, partition", "write units a second")
    yield Measurement("keys", title, columns, rows, {"hottest_key": found[0][1] / MAX_UNITS})


def main() -> int:
    logging.disable()
    if "--write" not in sys.argv[1:]:
        return run_alone(measure, rounds=1, described=__doc__)
    found = {"leads_per_second": LEADS_PER_SECOND, "rates": rates(count_writes(usual_life))}
    FILE.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
