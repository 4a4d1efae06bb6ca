"""Counting while everything goes wrong at once: workers collide and die, AWS fails, records are lost and come late."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadbridge.domain.statistics.contribution import added
from leadbridge.runtime import aws
from leadbridge.runtime.aws_errors import Contended
from leadbridge.storage import items
from leadbridge.storage.statistics.counted import CountedLeads
from leadbridge.storage.statistics.counters import SHARDS
from leadbridge.storage.statistics.reconciliation import Reconciler
from leadbridge.storage.statistics.records import change_of
from leadbridge.storage.table import Table
from quality.testkit.aws.aws_answers import aws_error, canceled
from quality.testkit.aws.memory_dynamodb import memory_dynamodb, memory_table
from quality.testkit.counted_lives import DAY, lives
from quality.testkit.fixtures import TABLE
from quality.testkit.people import NOW
from quality.testkit.statistics import counts_of, every_item, miscounted
from quality.testkit.template import table_definition

type Records = list[dict[str, Any]]

STEPS = 40  # of one run
MAX_DEPTH = 2  # workers of which each runs while the one before is in a call


@pytest.fixture
def aws_engine() -> str:
    """Only the memory has the stream's records."""
    return "memory"


class Killed(Exception):
    """A worker ends."""


class World:
    """The table, its stream, and workers that count at the same time.

    Some records are lost: the stream discards them after its attempts, or after a day. They may arrive at the end.
    """

    def __init__(self, random: Random) -> None:
        self.random = random
        self.lives = lives(random, days_ago=0)
        self.waiting: Records = []
        self.delivered: Records = []
        self.lost: Records = []
        self.snapshots: list[dict[Any, Any]] = []
        self.depth = 0

    def step(self) -> None:
        """A random event."""
        self.random.choice([self.live, self.live, self.work, self.work, self.redeliver, self.reconcile, self.lose])()
        self.waiting += memory_table(TABLE).take_records()
        self.snapshots = [*self.snapshots[-3:], dict(memory_table(TABLE).items)]

    def live(self) -> None:
        if self.lives:
            one = self.random.choice(self.lives)
            if next(one, "ended") == "ended":
                self.lives.remove(one)

    def work(self) -> None:
        """Count some of the waiting records, in any order. Those that were not counted are delivered again."""
        self.random.shuffle(self.waiting)
        size = self.random.randint(1, 12)
        batch, self.waiting = self.waiting[:size], self.waiting[size:]
        failed = self.count(batch)  # others change `waiting` meanwhile
        self.waiting += failed

    def redeliver(self) -> None:
        self.waiting += self.random.choices(self.delivered, k=3) if self.delivered else []

    def lose(self) -> None:
        if self.waiting and self.random.random() < 0.5:
            self.lost.append(self.waiting.pop())

    def reconcile(self) -> None:
        with suppress(Killed, Contended):
            Reconciler(self.table()).run(NOW + DAY, lambda: True)

    def count(self, batch: Records) -> Records:
        """Count a batch; return the records to deliver again."""
        changes: dict[str, Any] = {}
        for record in batch:
            if found := change_of(record):
                lead_id, change = found
                changes[lead_id] = changes[lead_id].merged(change) if lead_id in changes else change
        try:
            result = CountedLeads(self.table()).count(changes, NOW, shard=self.random.randrange(SHARDS))
        except Killed:
            return batch
        assert not result.unreadable
        self.delivered += batch
        return [
            record for record in batch if items.lead_id_of(items.decode(record["dynamodb"]["Keys"])) in result.failed
        ]

    def table(self) -> Table:
        client: Any = Client(self) if self.depth < MAX_DEPTH else aws.dynamodb()
        return Table(client, TABLE)


class Client:
    """A worker's client: reads that need not be consistent are outdated, calls fail, and others work meanwhile."""

    def __init__(self, world: World) -> None:
        self.world, self.client = world, aws.dynamodb()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def called(**asked: Any) -> Any:
            world, chance = self.world, self.world.random.randrange(20)
            if chance < 5:
                world.depth += 1
                world.step()
                world.depth -= 1
            match name, chance:
                case _, 6:
                    raise aws_error("ThrottlingException")
                case "transact_write_items", 7:
                    raise canceled("TransactionConflict", *["None"] * (len(asked["TransactItems"]) - 1))
                case _, 8:
                    self.answer(name, asked)
                    raise aws_error("InternalServerError", status=500)
                case _, 9:
                    self.answer(name, asked)
                    raise Killed
                case _, 10:
                    raise Killed
            return self.answer(name, asked)

        return called

    def answer(self, name: str, asked: dict[str, Any]) -> Any:
        """Make the call. A read that is not consistent may have an earlier state of the table."""
        (request,) = asked.get("RequestItems", {TABLE: {}}).values()
        table, call = memory_table(TABLE), getattr(self.client, name)
        if name != "batch_get_item" or request.get("ConsistentRead") or not self.world.snapshots:
            return call(**asked)
        with patch.object(table, "items", self.world.random.choice(self.world.snapshots)):
            return call(**asked)


def lead_id_in(record: dict[str, Any]) -> str:
    return items.lead_id_of(items.decode(record["dynamodb"]["Keys"]))


def lead_ids(every: Records) -> set[str]:
    return {items.lead_id_of(values) for values in every if values["sk"] == "LEAD"}


def check_counts() -> None:
    """The counters are what the items have, and what is counted of each lead."""
    final = every_item(TABLE)
    assert list(miscounted(final)) == []
    counted = CountedLeads(Table(aws.dynamodb(), TABLE)).read(lead_ids(final))
    assert counts_of(TABLE) == added((one.counts(), 1) for one in counted.values())
    assert all(one.lead is not None and one.lead.is_counted for one in counted.values())


@contextmanager
def a_table() -> Iterator[None]:
    with memory_dynamodb(), patch("leadbridge.runtime.aws_errors.FIRST_PAUSE", 1e-6):
        aws.dynamodb().create_table(**table_definition(TABLE))
        yield


def count_rest(world: World) -> None:
    """Deliver what waits, until nothing fails."""
    world.depth = MAX_DEPTH  # nothing disturbs it
    while world.waiting:
        world.work()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32))
@pytest.mark.usefixtures("aws_mocked")
def test_every_record_is_counted_once_whatever_happens_to_workers(seed: int) -> None:
    with a_table():
        world = World(Random(seed))
        for _ in range(STEPS):
            world.step()
        world.waiting += world.lost
        count_rest(world)
        check_counts()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32))
@pytest.mark.usefixtures("aws_mocked")
def test_the_comparison_repairs_lost_records_once_even_if_they_arrive_later(seed: int) -> None:
    with a_table():
        world = World(Random(seed))
        for _ in range(STEPS):
            world.step()
        count_rest(world)
        reconciler = Reconciler(Table(aws.dynamodb(), TABLE))
        assert reconciler.run(NOW + 2 * DAY, lambda: True).is_done
        check_counts()
        world.waiting = [*world.lost, *world.delivered]
        count_rest(world)
        check_counts()
        assert reconciler.run(NOW + 3 * DAY, lambda: True).corrections.total() == 0
