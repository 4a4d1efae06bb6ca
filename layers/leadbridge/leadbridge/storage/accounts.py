"""Where a partner's accounts are kept, and how far its list has been read.

pk                          sk        item
ACCOUNT#{partner}#{uuid}    ACCOUNT   an account as the partner lists it, ours or another's
ACCOUNT#{partner}#{uuid}    TIE       which lead of ours it was made of (storage/items.py)
TRACE#…                     ACCOUNT#… by what the erasure of a lead finds an account (storage/erasure/traces.py)
SYNC#{partner}              STATE     the lease, the watermark, and the passes that are under way
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from itertools import batched
from typing import TYPE_CHECKING, Any

from leadbridge.domain.accounts.account import KeptAccount
from leadbridge.domain.accounts.scan import Kind, ScanState, SyncScan
from leadbridge.domain.clock import from_text, to_text
from leadbridge.domain.delivery import Delivery
from leadbridge.services.sync_accounts import Overtaken
from leadbridge.storage import items
from leadbridge.storage.erasure import traces
from leadbridge.storage.items import Item
from leadbridge.storage.table import Contended, not_erased, persist, put, transact, transact_beside, with_ttl

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

READ_AT_ONCE = 100  # keys that BatchGetItem takes
WRITTEN_AT_ONCE = 25  # writes that BatchWriteItem takes
TRIES = 8  # how often what a batch left undone is asked for again
PAUSE = 0.05  # seconds before the second try; each later one is twice as long at most, and left to chance
NEWEST = 50  # leads of one e-mail that are looked at

_ACCOUNT_TIMES = ("created", "created_latest", "updated", "updated_latest", "first_seen_at")
_STATE_TIMES = ("watermark", "first_run_at", "whole_begun_at", "whole_ended_at", "rests_until")
_PASS_TIMES = ("begun_at", "since", "until", "window")
_PASS_COUNTS = ("page_size", "page", "furthest", "failures", "left_out")


class AccountRepository:
    """One partner's accounts in the table. Methods raise botocore's errors when AWS does not answer, and Contended.

    `keyed_hash` makes of an e-mail what stands for it in the index.
    """

    def __init__(self, client: DynamoDBClient, table: str, partner: str, keyed_hash: Callable[[str], str]) -> None:
        self._client = client
        self._table = table
        self._partner = partner
        self._keyed_hash = keyed_hash
        self._leads_found: dict[str, list[str]] = {}  # by keyed hash, until accounts are kept

    def accounts(self, uuids: Collection[str]) -> Mapping[str, KeptAccount]:
        """Those that are kept, by uuid."""
        keys = [account_key(self._partner, uuid) for uuid in uuids]
        return {account.uuid: account for account in map(account_of, self._read(keys))}

    def ties(self, uuids: Collection[str]) -> Mapping[str, str | None]:
        """The leads that some of the accounts were made of, by the account's uuid; None for a person who was erased."""
        keys = {items.link_key(self._partner, uuid)["pk"]: uuid for uuid in uuids}
        found = self._read([items.link_key(self._partner, uuid) for uuid in uuids])
        return {keys[values["pk"]]: None if values.get("is_erased") else str(values["lead_id"]) for values in found}

    def deliveries(self, lead_ids: Collection[str]) -> Mapping[str, Delivery | None]:
        """The deliveries of some leads: None for one that does not exist, no entry for one that cannot be read."""
        found: dict[str, Delivery | None] = dict.fromkeys(lead_ids)
        for values in self._read([items.delivery_key(lead_id, self._partner) for lead_id in lead_ids]):
            lead_id = str(values["pk"]).partition("#")[2]
            try:
                found[lead_id] = items.delivery_of(values)
            except (LookupError, TypeError, ValueError):  # its own read reports it and does not stop the others
                del found[lead_id]
        return found

    def leads_of(self, email: str) -> Sequence[str]:
        """The ids of the leads with this address, however it is spelt, the newest of them if they are many."""
        hashed = self._keyed_hash(email.casefold())
        found = self._query("email", "email_hash", hashed, NEWEST, newest=True)
        self._leads_found[hashed] = [str(values["pk"]).partition("#")[2] for values in found]
        return self._leads_found[hashed]

    def keep(self, accounts: Sequence[KeptAccount]) -> None:
        """Store accounts, in place of what is stored; not those of a person who was erased meanwhile.

        An account that may belong to one of our leads is written on the condition that the lead is not erased. The
        others are written in batches. Afterwards those whose tie says that their person was erased are deleted. A run
        that stops in between reads their page again, finds the ties and deletes them.
        """
        owners = {account.uuid: self._owners(account) for account in accounts}
        self._leads_found = {}
        free = [account for account in accounts if not owners[account.uuid]]
        self._write([{"PutRequest": {"Item": with_ttl(item)}} for account in free for item in self._traces(account)])
        self._write([{"PutRequest": {"Item": with_ttl(account_item(self._partner, account))}} for account in free])
        if free:
            ties = self.ties([account.uuid for account in free])
            self.forget([uuid for uuid in ties if ties[uuid] is None])
        for account in accounts:
            if owners[account.uuid]:
                self._keep_with_owners(account, owners[account.uuid])

    def _owners(self, account: KeptAccount) -> list[str]:
        """Return the lead that the account was made of and the leads with its e-mail, as they were last looked up."""
        found = {account.lead_id} if account.lead_id is not None else set()
        if account.email is not None:
            known = self._leads_found.get(self._keyed_hash(account.email.casefold()))
            found.update(self.leads_of(account.email) if known is None else known)
        return sorted(found)

    def _keep_with_owners(self, account: KeptAccount, lead_ids: list[str]) -> None:
        tie = items.encode(items.link_key(self._partner, account.uuid))
        unmarked = {"TableName": self._table, "Key": tie, "ConditionExpression": "attribute_not_exists(is_erased)"}
        writes = [put(self._table, item) for item in self._traces(account)]
        writes += [put(self._table, account_item(self._partner, account)), {"ConditionCheck": unmarked}]
        writes += [not_erased(self._table, lead_id) for lead_id in lead_ids if lead_id != account.lead_id]
        if account.lead_id is None:
            transact(self._client, writes)
        else:
            transact_beside(self._client, self._table, writes, account.lead_id)

    def _traces(self, account: KeptAccount) -> list[Item]:
        if account.email is None:
            return []
        hashed, target = self._keyed_hash(account.email.casefold()), account_key(self._partner, account.uuid)["pk"]
        return [traces.trace_item(traces.EMAIL, hashed, target)]

    def forget(self, uuids: Sequence[str]) -> None:
        """Delete what is kept of accounts."""
        for account in self.accounts(uuids).values():
            pointers = [{"pk": item["pk"], "sk": item["sk"]} for item in self._traces(account)]
            key = items.encode(account_key(self._partner, account.uuid))
            self._write([{"DeleteRequest": {"Key": each}} for each in (key, *pointers)])

    def oldest_lead(self) -> datetime | None:
        """When our first lead came."""
        for values in self._query(items.LISTING, "listed", items.LEADS, 1, newest=False):
            return from_text(str(values["received_key"]).partition("#")[0])
        return None

    def take_lease(self, owner: str, now: datetime, until: datetime) -> ScanState | None:
        """Become the one run there is; None if there is another."""
        try:
            answer = persist(
                lambda: self._client.update_item(
                    TableName=self._table,
                    Key=items.encode(self._state_key),
                    UpdateExpression=(
                        "SET #owner = :owner, lease_until = :until, standing = if_not_exists(standing, :new)"
                    ),
                    ConditionExpression="attribute_not_exists(#owner) OR lease_until <= :now OR #owner = :owner",
                    ExpressionAttributeNames={"#owner": "owner"},
                    ExpressionAttributeValues=items.encode(
                        {
                            ":owner": owner,
                            ":now": to_text(now),
                            ":until": to_text(until),
                            ":new": state_values(ScanState.first(now)),
                        }
                    ),
                    ReturnValues="ALL_NEW",
                )
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return None
        return state_of(items.decode(answer["Attributes"])["standing"])

    def save(self, owner: str, state: ScanState) -> None:
        """Write down where the sync stands. Raises Overtaken."""
        self._put(owner, state, "")

    def release(self, owner: str, state: ScanState) -> None:
        """Do the same, and give the lease back. Raises Overtaken."""
        self._put(owner, state, " REMOVE #owner, lease_until")

    def state(self) -> ScanState | None:
        """Where the sync stands; None before its first run."""
        got = self._client.get_item(TableName=self._table, Key=items.encode(self._state_key), ConsistentRead=True)
        return state_of(items.decode(got["Item"])["standing"]) if "Item" in got else None

    def _put(self, owner: str, state: ScanState, further: str) -> None:
        try:
            persist(
                lambda: self._client.update_item(
                    TableName=self._table,
                    Key=items.encode(self._state_key),
                    UpdateExpression=f"SET standing = :standing{further}",
                    ConditionExpression="#owner = :owner",
                    ExpressionAttributeNames={"#owner": "owner"},
                    ExpressionAttributeValues=items.encode({":owner": owner, ":standing": state_values(state)}),
                )
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            raise Overtaken from None

    def _read(self, keys: Sequence[dict[str, str]]) -> Iterator[dict[str, Any]]:
        for some in batched(keys, READ_AT_ONCE, strict=False):
            request: Any = {"Keys": [items.encode(key) for key in some], "ConsistentRead": True}
            for _ in _tries():
                answer = self._client.batch_get_item(RequestItems={self._table: request})
                yield from map(items.decode, answer["Responses"].get(self._table, []))
                request = answer.get("UnprocessedKeys", {}).get(self._table)
                if not request:
                    break

    def _write(self, requests: Sequence[Any]) -> None:
        for some in batched(requests, WRITTEN_AT_ONCE, strict=False):
            left: Any = list(some)
            for _ in _tries():
                answer = persist(partial(self._client.batch_write_item, RequestItems={self._table: left}))
                left = answer.get("UnprocessedItems", {}).get(self._table)
                if not left:
                    break

    def _query(self, index: str, attribute: str, value: str, limit: int, *, newest: bool) -> Iterator[dict[str, Any]]:
        found = self._client.query(
            TableName=self._table,
            IndexName=index,
            KeyConditionExpression=f"{attribute} = :value",
            ExpressionAttributeValues=items.encode({":value": value}),
            ScanIndexForward=not newest,
            Limit=limit,
        )
        return map(items.decode, found["Items"])

    @property
    def _state_key(self) -> dict[str, str]:
        return {"pk": f"SYNC#{self._partner}", "sk": "STATE"}


def account_key(partner: str, uuid: str) -> dict[str, str]:
    """The key of an account, beside its tie."""
    return {"pk": f"ACCOUNT#{partner}#{uuid}", "sk": "ACCOUNT"}


def account_item(partner: str, account: KeptAccount) -> Item:
    """An account as it is stored. It stands in no index: the e-mail's finds leads."""
    return items.encode(
        {
            **account_key(partner, account.uuid),
            **_as_texts(asdict(account), _ACCOUNT_TIMES),
            "partner": partner,
            "is_ours": account.lead_id is not None,
        }
    )


def account_of(values: dict[str, Any]) -> KeptAccount:
    """The account that a decoded item holds."""
    known = {name: values[name] for name in KeptAccount.__slots__ if name in values}
    return KeptAccount(**_as_times(known, _ACCOUNT_TIMES))


def state_values(state: ScanState) -> dict[str, Any]:
    """A state as its item holds it, the passes by their kinds."""
    own = {name: getattr(state, name) for name in _STATE_TIMES}
    passes = {kind.value: _pass_values(going_on) for kind, going_on in state.under_way.items()}
    return {**_known(_as_texts(own, _STATE_TIMES)), "under_way": passes}


def state_of(standing: dict[str, Any]) -> ScanState:
    """The state that an item holds."""
    known = {name: standing[name] for name in _STATE_TIMES if name in standing}
    passes = {Kind(kind): _pass_of(Kind(kind), dict(each)) for kind, each in standing["under_way"].items()}
    return ScanState(**_as_times(known, _STATE_TIMES), under_way=passes)


def _pass_values(going_on: SyncScan) -> dict[str, Any]:
    values = _known(_as_texts(asdict(going_on), _PASS_TIMES))
    return {**values, "length": int(going_on.length.total_seconds())}


def _pass_of(kind: Kind, values: dict[str, Any]) -> SyncScan:
    """A pass as it was written; one of before its plan was kept begins its window anew."""
    extent = values.get("extent")
    counts: dict[str, Any] = {name: int(values.get(name, 0)) for name in _PASS_COUNTS}
    counts |= {
        "extent": None if extent is None else int(extent),
        "length": timedelta(seconds=int(values.get("length", 0))),
    }
    return SyncScan(**_as_times(values, _PASS_TIMES) | counts | {"kind": kind})


def _known(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _as_texts(values: dict[str, Any], times: Collection[str]) -> dict[str, Any]:
    written = {name: to_text(values[name]) for name in times if values.get(name) is not None}
    return {**values, **written}


def _as_times(values: dict[str, Any], times: Collection[str]) -> dict[str, Any]:
    return {**values, **{name: from_text(values[name]) for name in times if name in values}}


def _tries() -> Iterator[int]:
    """So many tries, with pauses in between; raises Contended when they are spent."""
    for number in range(TRIES):
        if number:
            time.sleep(random.uniform(0, PAUSE * 2**number))  # noqa: S311 - nothing secret
        yield number
    raise Contended
