"""Run MiniStack with three parts of it made faster, and with corrections of what it does differently from AWS.

MiniStack unpacks all layers whenever it starts a process, some 80 MB. Here each is unpacked once. It parses the
condition of a query again for each item. Here an expression is parsed once. It sorts and compares a whole
partition of an index for each page: 45 ms at 1,250 items. Here the order is kept, and a page ends at its limit.

This file is run by its path, with the emulator's own Python.
"""

import hashlib
import os
import sys
import tempfile
import threading
import zipfile
from bisect import bisect_left, bisect_right
from contextvars import ContextVar
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

from ministack.app import main
from ministack.core import iam_actions
from ministack.core.lambda_runtime import Worker
from ministack.services import apigateway_v1, dynamodb, lambda_svc

FOLDERS = "_LAMBDA_LAYERS_DIRS"  # the variable in which a process of a function finds the folders of its layers
EXPRESSIONS = 512  # that are kept parsed

SORTED = "#sorted"  # beside the members of each index: their partitions in order. No index has this name
UNUSUAL = (AttributeError, KeyError, TypeError, ValueError)  # what a wrong request leads to

_unpacking, _sorting = threading.Lock(), threading.Lock()
_page: ContextVar[dict[str, Any] | None] = ContextVar("_page", default=None)
_spawn = Worker._spawn
_query, _index_members, _index_item = dynamodb._query, dynamodb._index_members, dynamodb._index_item
_extract_iam_action = iam_actions.extract_iam_action
_import_rest_api = apigateway_v1._import_rest_api
_sqs_esm_concurrency = lambda_svc._sqs_esm_concurrency


def unpacked(layer: bytes) -> Path:
    """Return the folder with the content of a layer, unpacked if it is not yet there."""
    folder = Path(tempfile.gettempdir()) / f"layer-{hashlib.sha256(layer).hexdigest()}"
    with _unpacking:
        if not folder.exists():
            draft = folder.with_suffix(".new")
            with zipfile.ZipFile(BytesIO(layer)) as archive:
                archive.extractall(draft)
            draft.rename(folder)
    return folder


def spawn_with_shared_layers(worker: Worker) -> None:
    """Start a process of a function as MiniStack does, with the shared folders instead of its layers."""
    config = worker.config
    layers = [lambda_svc._resolve_layer_zip(layer) for layer in config.get("Layers", [])]
    folders = os.pathsep.join(str(unpacked(layer)) for layer in layers if layer)
    variables = {**config.get("Environment", {}).get("Variables", {}), FOLDERS: folders}
    worker.config = {**config, "Layers": [], "Environment": {"Variables": variables}}
    try:
        _spawn(worker)
    finally:
        worker.config = config


def parse_once() -> None:
    """Keep what MiniStack finds by an expression's text alone."""
    tokenize = dynamodb._tokenize
    dynamodb._tokenize = lru_cache(EXPRESSIONS)(lambda expression: tuple(tokenize(expression)))
    dynamodb._condition_syntax_error = lru_cache(EXPRESSIONS)(dynamodb._condition_syntax_error)
    for name in ("_check_redundant_parens", "_check_reserved_keyword_usage"):
        check = lru_cache(EXPRESSIONS)(getattr(dynamodb, name))
        setattr(dynamodb, name, lambda tokens, *slot, check=check: check(tuple(tokens), *slot))


def query_of_page(data: dict[str, Any]) -> Any:
    """Answer a query as MiniStack does, from the items of its page."""
    try:
        page = items_of_page(data)
    except UNUSUAL:
        page = None  # MiniStack reports what is wrong
    token = _page.set(page)
    try:
        return _query(data)
    finally:
        _page.reset(token)


def items_of_page(data: dict[str, Any]) -> dict[str, Any] | None:
    """Return the members of an index that a query with a limit returns; None for any other query."""
    index, limit, expression = data.get("IndexName"), data.get("Limit"), data.get("KeyConditionExpression")
    if not index or not expression or not isinstance(limit, int) or "<>" in expression:
        return None
    table = dynamodb._tables[dynamodb._normalize_table_name(data["TableName"])]
    [hash_name], ranges = dynamodb._index_key_lists(dynamodb._index_def(table, index))
    terms = data.get("ExpressionAttributeValues") or {}, data.get("ExpressionAttributeNames") or {}
    partition = dynamodb._extract_pk_from_condition(expression, *terms, hash_name)
    names = dynamodb._index_order_keys(table, ranges)
    positions, keys = in_order(table, index, partition, names)
    is_forward, start, first, end = data.get("ScanIndexForward", True), data.get("ExclusiveStartKey"), 0, len(keys)
    if start and is_forward:
        first = bisect_right(positions, position_of(start, names))
    elif start:
        end = bisect_left(positions, position_of(start, names))
    found: list[tuple[str, str]] = []
    for key in keys[first:end] if is_forward else reversed(keys[first:end]):
        item = table["items"][key[0]][key[1]]
        if dynamodb._evaluate_condition(expression, item, *terms, slot="KeyConditionExpression"):
            found.append(key)
        elif found:
            break  # the items that match are neighbours
        if len(found) == limit:
            break
    # MiniStack finds some errors only when it evaluates an expression, so it gets an item in any case.
    return {index: {partition: found or keys[:1]}}


def in_order(table: dict[str, Any], index: str, partition: Any, names: Any) -> tuple[list[Any], list[tuple[str, str]]]:
    """Return the positions and the keys of a partition of an index."""
    with _sorting:
        members = _index_members(table)
        known = members.setdefault(SORTED, {})
        if (index, partition) not in known:
            items = table["items"]
            found = sorted(
                (position_of(items[pk][sk], names), (pk, sk)) for pk, sk in members[index].get(partition, ())
            )
            known[index, partition] = [position for position, _ in found], [key for _, key in found]
        order: tuple[list[Any], list[tuple[str, str]]] = known[index, partition]
        return order


def position_of(item: dict[str, Any], names: Any) -> tuple[Any, ...]:
    return tuple(dynamodb._index_order_value(item, name, kind) for name, kind in names)


def index_item(table: dict[str, Any], *change: Any, **options: Any) -> None:
    """Change the indexes as MiniStack does, and forget their order."""
    with _sorting:
        table.get(dynamodb._INDEX_MEMBERS, {}).pop(SORTED, None)
        _index_item(table, *change, **options)


def index_members(table: dict[str, Any]) -> Any:
    """Return the members of a table's indexes: those of the page that is read, if there is one."""
    return _index_members(table) if (page := _page.get()) is None else page


def action_of_single_message(*request: Any) -> str | None:
    """Return the action of a request: AWS checks a batch of messages under the name of the single action."""
    action: str | None = _extract_iam_action(*request)
    return action.removesuffix("Batch") if action and action.startswith("sqs:") else action


def import_whole_api(definition: dict[str, Any], properties: dict[str, Any]) -> str:
    """Create an API with its gateway responses, and with content types that the template escapes."""
    types = [kind.replace("~1", "/") for kind in properties["binaryMediaTypes"]]
    api_id: str = _import_rest_api(definition, {**properties, "binaryMediaTypes": types})
    for kind, response in definition.get("x-amazon-apigateway-gateway-responses", {}).items():
        status, _, error = apigateway_v1._put_gateway_response(api_id, kind, response)
        if status >= 400:
            raise ValueError(f"the gateway response {kind}: {error.decode()}")
    return api_id


def concurrency(mapping: dict[str, Any], *more: Any) -> Any:
    """Return how many batches a queue's function gets at once. A number from a parameter is stored as text."""
    scaling = {name: int(number) for name, number in (mapping.get("ScalingConfig") or {}).items()}
    return _sqs_esm_concurrency({**mapping, "ScalingConfig": scaling}, *more)


Worker._spawn = spawn_with_shared_layers
dynamodb._query, dynamodb._index_members, dynamodb._index_item = query_of_page, index_members, index_item
iam_actions.extract_iam_action = action_of_single_message
apigateway_v1._import_rest_api = import_whole_api
lambda_svc._sqs_esm_concurrency = concurrency
parse_once()

if __name__ == "__main__":
    sys.exit(main())
