"""No key of the table or of an index exceeds DynamoDB's limit of write units at 1,000 leads per second."""

from __future__ import annotations

import re

import pytest

from leadbridge.domain.shards import MOST_SHARDS, SHARDS
from quality.benchmarks.hot_keys import MAX_UNITS, OWN_KEY, STORED, hottest_share, rates
from quality.testkit.aws.recorded_flows import MAIN, AllFlows, KeyUnits, count_writes

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


@pytest.fixture(scope="module")
def usual() -> KeyUnits:
    """The writes of a lead of each kind, from its form's post to the final status."""
    return count_writes()


def test_no_key_of_an_index_exceeds_its_limit(usual: KeyUnits) -> None:
    found = rates(usual)
    assert {"listing lead", "listing delivery#closed", "listing incomplete"} <= set(found)
    assert {name: rate for name, rate in found.items() if rate > MAX_UNITS} == {}


def test_the_stored_rates_are_current(usual: KeyUnits) -> None:
    """docs/capacity.md is computed from them."""
    found, known = rates(usual), STORED
    assert sorted(found) == sorted(known), "run python -m quality.benchmarks.hot_keys --write"
    assert max(found.values()) <= 1.1 * max(known.values()), "run python -m quality.benchmarks.hot_keys --write"


@pytest.mark.parametrize("shards", [SHARDS, MOST_SHARDS])
def test_the_fullest_shard_has_little_more_than_its_share(shards: int) -> None:
    assert hottest_share(shards) < 1.05 / shards


def test_every_other_key_of_the_table_is_of_one_lead_or_person_or_bounded(all_flows: AllFlows) -> None:
    """A new shared key must be sharded, or listed with what bounds its rate."""
    shared = (key for place, key in sorted(all_flows.key_units.found) if place == MAIN and not OWN_KEY.search(key))
    assert [key for key in shared if not any(re.match(known, key) for known in SHARED)] == []
