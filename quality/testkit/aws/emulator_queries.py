"""Random writes and queries of MiniStack's DynamoDB. Prints each answer as a line of JSON.

python emulator_queries.py SEED [FILE] runs with the emulator's own Python. FILE may patch MiniStack.
"""

import importlib.util
import json
import random
import sys
from typing import Any

from ministack.services import dynamodb

STEPS = 3000
TABLE, PARTITIONS, MOMENTS = "leads", ("a", "b", "c"), 40
SCHEMAS = {
    "listing": ("listed", "received_key"),
    "by_number": ("listed", "points"),
    "by_person": ("person", "name"),
    "all": ("state", None),
}
SORTED = (
    *("", "received_key = :low", "received_key < :low", "received_key <= :low", "received_key > :low"),
    *("received_key >= :low", "received_key BETWEEN :low AND :high", "#key between :low AND :high"),
    *("begins_with(received_key, :low)", ":low <= received_key", "(received_key < :low)", "((received_key < :low))"),
    *("received_key <> :low", "person = :low", "received_key = :undefined", "received_key < :low OR listed = :low"),
    "received_key < :number",
)
NAMED = ("", "name < :low", "#name < :low", "#name >= :low")  # a reserved word, which is refused
FILTERS = (
    *("", "#state = :text", "contains(#state, :text)", "points >= :number AND NOT #state = :text"),
    *("((points = :number))", "state = :text", "size(#state) > :number", "points IN (:number, :text)", "points ="),
    "attribute_exists(points) OR (begins_with(#state, :text) AND points < :number)",
    "points BETWEEN :number AND :number",
)


def main(seed: str, patch: str | None = None) -> None:
    if patch is not None:
        load(patch)
    rng, starts = random.Random(seed), list[Any]()
    create()
    for _ in range(STEPS):
        name, request = write(rng) if rng.random() < 0.3 else query(rng, starts)
        status, _, body = getattr(dynamodb, name)(request)
        answer = json.loads(body)
        if "LastEvaluatedKey" in answer:
            starts.append(answer["LastEvaluatedKey"])
        print(json.dumps([name, status, answer]))


def load(file: str) -> None:
    spec = importlib.util.spec_from_file_location("patch", file)
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


def create() -> None:
    indexes = [
        {
            "IndexName": index,
            "KeySchema": [
                {"AttributeName": hashed, "KeyType": "HASH"},
                *([{"AttributeName": ranged, "KeyType": "RANGE"}] if ranged else []),
            ],
            "Projection": {"ProjectionType": "ALL"},
        }
        for index, (hashed, ranged) in SCHEMAS.items()
    ]
    texts = ("pk", "sk", "listed", "received_key", "person", "name", "state")
    kinds = {**dict.fromkeys(texts, "S"), "points": "N"}
    keys = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
    definitions = [{"AttributeName": name, "AttributeType": kind} for name, kind in kinds.items()]
    table = {
        "TableName": TABLE,
        "KeySchema": keys,
        "AttributeDefinitions": definitions,
        "BillingMode": "PAY_PER_REQUEST",
    }
    dynamodb._create_table({**table, "GlobalSecondaryIndexes": indexes})


def text(value: object) -> dict[str, str]:
    return {"S": str(value)}


def moment(rng: random.Random) -> dict[str, str]:
    return text(f"{rng.randrange(MOMENTS):02d}")


def write(rng: random.Random) -> tuple[str, dict[str, Any]]:
    """A put, an update, a delete, or a transaction that may fail."""
    key = {"pk": text(rng.randrange(60)), "sk": text(rng.randrange(3))}
    item = {**key, "points": {"N": str(rng.randrange(10))}, "person": text(rng.choice(PARTITIONS))}
    item["name"] = moment(rng)
    item["state"] = text(rng.choice(("open", "closed")))
    if rng.random() < 0.9:  # without, it is not in the index
        item |= {"listed": text(rng.choice(PARTITIONS)), "received_key": moment(rng)}
    change = {
        "UpdateExpression": "SET received_key = :moment REMOVE person",
        "ExpressionAttributeValues": {":moment": moment(rng)},
    }
    writes: list[tuple[str, dict[str, Any]]] = [
        ("_put_item", {"TableName": TABLE, "Item": item}),
        ("_put_item", {"TableName": TABLE, "Item": item}),
        ("_update_item", {"TableName": TABLE, "Key": key, **change}),
        ("_delete_item", {"TableName": TABLE, "Key": key}),
        (
            "_transact_write_items",
            {
                "TransactItems": [
                    {"Put": {"TableName": TABLE, "Item": item}},
                    {
                        "ConditionCheck": {
                            "TableName": TABLE,
                            "Key": {"pk": text(rng.randrange(60)), "sk": text(0)},
                            "ConditionExpression": "attribute_exists(pk)",
                        }
                    },
                ]
            },
        ),
    ]
    return rng.choice(writes)


def query(rng: random.Random, starts: list[Any]) -> tuple[str, dict[str, Any]]:
    """A query of the table or of an index, sometimes one that is refused."""
    index = rng.choice(("listing", "listing", "listing", *SCHEMAS, None))
    key = "pk" if index is None else SCHEMAS[index][0]
    condition = SORTED[min(rng.randrange(len(SORTED)), rng.randrange(len(SORTED)))] if index == "listing" else ""
    if index == "by_person":
        condition = rng.choice(NAMED)
    low, high = sorted((moment(rng)["S"], moment(rng)["S"]))
    chosen = FILTERS[min(rng.randrange(len(FILTERS)), rng.randrange(len(FILTERS)))]
    values = {
        ":partition": text(rng.choice((*PARTITIONS, *PARTITIONS, "none"))) if index else text(rng.randrange(60)),
        ":low": text(low),
        ":high": text(high),
        ":text": text(rng.choice(("open", "closed", "o"))),
        ":number": {"N": str(rng.randrange(10))},
    }
    names = {"#key": "received_key", "#state": "state", "#name": "name"}
    request: dict[str, Any] = {"TableName": TABLE, "ScanIndexForward": rng.random() < 0.5}
    request["KeyConditionExpression"] = f"{key} = :partition" + (f" AND {condition}" if condition else "")
    if chosen:
        request["FilterExpression"] = chosen
    expressions = f"{request['KeyConditionExpression']} {chosen}"
    request["ExpressionAttributeValues"] = {name: value for name, value in values.items() if name in expressions}
    if used := {name: value for name, value in names.items() if name in expressions}:
        request["ExpressionAttributeNames"] = used
    if index is not None:
        request["IndexName"] = index
    if rng.random() < 0.7:
        request["Limit"] = rng.choice((1, 2, 3, 5, 8, 100))
    fitting = [start for start in starts[-50:] if key in start]
    if fitting and rng.random() < 0.5:
        start = request["ExclusiveStartKey"] = rng.choice(fitting)
        request["ExpressionAttributeValues"][":partition"] = start[key]
    return "_query", request


if __name__ == "__main__":
    main(*sys.argv[1:])
