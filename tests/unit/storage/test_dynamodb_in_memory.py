"""DynamoDB in memory answers as moto does, expression by expression: what the other tests of this folder build on."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from leadbridge.runtime import aws
from leadbridge.storage.leads import LeadRepository
from quality.testkit.fixtures import TABLE

KEY = {"pk": {"S": "P"}, "sk": {"S": "1"}}
ITEM: dict[str, Any] = {
    **KEY,
    "text": {"S": "один"},
    "number": {"N": "7"},
    "flag": {"BOOL": True},
    "parts": {"L": [{"S": "a"}, {"S": "b"}]},
    "words": {"SS": ["a", "b"]},
    "nothing": {"NULL": True},
}


@pytest.fixture
def client(store: LeadRepository) -> Any:
    found = aws.dynamodb()
    found.put_item(TableName=TABLE, Item=ITEM)
    return found


def code(call: Any, **parameters: Any) -> str:
    """The code of the error that a call raises, empty for none."""
    try:
        call(TableName=TABLE, **parameters)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


@pytest.mark.parametrize(
    ("condition", "values", "holds"),
    [
        ("attribute_exists(#text)", {}, True),
        ("attribute_not_exists(#text)", {}, False),
        ("attribute_not_exists(absent)", {}, True),
        ("#text = :v", {":v": {"S": "один"}}, True),
        ("#text <> :v", {":v": {"S": "один"}}, False),
        ("#text < :v", {":v": {"S": "два"}}, False),
        ("absent = :v", {":v": {"S": "x"}}, False),
        ("absent < :v", {":v": {"N": "1"}}, False),
        ("#number = :v", {":v": {"N": "7.0"}}, True),
        ("#number > :v", {":v": {"N": "10"}}, False),
        ("#number >= :v AND #number <= :v", {":v": {"N": "7"}}, True),
        ("#number BETWEEN :a AND :b", {":a": {"N": "1"}, ":b": {"N": "7"}}, True),
        ("#number IN (:a, :b)", {":a": {"N": "1"}, ":b": {"N": "7"}}, True),
        ("#number = :a OR flag = :b AND #text = :a", {":a": {"S": "x"}, ":b": {"BOOL": True}}, False),
        ("NOT (#number = :a OR flag = :b)", {":a": {"N": "1"}, ":b": {"BOOL": False}}, True),
        ("begins_with(#text, :v)", {":v": {"S": "од"}}, True),
        ("contains(#text, :v)", {":v": {"S": "ди"}}, True),
        ("contains(parts, :v)", {":v": {"S": "b"}}, True),
        ("contains(parts, :v)", {":v": {"S": "c"}}, False),
        ("contains(words, :v)", {":v": {"S": "b"}}, True),
        ("contains(absent, :v)", {":v": {"S": "b"}}, False),
        ("size(parts) = :v", {":v": {"N": "2"}}, True),
        ("attribute_exists(pk) AND attribute_exists(parts)", {}, True),
        ("NOT contains(parts, :v) AND size(parts) < :m", {":v": {"S": "c"}, ":m": {"N": "3"}}, True),
        (
            "attribute_not_exists(absent) AND (attribute_not_exists(parts) OR (flag = :v AND size(parts) < :m))",
            {":v": {"BOOL": True}, ":m": {"N": "2"}},
            False,
        ),
    ],
)
def test_a_condition_holds_or_fails(client: Any, condition: str, values: dict[str, Any], holds: bool) -> None:
    names = {name: name[1:] for name in ("#text", "#number") if name in condition}
    asked: dict[str, Any] = {"Item": ITEM, "ConditionExpression": condition}
    asked |= {"ExpressionAttributeNames": names} if names else {}
    asked |= {"ExpressionAttributeValues": values} if values else {}
    assert code(client.put_item, **asked) == ("" if holds else "ConditionalCheckFailedException")


@pytest.mark.parametrize(
    ("update", "values", "changed"),
    [
        ("SET a = :v", {":v": {"S": "x"}}, {"a": {"S": "x"}}),
        ("SET a = if_not_exists(flag, :v)", {":v": {"S": "x"}}, {"a": {"BOOL": True}}),
        ("SET a = if_not_exists(absent, :v)", {":v": {"S": "x"}}, {"a": {"S": "x"}}),
        ("SET n = n + :v", {":v": {"N": "3"}}, {"n": {"N": "10"}}),
        ("SET n = if_not_exists(m, :z) - :v", {":v": {"N": "3"}, ":z": {"N": "0"}}, {"n": {"N": "-3"}}),
        (
            "SET parts = list_append(parts, :v)",
            {":v": {"L": [{"S": "c"}]}},
            {"parts": {"L": [{"S": "a"}, {"S": "b"}, {"S": "c"}]}},
        ),
        (
            "SET extra = list_append(if_not_exists(extra, :none), :v)",
            {":none": {"L": []}, ":v": {"L": [{"S": "c"}]}},
            {"extra": {"L": [{"S": "c"}]}},
        ),
        ("REMOVE flag, absent", {}, {"flag": None}),
        ("SET a = :v REMOVE flag", {":v": {"N": "1"}}, {"a": {"N": "1"}, "flag": None}),
        ("ADD n :v", {":v": {"N": "5"}}, {"n": {"N": "12"}}),
        ("ADD fresh :v", {":v": {"N": "5"}}, {"fresh": {"N": "5"}}),
        (
            "ADD fresh :v, n :w, newest :w",
            {":v": {"N": "5"}, ":w": {"N": "-1"}},
            {"fresh": {"N": "5"}, "n": {"N": "6"}, "newest": {"N": "-1"}},
        ),
        ("SET a = n, n = :v", {":v": {"N": "1"}}, {"a": {"N": "7"}, "n": {"N": "1"}}),
    ],
)
def test_an_update_changes_what_it_names(
    client: Any, update: str, values: dict[str, Any], changed: dict[str, Any]
) -> None:
    item = {**ITEM, "n": {"N": "7"}}
    client.put_item(TableName=TABLE, Item=item)
    asked: dict[str, Any] = {"TableName": TABLE, "Key": KEY, "UpdateExpression": update, "ReturnValues": "ALL_NEW"}
    asked |= {"ExpressionAttributeValues": values} if values else {}
    answer = client.update_item(**asked)["Attributes"]
    assert answer == {name: value for name, value in {**item, **changed}.items() if value is not None}
    assert client.get_item(TableName=TABLE, Key=KEY)["Item"] == answer


def test_an_update_makes_an_absent_item(client: Any) -> None:
    key = {"pk": {"S": "P"}, "sk": {"S": "new"}}
    values = {":v": {"S": "x"}}
    client.update_item(TableName=TABLE, Key=key, UpdateExpression="SET a = :v", ExpressionAttributeValues=values)
    assert client.get_item(TableName=TABLE, Key=key)["Item"] == {**key, "a": {"S": "x"}}


@pytest.mark.parametrize(
    "asked",
    [
        {"ConditionExpression": "text = :v AND", "ExpressionAttributeValues": {":v": {"S": "x"}}},
        {"ConditionExpression": "number = :absent"},
    ],
)
def test_a_wrong_expression_is_refused(client: Any, asked: dict[str, Any]) -> None:
    assert code(client.delete_item, Key=KEY, **asked) == "ValidationException"


@pytest.mark.parametrize("item", [{**ITEM, "due_shard": {"S": ""}, "due_at": {"S": "x"}}, {**ITEM, "sk": {"S": ""}}])
def test_an_empty_key_is_refused(client: Any, item: dict[str, Any]) -> None:
    assert code(client.put_item, Item=item) == "ValidationException"


def test_an_item_beyond_the_limit_is_refused(client: Any) -> None:
    assert code(client.put_item, Item={**KEY, "text": {"S": "x" * 420_000}}) == "ValidationException"


def test_a_failed_condition_returns_the_stored_item(client: Any) -> None:
    with pytest.raises(ClientError) as caught:
        client.put_item(
            TableName=TABLE,
            Item=ITEM,
            ConditionExpression="attribute_not_exists(pk)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    response: Any = caught.value.response
    assert response["Item"] == ITEM


def test_a_transaction_writes_all_or_nothing_and_names_what_failed(client: Any) -> None:
    put = {"Put": {"TableName": TABLE, "Item": {"pk": {"S": "P"}, "sk": {"S": "2"}}}}
    failing = {
        "ConditionCheck": {
            "TableName": TABLE,
            "Key": KEY,
            "ConditionExpression": "attribute_not_exists(pk)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    }
    with pytest.raises(ClientError) as caught:
        client.transact_write_items(TransactItems=[put, failing])
    response: Any = caught.value.response
    assert response["Error"]["Code"] == "TransactionCanceledException"
    assert [reason["Code"] for reason in response["CancellationReasons"]] == ["None", "ConditionalCheckFailed"]
    assert response["CancellationReasons"][1]["Item"] == ITEM
    assert client.scan(TableName=TABLE)["Count"] == 1


def test_a_repeated_transaction_changes_nothing(client: Any) -> None:
    new = {**KEY, "sk": {"S": "2"}}
    put = {"Put": {"TableName": TABLE, "Item": new, "ConditionExpression": "attribute_not_exists(pk)"}}
    client.transact_write_items(TransactItems=[put], ClientRequestToken="once")
    client.transact_write_items(TransactItems=[put], ClientRequestToken="once")
    with pytest.raises(ClientError):
        client.transact_write_items(TransactItems=[put], ClientRequestToken="twice")


def put_rows(client: Any) -> None:
    for number in range(7):
        item = {"pk": {"S": "ROW"}, "sk": {"S": f"{number}"}, "source": {"S": "odd" if number % 2 else "even"}}
        item |= {"listed": {"S": "p"}, "received_key": {"S": f"{9 - number}"}} if number != 3 else {}
        client.put_item(TableName=TABLE, Item=item)


@pytest.mark.parametrize("index", [None, "listing"])
@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_pages_follow_each_other(client: Any, index: str | None, forward: bool, size: int) -> None:
    """The limit counts items before the filter."""
    put_rows(client)
    asked: dict[str, Any] = {
        "TableName": TABLE,
        "KeyConditionExpression": "pk = :pk" if index is None else "listed = :pk",
        "FilterExpression": "#source = :even",
        "ExpressionAttributeNames": {"#source": "source"},
        "ExpressionAttributeValues": {":pk": {"S": "ROW" if index is None else "p"}, ":even": {"S": "even"}},
        "ScanIndexForward": forward,
        "Limit": size,
    }
    asked |= {"IndexName": index} if index else {}
    found, pages = [], 0
    while True:
        page = client.query(**asked)
        found += [item["sk"]["S"] for item in page["Items"]]
        pages += 1
        assert page["ScannedCount"] <= size
        if "LastEvaluatedKey" not in page:
            break
        asked["ExclusiveStartKey"] = page["LastEvaluatedKey"]
    assert found == sorted(["0", "2", "4", "6"], reverse=forward == (index is not None))
    assert pages >= (7 if index is None else 6) // size


@pytest.mark.parametrize(
    ("condition", "values", "found"),
    [
        ("pk = :pk AND sk = :a", {":a": {"S": "2"}}, ["2"]),
        ("pk = :pk AND sk > :a", {":a": {"S": "4"}}, ["5", "6"]),
        ("pk = :pk AND sk BETWEEN :a AND :b", {":a": {"S": "1"}, ":b": {"S": "3"}}, ["1", "2", "3"]),
        ("pk = :pk AND begins_with(sk, :a)", {":a": {"S": "5"}}, ["5"]),
    ],
)
def test_a_key_condition_selects_items(client: Any, condition: str, values: dict[str, Any], found: list[str]) -> None:
    put_rows(client)
    page = client.query(
        TableName=TABLE,
        KeyConditionExpression=condition,
        ExpressionAttributeValues={":pk": {"S": "ROW"}, **values},
        ProjectionExpression="sk",
    )
    assert page["Items"] == [{"sk": {"S": one}} for one in found]


def test_batches_read_and_write(client: Any) -> None:
    put_rows(client)
    key = {"pk": {"S": "ROW"}, "sk": {"S": "0"}}
    requests: Any = {TABLE: [{"DeleteRequest": {"Key": key}}, {"PutRequest": {"Item": {**key, "sk": {"S": "new"}}}}]}
    assert client.batch_write_item(RequestItems=requests)["UnprocessedItems"] == {}
    asked: Any = {TABLE: {"Keys": [{**key, "sk": {"S": one}} for one in ("0", "1", "new")]}}
    answers = client.batch_get_item(RequestItems=asked)["Responses"][TABLE]
    assert sorted(item["sk"]["S"] for item in answers) == ["1", "new"]


def test_items_that_are_read_together_come_in_the_order_of_their_keys(client: Any) -> None:
    keys = [{"pk": {"S": "P"}, "sk": {"S": "0"}}, KEY]
    read = [{"Get": {"TableName": TABLE, "Key": key}} for key in keys]
    missing, found = client.transact_get_items(TransactItems=read)["Responses"]
    assert not missing.get("Item")
    assert found["Item"] == ITEM


def test_a_put_that_is_refused_returns_the_stored_item_where_it_is_wanted(client: Any) -> None:
    with pytest.raises(ClientError) as raised:
        client.put_item(
            TableName=TABLE,
            Item=KEY,
            ConditionExpression="attribute_not_exists(pk)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    refusal: Any = raised.value.response
    assert refusal["Item"] == ITEM
