"""The sync against the broker: whatever it does to us, in the end we have what it has, and said everything once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from devstack.sandbox.server import Sandbox
from leadbridge.domain import delivery as steps
from leadbridge.domain.lead import Lead
from leadbridge.partners.matchtrade.client import MatchTrade
from leadbridge.services.reconcile_accounts import AccountReconciler
from leadbridge.services.sync_accounts import ProcessedPage, Sync, SyncOutcome, SyncReport
from leadbridge.settings import Settings
from leadbridge.settings.partners import SyncPlan
from quality.testkit.clients.matchtrade import Broken, MatchTradeWorld, Operation, budget, lead, matchtrade_world
from quality.testkit.clients.matchtrade_faults import MATRIX
from quality.testkit.fakes.account_repository import PARTNER, InMemoryAccountRepository
from quality.testkit.fakes.ledgers import Ledger
from quality.testkit.template import ROOT
from tools.config import read_toml

SETTINGS = Settings.model_validate(read_toml(ROOT / "config", "prod")).partners[PARTNER]
NOW = datetime.now(UTC)
READINGS = {"created": "created", "changed": "updated"}


class Following:
    """A world and the sync that follows it: one worker, whose client lives as long."""

    def __init__(self, world: MatchTradeWorld, **plan: Any) -> None:
        self.world = world
        self.ledger = Ledger()
        self.book = InMemoryAccountRepository(self.ledger)
        self.pages: list[ProcessedPage] = []
        self.client: MatchTrade = world.client()
        self.ahead = timedelta()
        values = {"since": date(2019, 1, 1), "window": timedelta(days=1000), "page_size": 4, **plan}
        self.plan = SyncPlan.model_construct(**{**dict(SETTINGS.sync or {}), **values})

    def clock(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def run(self, **passes: float) -> SyncReport:
        """One run, so long after the last one."""
        self.ahead += timedelta(**passes)
        reconciler = AccountReconciler(PARTNER, self.book, self.ledger, SETTINGS, self.clock)
        sync = Sync(self.client, self.book, reconciler, self.plan, self.clock, self.pages.append)
        return sync.run(f"run {self.ahead}", budget(240))

    def register(self, email: str) -> tuple[Lead, str]:
        """A lead of ours that the broker has made an account of."""
        made = lead(email=email).model_copy(update={"lead_id": f"ld_{email}", "received_at": self.clock()})
        self.ledger.accept(made)
        self.book.leads.append(made)
        sending = self.ledger.delivery(made.lead_id, PARTNER)
        assert sending is not None
        sending = self.ledger.apply(steps.start_attempt(sending, self.clock(), timedelta(seconds=30)))
        uuid = self.world.create(self.client, email=email)
        assert uuid is not None
        self.ledger.apply(steps.confirm(sending, self.clock(), uuid, is_followed=False))
        return made, uuid

    def status(self, made: Lead) -> str | None:
        found = self.ledger.delivery(made.lead_id, PARTNER)
        assert found is not None
        return found.partner_status

    def assert_has_everything(self) -> None:
        """What is kept is what the broker has."""
        theirs = {each["uuid"]: each["leadStatus"] for each in self.world.remote.rows("matchtrade/accounts")}
        assert {uuid: account.status for uuid, account in self.book.all.items()} == theirs


@pytest.fixture
def world(sandbox: Sandbox) -> Iterator[MatchTradeWorld]:
    with matchtrade_world(sandbox) as surroundings:
        yield surroundings


@pytest.fixture(params=sorted(READINGS))
def following(world: MatchTradeWorld, request: pytest.FixtureRequest) -> Following:
    """A sync under each reading of `from` and `to`."""
    world.remote.post("matchtrade/broker", {"filter_by": READINGS[request.param]})
    return Following(world, filters_on=request.param)


def test_years_of_accounts_are_kept_and_those_of_our_leads_followed(following: Following) -> None:
    following.world.remote.post("matchtrade/accounts", {"count": 25, "start": "2019-01-01T00:00:00Z", "foreign": True})
    made, uuid = following.register("first@example.com")
    assert following.run().outcome is SyncOutcome.COMPLETED
    following.assert_has_everything()
    assert following.status(made) == "NEW_CONTACT"
    for status in ("CONTACTED", "ACTIVE_CLIENT"):
        following.world.remote.post(f"matchtrade/accounts/{uuid}", {"status": status})
        following.run(minutes=5)
        following.run(minutes=5)
        assert following.status(made) == status
    assert [message.partner_status for message in following.ledger.messages] == ["CONTACTED", "ACTIVE_CLIENT"]


def test_a_second_sync_writes_nothing(following: Following) -> None:
    following.world.remote.post("matchtrade/accounts", {"count": 9, "start": "2019-01-01T00:00:00Z"})
    following.register("first@example.com")
    following.run()
    written, happened = following.book.written, list(following.ledger.timeline)
    following.run(minutes=5)
    following.run(hours=9)
    assert (following.book.written, following.ledger.timeline) == (written, happened)


def test_a_change_of_an_account_of_years_ago_is_noticed_by_the_whole_pass(following: Following) -> None:
    added = following.world.remote.post(
        "matchtrade/accounts", {"count": 9, "start": "2019-01-01T00:00:00Z", "end": "2020-01-01T00:00:00Z"}
    )
    following.run()
    following.world.remote.post(f"matchtrade/accounts/{added['first']}", {"status": "SOMETHING_NEW"})
    following.run(hours=9)
    assert following.book.all[added["first"]].status == "SOMETHING_NEW"


@pytest.mark.parametrize("shape", ["full", "minimal"])
def test_tokens_that_end_in_the_middle_are_renewed(following: Following, shape: str) -> None:
    following.world.remote.post("matchtrade/broker", {"page_shape": shape})
    following.world.remote.post("matchtrade/accounts", {"count": 25, "start": "2019-01-01T00:00:00Z"})
    note = following.pages.append

    def expire(page: ProcessedPage) -> None:
        note(page)
        following.world.remote.post("matchtrade/expire")

    following.pages = type("Notes", (list,), {"append": lambda _, page: expire(page)})()
    assert following.run().outcome is SyncOutcome.COMPLETED
    following.assert_has_everything()
    assert len(following.world.calls("token")) > 3


@pytest.mark.parametrize("kind", ["insert", "remove", "move", "status"])
def test_rows_that_move_between_pages_are_neither_lost_nor_doubled(following: Following, kind: str) -> None:
    remote = following.world.remote
    remote.post("matchtrade/accounts", {"count": 24, "start": "2023-01-01T00:00:00Z", "end": "2023-06-01T00:00:00Z"})
    before = [each["uuid"] for each in remote.rows("matchtrade/accounts")]
    change: dict[str, Any] = {
        "insert": {"created": "2023-01-02T00:00:00Z"},
        "remove": {"uuid": before[0]},
        "move": {"uuid": before[0], "created": NOW.isoformat()},
        "status": {"uuid": before[0], "status": "SOMETHING_NEW"},
    }[kind]
    remote.post("matchtrade/changes", {"changes": [{"kind": kind, **change}], "page": 3})
    following.run()
    following.run(minutes=5)
    assert following.book.all.keys() >= set(before)
    assert following.book.written <= 26


@pytest.mark.parametrize("operation", ["token", "list"])
@pytest.mark.parametrize("broken", [pytest.param(broken, id=what) for what, broken, _ in MATRIX])
def test_after_any_fault_the_next_run_has_everything(
    world: MatchTradeWorld, operation: Operation, broken: Broken
) -> None:
    """A run that fails says so, names nobody, and leaves the watermark where it was."""
    following = Following(world, window=timedelta(days=9000))
    world.remote.post(
        "matchtrade/accounts", {"count": 9, "start": (NOW - timedelta(days=5)).strftime("%Y-%m-%dT%H:%M:%SZ")}
    )
    made, _ = following.register("first@example.com")
    following.run()
    watermark = following.book.state.watermark
    world.remote.post("matchtrade/accounts", {"count": 1, "emails": ["news@example.com"]})
    broken(world, operation)
    following.client = world.client()
    report = following.run(hours=9)
    if report.outcome is not SyncOutcome.COMPLETED:
        assert report.outcome is SyncOutcome.FAILED
        assert report.error is not None
        assert "first@example.com" not in report.error.text
        assert following.book.state.watermark == watermark
    world.repair()
    following.client = world.client()
    assert following.run(hours=2).outcome is SyncOutcome.COMPLETED
    following.run(hours=9)
    following.assert_has_everything()
    assert following.status(made) == "NEW_CONTACT"
