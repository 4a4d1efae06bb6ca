"""The operator's list: leads newest first, by state, source, partner or phone, a page at a time, never by a scan."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import batched
from typing import TYPE_CHECKING, Any

from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.fetch import Fetch
from leadbridge.storage import items
from leadbridge.storage.fetches import fetch_key, fetch_of
from leadbridge.storage.leads import Journey
from leadbridge.storage.table import Contended

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

READS = 20  # index pages that one page of the list may cost; a rare match comes over several pages
PER_READ = 100
LONGEST_KEY = 1024  # bytes that a sort key may have
_CURSOR = ("pk", "sk", "listed", "phone_hash", "received_key")


class BadCursor(ValueError):
    """A cursor that this list did not hand out."""


@dataclass(frozen=True)
class Wanted:
    """Which leads are asked for; None means any. `phone_hash` is the keyed hash of a phone.

    `needs_attention`: only those with a delivery that needs a person although it is followed.
    """

    status: State | None = None
    source: str | None = None
    partner: str | None = None
    phone_hash: str | None = None
    needs_attention: bool = False


@dataclass(frozen=True)
class Page:
    """Some leads, newest first, without their timelines; `cursor` asks for the next ones, None at the end.

    `cursors` has one for each lead: the cursor of a page that begins with it. The first lead of the list has none.
    """

    leads: tuple[Journey, ...]
    cursor: str | None
    cursors: tuple[str | None, ...] = ()


class Listing:
    """Reads the list from the table's indexes. Every method may raise botocore's errors."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def page(self, wanted: Wanted, limit: int, cursor: str | None = None) -> Page:
        """Up to `limit` leads; fewer (even none) with a cursor when matches are rare. Raises BadCursor."""
        query = self._query(wanted)
        start = _key_in(cursor, query) if cursor else None
        found: dict[str, tuple[str, ...]] = {}
        before: dict[str, dict[str, Any] | None] = {}

        def page(cursor: str | None) -> Page:
            leads = self._journeys(found, wanted)
            starts = (before[journey.lead.lead_id] for journey in leads)
            return Page(leads, cursor, tuple(_cursor_at(key) if key else None for key in starts))

        for _ in range(READS):
            if start is not None:
                query["ExclusiveStartKey"] = start
            read = self._client.query(**query)
            for item in read["Items"]:
                values = items.decode(item)
                lead_id = values["pk"].partition("#")[2]
                if lead_id not in found and len(found) == limit:
                    return page(_cursor_at(start or {}))
                before.setdefault(lead_id, start)
                found[lead_id] = tuple(values["partners"]) if "partners" in values else ()
                start = {name: item[name] for name in _CURSOR if name in item and name in self._keys(wanted)}
            start = read.get("LastEvaluatedKey")
            if start is None:
                return page(None)
        return page(_cursor_at(start or {}))

    @staticmethod
    def _keys(wanted: Wanted) -> tuple[str, ...]:
        return ("pk", "sk", "phone_hash" if wanted.phone_hash else "listed", "received_key")

    def _query(self, wanted: Wanted) -> dict[str, Any]:
        names: dict[str, str] = {}
        values: dict[str, Any] = {}
        filters = []
        if wanted.phone_hash is not None:
            index, partition, values[":partition"] = items.PHONE, "phone_hash", wanted.phone_hash
        else:
            index, partition = items.LISTING, "listed"
            state = f"delivery#{wanted.status.value}" if wanted.status else items.LEADS
            values[":partition"] = items.ATTENTION if wanted.needs_attention else state
        if wanted.source is not None:
            names["#source"], values[":source"] = "source", wanted.source
            filters.append("#source = :source")
        if wanted.partner is not None:
            names["#partner"], values[":partner"] = "partner", wanted.partner
            filters.append("(#partner = :partner OR contains(partners, :partner))")
        query: dict[str, Any] = {
            "TableName": self._table,
            "IndexName": index,
            "KeyConditionExpression": f"{partition} = :partition",
            "ExpressionAttributeValues": items.encode(values),
            "ScanIndexForward": False,
            "Limit": PER_READ,
        }
        if filters:
            query["FilterExpression"] = " AND ".join(filters)
        if names:
            query["ExpressionAttributeNames"] = names
        return query

    def _journeys(self, found: dict[str, tuple[str, ...]], wanted: Wanted) -> tuple[Journey, ...]:
        leads = {values["lead_id"]: values for values in self._batch([items.lead_key(lead_id) for lead_id in found])}
        keys = [
            items.delivery_key(lead_id, partner) for lead_id, values in leads.items() for partner in values["partners"]
        ]
        keys += [fetch_key(lead_id) for lead_id, values in leads.items() if not values["partners"]]
        deliveries: dict[str, dict[str, Delivery]] = {lead_id: {} for lead_id in leads}
        fetches: dict[str, Fetch] = {}
        for values in self._batch(keys):
            if values["sk"] == "FETCH":
                fetches[values["lead_id"]] = fetch_of(values)
                continue
            delivery = items.delivery_of(values)
            deliveries[delivery.lead_id][delivery.partner] = delivery
        journeys = (
            Journey(items.lead_of(leads[lead_id]), deliveries[lead_id], (), fetches.get(lead_id))
            for lead_id in found
            if lead_id in leads
        )
        # By phone the index knows no state, and of a state it may be a moment behind the table.
        return tuple(
            journey
            for journey in journeys
            if (wanted.status is None or wanted.status in journey.states)
            and (not wanted.needs_attention or any(one.attention for one in journey.deliveries.values()))
        )

    def _batch(self, keys: list[dict[str, str]]) -> Iterator[dict[str, Any]]:
        for some in batched(keys, 100, strict=False):
            request: dict[str, Any] = {self._table: {"Keys": [items.encode(key) for key in some]}}
            for _ in range(10):
                answer = self._client.batch_get_item(RequestItems=request)
                yield from map(items.decode, answer["Responses"].get(self._table, []))
                request = dict(answer.get("UnprocessedKeys", {}))
                if not request:
                    break
            else:
                raise Contended


def _cursor_at(key: dict[str, Any]) -> str:
    plain = {name: value["S"] for name, value in key.items()}
    return base64.urlsafe_b64encode(json.dumps(plain, sort_keys=True).encode()).decode().rstrip("=")


def _key_in(cursor: str, query: dict[str, Any]) -> dict[str, Any]:
    partition = query["KeyConditionExpression"].partition(" ")[0]
    try:
        plain = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        key = {name: {"S": plain[name]} for name in ("pk", "sk", partition, "received_key")}
    except (binascii.Error, ValueError, KeyError, TypeError, RecursionError):
        raise BadCursor from None
    right = key[partition] == query["ExpressionAttributeValues"][":partition"]
    if not right or len(plain) != len(key) or not all(_is_key(value) for value in plain.values()):
        raise BadCursor
    return key


def _is_key(value: object) -> bool:
    """Whether the table would take it for a part of a key; what it would not is no cursor of ours."""
    return isinstance(value, str) and value.isascii() and 0 < len(value) <= LONGEST_KEY
