"""Leads are spread evenly over the shards of an index partition."""

from __future__ import annotations

from collections import Counter

import pytest

from leadbridge.domain.lead import lead_id_of
from leadbridge.domain.shards import MANY_WRITES, MOST_SHARDS, SHARDS, shard_of, sharded, shards_of
from leadbridge.storage import messages
from leadbridge.storage.feedback import postbacks


@pytest.mark.parametrize("shards", [SHARDS, MOST_SHARDS])
def test_leads_are_spread_evenly(shards: int) -> None:
    leads = 16_000
    found = Counter(shard_of(lead_id_of("web", f"id:{number}"), shards) for number in range(leads))
    share = leads / shards
    assert set(found) == set(range(shards))
    assert max(found.values()) < 1.1 * share
    assert min(found.values()) > 0.9 * share


def test_the_shard_of_a_stored_lead_never_changes() -> None:
    assert shard_of("ld_qbnlhkyrzzpldxqjfxsmnohkwm") == 7
    assert sharded("lead", "ld_qbnlhkyrzzpldxqjfxsmnohkwm") == "lead#7"
    assert sharded("messages", "ld_qbnlhkyrzzpldxqjfxsmnohkwm") == "messages#7"
    assert sharded("messages", "ld_a") == "messages#" + str(shard_of("ld_a", MOST_SHARDS))


def test_a_reader_gets_every_shard() -> None:
    assert sharded("lead", "ld_qbnlhkyrzzpldxqjfxsmnohkwm") in shards_of("lead")
    assert len(set(shards_of("lead"))) == SHARDS
    assert len(set(shards_of("messages"))) == MOST_SHARDS
    assert {messages.DUE_PARTITION, postbacks.DUE_PARTITION} == MANY_WRITES
