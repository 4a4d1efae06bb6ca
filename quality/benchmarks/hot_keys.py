"""`python -m quality.benchmarks.hot_keys --write`: the write units per second of each key at 1,000 leads per second.

The usual flows run once in one process. The rate of a key of one lead or person does not grow with the traffic; what
bounds the others, tests/contract/test_hot_keys.py says. docs/capacity.md is computed from the stored rates.
"""

from __future__ import annotations

import logging
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping
from functools import cache

from leadbridge.domain.lead import lead_id_of
from leadbridge.domain.shards import SHARDS, shard_of, shards_in
from quality.benchmarks.report import Measurement
from quality.benchmarks.shipped import data, store
from quality.testkit.aws.recorded_flows import MAIN, KeyUnits, count_writes

STORED: dict[str, float] = data("hot_keys.json")["rates"]
LEADS_PER_SECOND = 1000
MAX_UNITS = 1000  # write units per second that DynamoDB accepts for one partition key
SAMPLE = 100_000  # leads by which the imbalance of the shards is measured
# Ids of leads, accounts, events and deals, and hashes.
OWN_KEY = re.compile(r"ld_[a-z2-7]{26}|[0-9a-f]{20,}|[0-9a-f]{8}-[0-9a-f]{4}-|^DEAL#\w+#\d+$|^TRACE#")
SHARD = re.compile(r"#\d+$")


@cache
def hottest_share(shards: int = SHARDS) -> float:
    found = Counter(shard_of(lead_id_of("web", f"id:{number}"), shards) for number in range(SAMPLE))
    return max(found.values()) / SAMPLE


def rates(key_units: KeyUnits) -> dict[str, float]:
    """The rate of the hottest key of each partition of the indexes, by the lead that writes most to the partition."""
    by_lead: dict[str, Counter[str]] = defaultdict(Counter)
    shares: dict[str, float] = {}
    for (place, key), owners in key_units.found.items():
        if place != MAIN and not OWN_KEY.search(key):
            partition = SHARD.sub("", key)
            by_lead[f"{place} {partition}"].update(owners)
            shares[f"{place} {partition}"] = hottest_share(shards_in(partition)) if SHARD.search(key) else 1
    return {name: round(max(of.values()) * shares[name] * LEADS_PER_SECOND, 1) for name, of in sorted(by_lead.items())}


def rows(found: Mapping[str, float]) -> list[tuple[str, str]]:
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
