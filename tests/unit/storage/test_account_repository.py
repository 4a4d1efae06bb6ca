"""Accounts and the sync's state in the table: batches, leases, and what must not stand in an index."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leadbridge.domain.accounts.account import StoredAccount
from leadbridge.domain.accounts.scan import LeaseLost, ScanKind, ScanState, SyncScan
from leadbridge.domain.fields.hashes import keyed_hash
from leadbridge.runtime import aws, aws_errors
from leadbridge.runtime.aws_errors import Contended
from leadbridge.storage import accounts as module
from leadbridge.storage import items, table
from leadbridge.storage.accounts import AccountRepository
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.table import Table
from quality.testkit.fixtures import TABLE
from quality.testkit.people import NOW, lead

LATER = NOW + timedelta(minutes=5)
DAY = timedelta(days=1)
PASS = SyncScan(ScanKind.FULL, NOW, NOW - 99 * DAY, NOW, NOW - 30 * DAY, 30 * DAY, 1000, 3, 7001, 4, 2, 1)
STATE = ScanState(
    watermark=NOW,
    first_run_at=NOW - DAY,
    active_scans={ScanKind.FULL: PASS},
    full_scan_started_at=NOW,
    paused_until=LATER,
)


def hashed(value: str) -> str:
    return keyed_hash("a key", value)


@pytest.fixture
def accounts(store: LeadRepository) -> AccountRepository:
    return AccountRepository(Table(aws.dynamodb(), TABLE), "matchtrade", hashed)


def account(number: int, **changes: Any) -> StoredAccount:
    values: dict[str, Any] = {
        "email": f"{number}@example.com",
        "name": "Ольга",
        "status": "NEW_CONTACT",
        "created": NOW,
    }
    return StoredAccount(f"uuid-{number}", NOW, **values | changes)


@pytest.mark.parametrize("aws_engine", ["memory"], indirect=True)  # moto takes seconds for so many
def test_accounts_are_kept_and_read_however_many(accounts: AccountRepository) -> None:
    some = [account(number, lead_id="ld_1" if number % 2 else None) for number in range(130)]
    accounts.store(some)
    found = accounts.accounts([one.uuid for one in some] + ["nobody"])
    assert found == {one.uuid: one for one in some}


def test_deliveries_of_a_page_are_read_in_batches(accounts: AccountRepository, store: LeadRepository) -> None:
    """One that does not exist is None; one that cannot be read has no entry and does not stop the others."""
    some = [lead(number, source="web-trading").model_copy(update={"partners": ("matchtrade",)}) for number in range(3)]
    for one in some:
        store.accept(one, phone_hash=None)
    aws.dynamodb().update_item(
        TableName=TABLE,
        Key=items.encode(items.delivery_key(some[2].lead_id, "matchtrade")),
        UpdateExpression="SET #state = :state",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues={":state": {"S": "a state of another time"}},
    )
    ids = [one.lead_id for one in some] + [f"ld_{number:026d}" for number in range(150)]
    found = accounts.deliveries(ids)
    assert {lead_id for lead_id, delivery in found.items() if delivery is not None} == {one.lead_id for one in some[:2]}
    assert (len(found), some[2].lead_id in found) == (152, False)


@pytest.mark.parametrize("aws_engine", ["memory"], indirect=True)  # moto takes seconds for so many
def test_what_is_forgotten_is_gone_and_its_tie_is_not(accounts: AccountRepository) -> None:
    tie = items.encode({**items.link_key("matchtrade", "uuid-1"), "lead_id": "ld_1", "is_erased": True})
    aws.dynamodb().put_item(TableName=TABLE, Item=tie)
    some = [account(number) for number in range(60)]
    accounts.store(some)
    accounts.forget(some[:55])
    assert accounts.accounts([one.uuid for one in some]) == {one.uuid: one for one in some[55:]}
    assert accounts.links(["uuid-1"]) == {"uuid-1": None}


def test_a_leads_item_outlives_the_account_that_was_made_of_it(
    accounts: AccountRepository, store: LeadRepository
) -> None:
    """Without the lead's hashes its erasure would not find the account."""
    one = lead()
    store.accept(one, phone_hash=None, email_hash=hashed("1@example.com"))
    aws.dynamodb().update_item(
        TableName=TABLE,
        Key=items.encode(items.lead_key(one.lead_id)),
        UpdateExpression="SET expires_at = :soon",
        ExpressionAttributeValues={":soon": {"N": "1"}},
    )
    accounts.store([account(1, lead_id=one.lead_id)])
    account_ends, lead_ends = (
        int(aws.dynamodb().get_item(TableName=TABLE, Key=items.encode(key))["Item"]["expires_at"]["N"])
        for key in (module.account_key("matchtrade", "uuid-1"), items.lead_key(one.lead_id))
    )
    assert lead_ends > account_ends


def test_an_account_is_in_no_index_of_leads(accounts: AccountRepository, store: LeadRepository) -> None:
    store.accept(lead(), phone_hash=None, email_hash=hashed("1@example.com"))
    accounts.store([account(1)])
    assert accounts.leads_of("1@Example.com") == [lead().lead_id]
    definition = aws.dynamodb().describe_table(TableName=TABLE)["Table"]
    keys = {key["AttributeName"] for index in definition["GlobalSecondaryIndexes"] for key in index["KeySchema"]}
    assert keys.isdisjoint(module.account_item("matchtrade", account(1)))


def test_it_says_whether_an_account_is_ours() -> None:
    ours, foreign = account(1, lead_id="ld_1"), account(2)
    marks = [module.account_item("matchtrade", one)["is_ours"] for one in (ours, foreign)]
    assert marks == [True, False]


def test_ties_are_read_for_those_that_have_one(accounts: AccountRepository) -> None:
    tie = items.encode({**items.link_key("matchtrade", "uuid-1"), "lead_id": "ld_1"})
    aws.dynamodb().put_item(TableName=TABLE, Item=tie)
    accounts.store([account(1), account(2)])
    assert accounts.links(["uuid-1", "uuid-2"]) == {"uuid-1": "ld_1"}


def test_the_newest_leads_of_an_email_are_found_and_the_oldest_of_all(
    accounts: AccountRepository, store: LeadRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "NEWEST", 5)
    assert accounts.oldest_lead() is None
    made = [lead(number, received_at=NOW + timedelta(minutes=number)) for number in range(7)]
    for one in made:
        store.accept(one, phone_hash=None, email_hash=hashed("same@example.com"))
    assert accounts.leads_of("Same@Example.com") == [one.lead_id for one in made[:1:-1]]
    assert accounts.oldest_lead() == NOW


class Reluctant:
    """A table that leaves all but one of a batch undone, so many times."""

    def __init__(self, inner: Any, times: int) -> None:
        self.inner = inner
        self.times = times

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def batch_write_item(self, RequestItems: Any) -> Any:
        self.times -= 1
        if self.times < 0:
            return self.inner.batch_write_item(RequestItems=RequestItems)
        first, *rest = RequestItems[TABLE]
        self.inner.batch_write_item(RequestItems={TABLE: [first]})
        return {"UnprocessedItems": {TABLE: rest} if rest else {}}

    def batch_get_item(self, RequestItems: Any) -> Any:
        self.times -= 1
        if self.times < 0:
            return self.inner.batch_get_item(RequestItems=RequestItems)
        request = RequestItems[TABLE]
        first, *rest = request["Keys"]
        found = self.inner.batch_get_item(RequestItems={TABLE: {**request, "Keys": [first]}})
        return {**found, "UnprocessedKeys": {TABLE: {**request, "Keys": rest}} if rest else {}}


def test_what_a_batch_leaves_undone_is_asked_for_again(
    accounts: AccountRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_errors, "FIRST_PAUSE", 0)
    some = [account(number) for number in range(20)]
    reluctant = AccountRepository(Table(Reluctant(aws.dynamodb(), 3), TABLE), "matchtrade", hashed)  # type: ignore[arg-type]
    reluctant.store(some)
    assert len(accounts.accounts([one.uuid for one in some])) == 20
    reluctant = AccountRepository(Table(Reluctant(aws.dynamodb(), 3), TABLE), "matchtrade", hashed)  # type: ignore[arg-type]
    assert len(reluctant.accounts([one.uuid for one in some])) == 20


def test_a_batch_that_is_never_done_is_given_up(accounts: AccountRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "BATCH_RETRY_FOR", 0.05)
    reluctant = AccountRepository(Table(Reluctant(aws.dynamodb(), 99), TABLE), "matchtrade", hashed)  # type: ignore[arg-type]
    with pytest.raises(Contended):
        reluctant.store([account(number) for number in range(20)])


def test_a_lease_has_one_owner_until_it_is_released_or_runs_out(accounts: AccountRepository) -> None:
    assert accounts.state() is None
    assert accounts.take_lease("one", NOW, LATER) == ScanState.first(NOW)
    assert accounts.take_lease("two", NOW, LATER) is None
    accounts.save("one", STATE)
    accounts.release("one", STATE)
    assert accounts.take_lease("two", NOW, LATER) == STATE
    assert accounts.take_lease("three", LATER, LATER + timedelta(minutes=5)) == STATE
    for write in (accounts.save, accounts.release):
        with pytest.raises(LeaseLost):
            write("two", ScanState.first(datetime(2030, 1, 1, tzinfo=UTC)))
    assert accounts.state() == STATE
