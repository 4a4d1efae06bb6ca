"""No key of the table or of an index exceeds DynamoDB's limit of write units at 1,000 leads per second."""

from __future__ import annotations

import pytest

from leadbridge.domain.shards import MOST_SHARDS, SHARDS
from quality.benchmarks.hot_keys import (
    MAX_UNITS,
    STORED,
    count_writes,
    hottest_share,
    rates,
    unknown,
)
from quality.testkit.aws.recorded_flows import AllFlows, KeyUnits


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
    assert unknown(all_flows.key_units) == []
