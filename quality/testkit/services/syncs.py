"""A sync in memory: a broker, a book, a ledger, time, and a blade that may fall at any step."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from leadbridge.domain import delivery as steps
from leadbridge.domain.accounts.account import StoredAccount
from leadbridge.domain.delivery import Delivery
from leadbridge.domain.lead import Lead
from leadbridge.partners.matchtrade.rows import BrokerAccount
from leadbridge.runtime.budget import Budget
from leadbridge.services.reconcile_accounts import AccountReconciler, ReconcileCounts
from leadbridge.services.sync_accounts import ProcessedPage, Sync, SyncReport
from leadbridge.settings import Partner, Settings
from leadbridge.settings.partners import SyncPlan
from quality.testkit.fakes.account_repository import PARTNER, InMemoryAccountRepository
from quality.testkit.fakes.blades import Blade, Ports
from quality.testkit.fakes.brokers import Broker
from quality.testkit.fakes.errors import some_error
from quality.testkit.fakes.ledgers import Ledger
from quality.testkit.fixtures import Time
from quality.testkit.people import lead

TICK = timedelta(minutes=5)
READINGS = ("created", "changed")


@dataclass
class World:
    """All that has to do with one sync. `notes` are the pages that were taken in."""

    time: Time
    settings: Partner
    ledger: Ledger = field(default_factory=Ledger)
    broker: Broker = field(init=False)
    book: InMemoryAccountRepository = field(init=False)
    notes: list[ProcessedPage] = field(default_factory=list)
    runs: int = 0

    def __post_init__(self) -> None:
        self.broker = Broker(self.time)
        self.book = InMemoryAccountRepository(self.ledger)

    @property
    def plan(self) -> SyncPlan:
        assert self.settings.sync is not None
        return self.settings.sync

    def planned(self, **changes: Any) -> None:
        """Have another plan, and a broker that means by `from` and `to` what the plan says."""
        changed = SyncPlan.model_construct(**{**dict(self.plan), **changes})
        self.settings = self.settings.model_copy(update={"sync": changed})
        self.broker.filters_on = changed.filters_on

    def lead(self, number: int = 1, email: str | None = None) -> Lead:
        """A lead of ours for the broker, received now."""
        made = lead(
            number, source="web-trading", received_at=self.time.now, email=email or f"ours-{number}@example.com"
        )
        made = made.model_copy(update={"partners": (PARTNER,)})
        self.ledger.accept(made)
        self.book.leads.append(made)
        return made

    def attempted(self, made: Lead) -> Delivery:
        """Its create call is in progress."""
        return self.ledger.apply(steps.start_attempt(self.delivery(made), self.time.now, timedelta(seconds=30)))

    def submitted(self, made: Lead, uuid: str | None = None) -> Delivery:
        """The partner has taken it."""
        return self.ledger.apply(steps.confirm(self.attempted(made), self.time.now, uuid, is_followed=False))

    def unknown(self, made: Lead) -> Delivery:
        """The reply to its create call was lost."""
        return self.ledger.apply(steps.mark_unknown(self.attempted(made), self.time.now, some_error("lost")))

    def uncertain(self, made: Lead) -> Delivery:
        """The same, and it is to be looked up."""
        return self.ledger.apply(steps.mark_uncertain(self.attempted(made), self.time.now, some_error("lost"), None))

    def delivery(self, made: Lead) -> Delivery:
        found = self.ledger.delivery(made.lead_id, PARTNER)
        assert found is not None
        return found

    def sync(self, blade: Blade | None = None) -> Sync:
        """The sync; a blade falls before and after each call of a port, the broker's pages among them."""
        if blade is None:
            reconciler = AccountReconciler(PARTNER, self.book, self.ledger, self.settings, self.time)
            return Sync(self.broker, self.book, reconciler, self.plan, self.time, self.notes.append)
        book = Ports(self.book, blade)
        reconciler = AccountReconciler(PARTNER, book, Ports(self.ledger, blade), self.settings, self.time)
        return Sync(Paged(self.broker, blade), book, reconciler, self.plan, self.time, self.notes.append)

    def run(self, blade: Blade | None = None, budget: Budget | None = None) -> SyncReport:
        """One run, as a tick of the schedule starts it."""
        self.runs += 1
        ample = Budget(200.0, reserve=0, monotonic=lambda: 0.0)
        return self.sync(blade).run(f"run {self.runs}", budget or ample)

    def tick(self, times: int = 1) -> SyncReport:
        """Let five minutes pass and run, so many times."""
        for _ in range(times):
            self.time.now += TICK
            report = self.run()
        return report

    @property
    def notified(self) -> list[tuple[str, str | None]]:
        """The status notifications, in order."""
        return [(message.owner, message.partner_status) for message in self.ledger.messages]

    @property
    def happened(self) -> list[tuple[str, str | None]]:
        """The deliveries' timelines, in order."""
        return [(entry.what, entry.detail) for entry in self.ledger.timeline]


@dataclass
class Paged:
    """A broker before and after each of whose pages the blade may fall."""

    inner: Broker
    blade: Blade

    @property
    def seconds_per_page(self) -> float:
        return self.inner.seconds_per_page

    def pages(self, since: datetime, until: datetime, budget: Budget, *, size: int, first_page: int = 0) -> Any:
        pages = self.inner.pages(since, until, budget, size=size, first_page=first_page)
        while True:
            self.blade.step()
            page = next(pages, None)
            self.blade.step()
            if page is None:
                return
            yield page


def world(settings: Settings, time: Time, **plan: Any) -> World:
    """A world with small pages and half a year of history, in windows of two months."""
    made = World(time, settings.partners[PARTNER])
    since = date(2025, 9, 1)
    made.planned(**{"page_size": 2, "since": since, "window": timedelta(days=60), **plan})
    return made


def fill(world: World, count: int = 7) -> None:
    """Foreign accounts through half a year."""
    for number in range(count):
        world.broker.add(f"foreign-{number}", world.time.now - timedelta(days=3 + 170 * number / count))


def slow(world: World, seconds: float = 30.0) -> None:
    """Each page costs as much time as it may."""
    world.broker.takes = world.broker.seconds_per_page = seconds


def take(world: World, *uuids: str, **row: Any) -> ReconcileCounts:
    """Take rows of the broker's in, as its client reads them; `row` are fields of each."""
    rows = [BrokerAccount.of({**world.broker.rows[uuid], **row}) for uuid in uuids]
    return take_in(world, rows)


def take_in(world: World, rows: list[BrokerAccount], asked_at: datetime | None = None) -> ReconcileCounts:
    """Take rows in that the broker was asked for at that time, or now."""
    taken = ReconcileCounts()
    reconciler = AccountReconciler(PARTNER, world.book, world.ledger, world.settings, world.time)
    reconciler.reconcile(rows, world.book.oldest_lead(), taken, asked_at=asked_at)
    return taken


def kept(world: World, uuid: str = "a") -> StoredAccount:
    """What is kept of an account."""
    return world.book.all[uuid]
