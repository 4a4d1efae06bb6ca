"""Two runs of the sync at the real table: one has the lease, and who has lost it writes nothing more down."""

from __future__ import annotations

from datetime import timedelta

import pytest

from leadbridge.domain.fields.hashes import keyed_hash
from leadbridge.runtime import aws
from leadbridge.services.reconcile_accounts import AccountReconciler
from leadbridge.services.sync_accounts import ProcessedPage, Sync, SyncOutcome, SyncReport
from leadbridge.settings import Settings
from leadbridge.storage.accounts import AccountRepository
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.table import Table
from quality.testkit.fakes.brokers import Broker
from quality.testkit.fixtures import TABLE, Time

PARTNER = "matchtrade"


class Worker:
    """A worker of its own: it shares the table, the broker and the time with others, and nothing else."""

    def __init__(self, name: str, store: LeadRepository, broker: Broker, settings: Settings, time: Time) -> None:
        self.name = name
        self.broker = broker
        table = Table(aws.dynamodb(), TABLE)
        self.accounts = AccountRepository(table, PARTNER, lambda value: keyed_hash("a key", value))
        self.pages: list[ProcessedPage] = []
        partner = settings.partners[PARTNER]
        assert partner.sync is not None
        reconciler = AccountReconciler(PARTNER, self.accounts, store, partner, time)
        self.sync = Sync(broker, self.accounts, reconciler, partner.sync, time, self.pages.append)

    def run(self) -> SyncReport:
        return self.sync.run(self.name, self.broker.budget(240))


@pytest.fixture
def broker(time: Time) -> Broker:
    return Broker(time)


@pytest.fixture
def workers(store: LeadRepository, broker: Broker, shipped_settings: Settings, time: Time) -> tuple[Worker, Worker]:
    first, second = (Worker(name, store, broker, shipped_settings, time) for name in ("first", "second"))
    return first, second


def test_while_one_is_at_work_the_other_does_nothing(broker: Broker, workers: tuple[Worker, Worker]) -> None:
    first, second = workers
    broker.add("a")
    seen: list[SyncOutcome] = []

    def meet(_: int) -> None:
        broker.before_page = lambda _: None
        seen.append(second.run().outcome)
        broker.before_page = meet

    broker.before_page = meet
    assert first.run().outcome is SyncOutcome.COMPLETED
    assert set(seen) == {SyncOutcome.LOCKED}
    broker.before_page = lambda _: None
    assert second.run().outcome is SyncOutcome.COMPLETED
    assert (second.accounts.state(), second.pages != []) == (first.accounts.state(), True)


def test_one_that_slept_through_its_lease_finds_its_successors_words_and_leaves_them(
    broker: Broker, workers: tuple[Worker, Worker], time: Time
) -> None:
    first, second = workers
    broker.add("a")
    first.run()
    time.pass_(minutes=5)
    first.pages.clear()

    def sleep(_: int) -> None:
        broker.before_page = lambda _: None
        time.pass_(minutes=6)
        broker.add("b")
        assert second.run().outcome is SyncOutcome.COMPLETED
        time.pass_(seconds=1)

    broker.before_page = sleep
    assert first.run().outcome is SyncOutcome.LEASE_LOST
    assert first.pages == []
    state = second.accounts.state()
    assert state is not None
    assert state.watermark == time.now - timedelta(seconds=1)
    assert first.accounts.accounts(["a", "b"]).keys() == {"a", "b"}
