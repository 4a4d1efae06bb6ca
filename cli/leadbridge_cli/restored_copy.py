"""Put leads from a restored copy of the table back into the live table, without sending any of them again.

The copy has old states: a lead that waited then may have been sent since. So everything that would continue without a
person is settled (docs/recovery.md), and every delivery and fetch is marked (`restored_at`): it is retried only with a
confirmation. A delivery's version does not go back, because messages and postbacks are ordered by it. A person who was
erased from the live table is not put back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from leadbridge.domain import delivery as deliveries
from leadbridge.domain import fetch as fetches
from leadbridge.domain.clock import to_text, utc_now
from leadbridge.domain.delivery import State
from leadbridge.domain.errors.error_codes import ErrorCode, ErrorInfo
from leadbridge.domain.fetch import FetchState
from leadbridge.domain.message import UNSETTLED, MessageState
from leadbridge.domain.message_operator_steps import mark_restored
from leadbridge.domain.timeline import LEELOO, Entry
from leadbridge.storage import items
from leadbridge.storage.erasure.eraser import Eraser
from leadbridge.storage.fetches import fetch_item, fetch_of
from leadbridge.storage.items import Item
from leadbridge.storage.messages import message_item, message_of
from leadbridge.storage.table import Query, Table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

WHY = ErrorInfo(
    ErrorCode.RESTORED, "the table was restored to an earlier moment: find out whether it was sent since then"
)
COUNTERS = "STATS#"
MAX_ITEMS = 1_000_000  # of a lead
SKIPPED = ("RATE#", "SYNC#")  # past rate counts; progress of a sync, which starts again


def settled(values: Item, now: datetime) -> list[Item]:
    """Return the items to write for an item: itself, marked; if it would continue, settled, with a timeline entry."""
    kind = values["sk"].partition("#")[0]
    kept = {"expires_at": values["expires_at"]} if "expires_at" in values else {}
    mark = {"restored_at": to_text(now)} | kept
    match kind:
        case "DELIVERY" if values["state"] in {State.RECEIVED, State.SUBMITTING}:
            change = deliveries.mark_unknown(items.delivery_of(values), now, WHY)
            return [
                items.delivery_item(change.after) | mark,
                items.history_item(change.after.lead_id, change.entry) | kept,
            ]
        case "DELIVERY":
            return [values | mark]
        case "MESSAGE" if values["state"] in UNSETTLED | {MessageState.FAILED}:
            step = mark_restored(message_of(values), now)
            written = [message_item(step.after) | kept]
            if step.what is not None and step.after.owner.startswith("ld_"):
                entry = Entry(now, step.what, LEELOO, step.detail, step.data)
                written.append(items.entry_item(step.after.owner, entry, f"restored#{step.after.message_id}") | kept)
            return written
        case "FETCH" if values["state"] == FetchState.PENDING:
            ended = fetches.fail(fetch_of(values), now, WHY)
            entry = Entry(now, ended.what or "fetch_failed", None, ended.detail, ended.data)
            return [fetch_item(ended.after) | mark, items.entry_item(ended.after.lead_id, entry, "restored") | kept]
        case "FETCH":
            return [values | mark]
        case "LEAD" if "problems" in values:  # it may have been completed and delivered since
            return [values | mark]
        case _:
            return [values]


def put_back(
    client: DynamoDBClient,
    copy: str,
    live: str,
    lead_ids: Iterable[str] | None,
    *,
    write: bool,
    tell: Callable[[str], None] = print,
    now: datetime | None = None,
    counts: Counter[str] | None = None,
) -> Counter[str]:
    """Put leads back, or everything if `lead_ids` is None. Return counts by kind, also added to `counts`.

    Can be repeated. No function may write to the live table meanwhile. Raises Contended, and botocore's errors.
    """
    done: Counter[str] = Counter() if counts is None else counts
    table = Table(client, live)
    erased: dict[str, bool] = {}
    for item in found(client, copy, lead_ids):
        owner, lead = str(item["pk"]), lead_of(item)
        if owner.startswith(SKIPPED):
            continue
        if lead is not None and lead not in erased:
            erased[lead] = "erased_at" in (table.get(items.lead_key(lead)) or {})
        if lead is not None and erased[lead]:
            done["skipped (erased people)"] += 1
            continue
        written = settled(with_live_version(table, item), now or utc_now())
        if written[0].get("state") != item.get("state"):
            done["settled (need a decision)"] += 1
            tell(f"{owner} {item['sk']}: {item['state']} -> {written[0]['state']}")
        # Counters of the live table have newer leads.
        condition: Any = {"ConditionExpression": "attribute_not_exists(pk)"} if owner.startswith(COUNTERS) else {}
        for one in written if write else ():
            with suppress(client.exceptions.ConditionalCheckFailedException):
                client.put_item(TableName=live, Item=items.encode(one), **condition)
        done["put back"] += 1
    if write and lead_ids is None:  # items that name no lead were put back, too
        for lead in (lead for lead, is_erased in erased.items() if is_erased):
            Eraser(table).erase_restored(lead, found(client, copy, [lead]))
    return done


def found(client: DynamoDBClient, table: str, lead_ids: Iterable[str] | None) -> Iterator[Item]:
    """Yield the items of some leads, or all items."""
    if lead_ids is None:
        for page in client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
            yield from map(items.decode, page["Items"])
        return
    for lead_id in lead_ids:
        yield from Table(client, table).query(Query("pk = :pk", {":pk": f"LEAD#{lead_id}"}), limit=MAX_ITEMS)


def lead_of(item: Item) -> str | None:
    """Return the id of the lead to which an item belongs: a lead, a claim, a broker's account or an event of Leeloo."""
    owner = str(item["pk"])
    return owner.removeprefix("LEAD#") if owner.startswith("LEAD#") else item.get("lead_id")


def with_live_version(table: Table, item: Item) -> Item:
    """Return an item; a delivery with a version after that of the live table, which may have messages about it."""
    if not item["sk"].startswith("DELIVERY"):
        return item
    live = table.get({name: item[name] for name in ("pk", "sk")}) or item
    return item if live["version"] <= item["version"] else item | {"version": live["version"] + 1}
