"""`python -m quality.benchmarks.hot_keys --write`: the write units per second of each key at 1,000 leads per second.

All flows run once in one process, and each write is counted at the keys that it changes. The rate of a key of one lead
or person does not grow with the traffic. Every other key must be in `SHARED`, with what bounds its rate. The figures
are stored in quality/benchmarks/hot_keys.json, from which docs/capacity.md is computed.
"""

from __future__ import annotations

import logging
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from devstack.partners import further
from devstack.sandbox.remote import Remote
from devstack.sandbox.server import Sandbox
from leadbridge.domain.lead import lead_id_of
from leadbridge.domain.shards import SHARDS, shard_of, shards_in
from quality.benchmarks.report import Measurement
from quality.benchmarks.shipped import data, store
from quality.testkit.aws.all_flows import begin
from quality.testkit.aws.moto_stack import MotoStack, moto_stack
from quality.testkit.aws.operator_flows import asked
from quality.testkit.aws.recorded_flows import MAIN, KeyUnits, counted

STORED: dict[str, float] = data("hot_keys.json")["rates"]
LEADS_PER_SECOND = 1000
MAX_UNITS = 1000  # write units per second that DynamoDB accepts for one partition key
SAMPLE = 100_000  # leads by which the imbalance of the shards is measured
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


def usual_life(stack: MotoStack, partner: Remote, secrets: dict[str, dict[str, Any]]) -> None:
    """Process a lead of each kind to its end: delivered, checked, with messages and CRM notes; and incomplete ones."""
    for number in (
        3,
        4,
    ):  # Meta has all leads of the sample: how often a missing one is asked for depends on the machine
        answers = {"full_name": "Прикладенко Олена", "phone_number": f"+38050000008{number}"}
        partner.add_lead(answers, leadgen_id=f"120210000000001{number}")
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


def count_writes() -> KeyUnits:
    """Count the writes of a lead of each kind."""
    with (
        TemporaryDirectory() as folder,
        Sandbox(Path(folder), pace=3600, further=further()) as sandbox,
        moto_stack() as stack,
    ):
        Remote(sandbox.url).reset()
        with counted() as key_units, redirect_stdout(StringIO()):  # the functions print metrics
            usual_life(stack, Remote(sandbox.url), sandbox.secrets())
    return key_units


@cache
def hottest_share(shards: int = SHARDS) -> float:
    """The share of the leads in the fullest shard."""
    found = Counter(shard_of(lead_id_of("web", f"id:{number}"), shards) for number in range(SAMPLE))
    return max(found.values()) / SAMPLE


def rates(key_units: KeyUnits) -> dict[str, float]:
    """The write units per second of the hottest key of each partition of the indexes, at `LEADS_PER_SECOND`.

    By the lead of the flows that writes most to the partition.
    """
    by_lead: dict[str, Counter[str]] = defaultdict(Counter)
    shares: dict[str, float] = {}
    for (place, key), owners in key_units.found.items():
        if place != MAIN and not OWN_KEY.search(key):
            partition = SHARD.sub("", key)
            by_lead[f"{place} {partition}"].update(owners)
            shares[f"{place} {partition}"] = hottest_share(shards_in(partition)) if SHARD.search(key) else 1
    return {
        name: round(max(units.values()) * shares[name] * LEADS_PER_SECOND, 1) for name, units in sorted(by_lead.items())
    }


def unknown(key_units: KeyUnits) -> list[str]:
    """Return the shared keys of the table that are not in `SHARED`."""
    shared = (key for place, key in sorted(key_units.found) if place == MAIN and not OWN_KEY.search(key))
    return [key for key in shared if not any(re.match(known, key) for known in SHARED)]


def rows(found: Mapping[str, float]) -> list[tuple[str, str]]:
    """The rows of a table, the hottest key first."""
    return [(name.replace(" ", ", "), f"{rate:,.0f}") for name, rate in sorted(found.items(), key=lambda one: -one[1])]


def hot_keys(_rounds: int) -> list[Measurement]:
    """Once: the rates do not differ between rounds."""
    logging.disable()
    found = rates(count_writes())
    title = f"Write units a second of the hottest key of each partition, at {LEADS_PER_SECOND:,} leads a second"
    ratios = {"hottest_key": max(found.values()) / MAX_UNITS}
    return [Measurement("keys", title, ("index, partition", "write units a second"), tuple(rows(found)), ratios)]


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("use --write; `make bench ONLY=hot_keys` compares the figures with the budget")
    logging.disable()
    store("hot_keys.json", {"leads_per_second": LEADS_PER_SECOND, "rates": rates(count_writes())})
