"""Brings what a restored copy of the table holds back into the live table, and lets nothing of it be sent again.

python -m infra.put_back COPY LIVE ld_…        some leads
python -m infra.put_back COPY LIVE --all       all that the copy holds
… --write                                       does it; without it is only told what would be done

A copy shows the leads as they were. What waited at that moment may have arrived since. So everything that would
continue without a person is settled (docs/deploy.md): a delivery that was `received` or `submitting` and a
message that was `pending`, `sending` or `failed` become `unknown`, a fetch that was `pending` becomes `failed`. Every
delivery and fetch is marked (`restored_at`): it is retried only with a confirmation, and the person gets no message
about its next status. A person who was erased from the live table is not brought back.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

import boto3

from leadbridge.domain import delivery as deliveries
from leadbridge.domain import fetch as fetches
from leadbridge.domain.clock import to_text, utc_now
from leadbridge.domain.delivery import State
from leadbridge.domain.errors.error_codes import ErrorCode, ErrorInfo
from leadbridge.domain.fetch import FetchState
from leadbridge.domain.message import UNSETTLED, MessageState
from leadbridge.domain.message_operator_steps import mark_restored
from leadbridge.domain.timeline import Entry
from leadbridge.storage import items
from leadbridge.storage.erasure.eraser import Eraser
from leadbridge.storage.fetches import fetch_item, fetch_of
from leadbridge.storage.items import Item
from leadbridge.storage.messages import message_item, message_of
from leadbridge.storage.table import Table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

WHY = ErrorInfo(
    ErrorCode.RESTORED, "the table was restored to an earlier moment: whether it was sent since is to be found out"
)
PASSED_OVER = ("RATE#", "SYNC#")  # counts of minutes long gone; how far a list was read, which is read anew


def settled(item: Item, now: datetime) -> list[Item]:
    """Return what is written for an item: itself, marked; if it would continue, its settled state and a timeline entry.

    Its `expires_at` stays as it was.
    """
    return [items.encode(one) for one in _settled(items.decode(item), now)]


def _settled(values: Item, now: datetime) -> list[Item]:
    kind = values["sk"].partition("#")[0]
    kept = {"expires_at": values["expires_at"]} if "expires_at" in values else {}
    mark = {"restored_at": to_text(now)} | kept
    match kind:
        case "DELIVERY" if values["state"] in {State.RECEIVED, State.SUBMITTING}:
            change = deliveries.mark_unknown(items.delivery_of(values), now, WHY)
            return [items.delivery_item(change.after) | mark, items.change_entry(change) | kept]
        case "DELIVERY":
            return [values | mark]
        case "MESSAGE" if values["state"] in UNSETTLED | {MessageState.FAILED}:
            step = mark_restored(message_of(values), now)
            written = [message_item(step.after) | kept]
            if step.what is not None and step.after.owner.startswith("ld_"):
                entry = Entry(now, step.what, "leeloo", step.detail, step.data)
                written.append(items.entry_item(step.after.owner, entry, f"restored#{step.after.message_id}") | kept)
            return written
        case "FETCH" if values["state"] == FetchState.PENDING:
            ended = fetches.fail(fetch_of(values), now, WHY)
            entry = Entry(now, ended.what or "fetch_failed", None, ended.detail, ended.data)
            return [fetch_item(ended.after) | mark, items.entry_item(ended.after.lead_id, entry, "restored") | kept]
        case "FETCH":
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
) -> Counter[str]:
    """Bring leads back, or everything where none are named. Returns how many of what; may be repeated.

    Nothing may work on the live table meanwhile. Raises botocore's errors.
    """
    done: Counter[str] = Counter()
    moment = now or utc_now()
    erased: dict[str, bool] = {}
    for item in found(client, copy, lead_ids):
        owner, lead = item["pk"]["S"], lead_of(item)
        if owner.startswith(PASSED_OVER):
            continue
        if lead is not None and lead not in erased:
            erased[lead] = was_erased(client, live, lead)
        if lead is not None and erased[lead]:
            done["of erased people, left out"] += 1
            continue
        written = settled(item, moment)
        done["put back"] += 1
        if written[0].get("state") != item.get("state"):
            done["settled, to be looked at"] += 1
            tell(f"{owner} {item['sk']['S']}: {item['state']['S']} -> {written[0]['state']['S']}")
        for one in written if write else ():
            client.put_item(TableName=live, Item=one)
    if write and lead_ids is None:  # then items that name no lead came back, too
        for lead in (lead for lead, is_erased in erased.items() if is_erased):
            Eraser(Table(client, live)).erase_restored(lead, map(items.decode, found(client, copy, [lead])))
    return done


def found(client: DynamoDBClient, table: str, lead_ids: Iterable[str] | None) -> Iterator[Item]:
    """The items of some leads, or all there are."""
    if lead_ids is None:
        for page in client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
            yield from page["Items"]
        return
    for lead_id in lead_ids:
        asked: dict[str, Any] = {":pk": {"S": f"LEAD#{lead_id}"}}
        for page in client.get_paginator("query").paginate(
            TableName=table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=asked,
            ConsistentRead=True,
        ):
            yield from page["Items"]


def lead_of(item: Item) -> str | None:
    """The id of the lead that an item tells of: its own, or of a claim, a broker's account or an event from Leeloo."""
    owner = str(item["pk"]["S"])
    if owner.startswith("LEAD#"):
        return owner.removeprefix("LEAD#")
    return str(item["lead_id"]["S"]) if "lead_id" in item else None


def was_erased(client: DynamoDBClient, live: str, lead_id: str) -> bool:
    """Whether the live table has the tombstone of a lead."""
    key = items.encode(items.lead_key(lead_id))
    got = client.get_item(TableName=live, Key=key, ConsistentRead=True)
    return "erased_at" in got.get("Item", {})


def main() -> int:
    """Read the arguments and do it."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.put_back", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("copy", help="the restored table")
    parser.add_argument("live", help="the table that the stack works on")
    parser.add_argument("leads", nargs="*", help="ids of leads")
    parser.add_argument("--all", action="store_true", help="all that the copy holds")
    parser.add_argument("--write", action="store_true", help="do it")
    asked = parser.parse_args()
    if asked.all == bool(asked.leads) or asked.copy == asked.live:
        parser.error("name some leads, or --all; and two tables")
    leads = None if asked.all else asked.leads
    done = put_back(boto3.client("dynamodb"), asked.copy, asked.live, leads, write=asked.write)
    print(", ".join(f"{number} {what}" for what, number in done.items()) or "nothing was found")
    if not asked.write:
        print("Nothing was written. Do it with --write.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
