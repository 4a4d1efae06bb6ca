"""The gateway to the table: retries of reads, writes and batches, conditions, pages; no other module calls DynamoDB."""

import ast
import time
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from leadbridge.domain.transitions import Conflict
from leadbridge.runtime import aws, aws_errors
from leadbridge.runtime.aws_errors import Contended
from leadbridge.storage import table as gateway
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.table import Query, Table
from leadbridge.storage.writes import Write, check, delete, put, update
from quality.testkit.aws.aws_answers import aws_error
from quality.testkit.fixtures import TABLE
from quality.testkit.template import ROOT

KEY = {"pk": "LEAD#ld_1", "sk": "EVENT#1"}
ALL = Query("pk = :pk", {":pk": "MANY"})
LISTED = Query("listed = :listed", {":listed": "lead"}, index="listing", newest_first=True)
OPERATIONS = {
    *("dynamodb", "get_item", "put_item", "update_item", "delete_item", "batch_get_item", "batch_write_item"),
    *("scan", "transact_write_items", "transact_get_items", "execute_statement", "get_paginator"),
}


class Failing:
    """A client of DynamoDB whose calls fail with the given errors, and then succeed."""

    def __init__(self, *errors: Exception) -> None:
        self.errors: Iterator[Exception | None] = chain(errors, repeat(None))
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(aws.dynamodb(), name)

        def call(**parameters: Any) -> Any:
            self.calls.append(name)
            error = next(self.errors)
            if error is not None:
                raise error
            return real(**parameters)

        return call


class Partial:
    """A client of DynamoDB that processes the first item of a batch only, so many times."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.sizes: list[int] = []

    def batch_write_item(self, *, RequestItems: Any) -> Any:
        requests = RequestItems[TABLE]
        self.sizes.append(len(requests))
        size = 1 if len(self.sizes) <= self.times else len(requests)
        aws.dynamodb().batch_write_item(RequestItems={TABLE: requests[:size]})
        return {"UnprocessedItems": {TABLE: requests[size:]} if requests[size:] else {}}

    def batch_get_item(self, *, RequestItems: Any) -> Any:
        request = RequestItems[TABLE]
        self.sizes.append(len(request["Keys"]))
        size = 1 if len(self.sizes) <= self.times else len(request["Keys"])
        processed: Any = {**request, "Keys": request["Keys"][:size]}
        found = aws.dynamodb().batch_get_item(RequestItems={TABLE: processed})
        left = request["Keys"][size:]
        return {**found, "UnprocessedKeys": {TABLE: {**request, "Keys": left}} if left else {}}


def over(client: Any) -> Table:
    return Table(client, TABLE)


def numbered(count: int) -> list[dict[str, Any]]:
    return [{"pk": "MANY", "sk": f"{number:04d}", "number": number} for number in range(count)]


def key_of(item: dict[str, Any]) -> dict[str, str]:
    return {"pk": item["pk"], "sk": item["sk"]}


@pytest.fixture
def table(store: LeadRepository) -> Table:
    return over(aws.dynamodb())


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between tries, which tests do not wait for."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    return slept


READS: dict[str, Callable[[Table], Any]] = {
    "get_item": lambda table: table.get(KEY),
    "query": lambda table: list(table.query(ALL, limit=10)),
    "batch_get_item": lambda table: table.batch_get([KEY]),
    "transact_get_items": lambda table: table.get_together(KEY),
}
WRITES: dict[str, Callable[[Table], Any]] = {
    "put_item": lambda table: table.write(put(dict(KEY))),
    "update_item": lambda table: table.write(update(KEY, "SET a = :a", "attribute_exists(pk)", values={":a": 1})),
    "delete_item": lambda table: table.write(delete(KEY)),
    "batch_write_item": lambda table: table.batch_write([put(dict(KEY))]),
    "transact_write_items": lambda table: table.transact([put(dict(KEY))]),
}
TRANSIENT = (
    aws_error("ThrottlingException"),
    aws_error("ProvisionedThroughputExceededException"),
    aws_error("InternalServerError", status=500),
    ReadTimeoutError(endpoint_url="aws"),
)


@pytest.mark.parametrize("operation", [*READS, *WRITES])
def test_every_call_is_retried_while_its_errors_are_transient(
    table: Table, operation: str, pauses: list[float]
) -> None:
    table.write(put({**KEY, "a": 0}))
    client = Failing(*TRANSIENT)
    made = (READS | WRITES)[operation](over(client))
    assert client.calls == [operation] * 5
    assert len(pauses) == 4
    assert sorted(pauses) == pauses, "they grow"
    if operation == "get_item":
        assert made["a"] == 0


@pytest.mark.parametrize("operation", [*READS, *WRITES])
def test_a_call_that_is_throttled_for_long_is_given_up(
    table: Table, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    client = Failing(*[aws_error("ThrottlingException")] * 500)
    with pytest.raises(Contended):
        (READS | WRITES)[operation](over(client))
    longest = gateway.BATCH_RETRY_FOR if operation.startswith("batch") else aws_errors.RETRY_FOR
    assert longest - aws_errors.MAX_PAUSE <= now[0] <= longest


def test_what_a_batch_write_leaves_unprocessed_is_retried_with_pauses(table: Table, pauses: list[float]) -> None:
    client = Partial(3)
    over(client).batch_write([put(item) for item in numbered(20)])
    assert client.sizes == [20, 19, 18, 17]
    assert len(pauses) == 3
    assert pauses[2] > pauses[0]
    assert [item["number"] for item in table.query(ALL, limit=100)] == list(range(20))
    over(Partial(3)).batch_write([delete(key_of(item)) for item in numbered(20)])
    assert list(table.query(ALL, limit=100)) == []


def test_what_a_batch_read_leaves_unprocessed_is_retried_with_pauses(table: Table, pauses: list[float]) -> None:
    table.batch_write([put(item) for item in numbered(120)])
    client = Partial(3)
    found = over(client).batch_get([key_of(item) for item in numbered(120)], attributes=("number",))
    assert client.sizes == [100, 99, 98, 97, 20]
    assert len(pauses) == 3
    assert sorted(item["number"] for item in found) == list(range(120)), "each is read once"
    assert all(item.keys() == {"number"} for item in found)


def test_a_batch_that_stays_unprocessed_is_given_up(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "BATCH_RETRY_FOR", 0.05)
    keys = [key_of(item) for item in numbered(25)]
    with pytest.raises(Contended):
        over(Partial(99)).batch_get(keys, retry_for=0.05)
    with pytest.raises(Contended):
        over(Partial(99)).batch_write([delete(key) for key in keys])


@pytest.mark.parametrize(
    "refused",
    [
        put({**KEY, "a": 2}, "attribute_not_exists(pk)"),
        put({**KEY, "a": 2}, version=7),
        update(KEY, "SET a = :a", "a = :before", values={":a": 2, ":before": 5}),
        delete(KEY, "a = :before", {":before": 5}),
    ],
    ids=["put", "version", "update", "delete"],
)
def test_a_write_whose_condition_fails_is_a_conflict(table: Table, refused: Write) -> None:
    table.write(put({**KEY, "a": 1, "version": 3}))
    with pytest.raises(Conflict) as alone:
        table.write(refused)
    with pytest.raises(Conflict) as together:
        table.transact([check({"pk": "a", "sk": "b"}, "attribute_not_exists(pk)"), refused], or_conflict=True)
    assert [*alone.value.failed, *together.value.failed] == [0, 1]
    found = table.get(KEY, attributes=("a",))
    assert found == {"a": 1}


def test_a_conflict_has_the_stored_item_where_the_write_returns_it(table: Table) -> None:
    table.write(put({**KEY, "a": 1}, ttl=False))
    refused = update(KEY, "SET a = :a", "attribute_not_exists(pk)", values={":a": 2}, returns_found=True)
    with pytest.raises(Conflict) as alone:
        table.write(refused)
    with pytest.raises(Conflict) as together:
        table.transact([refused], or_conflict=True)
    assert alone.value.found == together.value.found == {0: {**KEY, "a": 1}}


def test_an_update_returns_the_item_as_it_leaves_it(table: Table) -> None:
    table.write(put({**KEY, "a": 1}, ttl=False))
    more = update(KEY, "SET a = a + :one", "attribute_exists(pk)", values={":one": 1})
    assert table.write(more, returns_new=True) == {**KEY, "a": 2}
    assert table.write(more) == {}


def test_a_query_reads_page_by_page_and_no_more_than_its_limit(table: Table) -> None:
    table.batch_write([put(item) for item in numbered(10)])
    client = Failing()
    assert [item["number"] for item in over(client).query(ALL, limit=6, page_size=4)] == list(range(6))
    assert client.calls == ["query"] * 2
    assert next(over(client).query(ALL, limit=100, page_size=4))["number"] == 0
    assert client.calls == ["query"] * 3, "pages are read as they are needed"
    assert len(list(table.query(ALL, limit=100))) == 10


def test_a_page_says_where_the_next_one_begins(table: Table) -> None:
    listed = [{**item, "listed": "lead", "received_key": item["sk"]} for item in numbered(5)]
    table.batch_write([put(item) for item in listed])
    found, start = [], None
    for _ in range(3):
        page = table.page(LISTED, after=start, size=2)
        found += [int(item["sk"]) for item in page.items]
        start = page.next_key
    assert found == [4, 3, 2, 1, 0]
    assert start is None


def test_reserved_words_can_be_read_and_filtered(table: Table) -> None:
    table.batch_write([put({**item, "name": "x", "size": item["number"]}) for item in numbered(3)])
    query = Query(
        ALL.condition,
        {**ALL.values, ":size": 1},
        filter="#size >= :size",
        names={"#size": "size"},
        attributes=("name", "size"),
    )
    assert list(table.query(query, limit=10)) == [{"name": "x", "size": 1}, {"name": "x", "size": 2}]


def test_only_the_gateway_calls_dynamodb() -> None:
    package = ROOT / "layers/leadbridge/leadbridge"
    files = [*package.rglob("*.py"), *(ROOT / "functions").rglob("*.py")]
    found = {
        str(file.relative_to(ROOT))
        for file in files
        if any(_goes_to_dynamodb(node) for node in ast.walk(ast.parse(file.read_text())))
    }
    assert found == {"layers/leadbridge/leadbridge/storage/table.py"}


def _goes_to_dynamodb(node: ast.AST) -> bool:
    """Return whether a node is `aws.dynamodb`, one of its operations, or a call of its `query` (a URL has one, too)."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "query":
        return not ast.unparse(node.func.value).endswith("table")
    return isinstance(node, ast.Attribute) and node.attr in OPERATIONS
