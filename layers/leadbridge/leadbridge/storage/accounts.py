"""A partner's accounts, and the state of the sync that reads them.

pk                          sk        item
ACCOUNT#{partner}#{uuid}    ACCOUNT   an account as the partner lists it, own or foreign
ACCOUNT#{partner}#{uuid}    LINK      the lead that it was created from (storage/items.py)
TRACE#…                     ACCOUNT#… a pointer by which an erasure finds an account (storage/erasure/traces.py)
SYNC#{partner}              STATE     the lease, the watermark, and the scans that are under way
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

from leadbridge.domain.accounts.account import StoredAccount
from leadbridge.domain.accounts.scan import LeaseLost, ScanKind, ScanState, SyncScan
from leadbridge.domain.clock import from_text, to_text
from leadbridge.domain.delivery import Delivery
from leadbridge.domain.transitions import Conflict
from leadbridge.storage import items
from leadbridge.storage.erasure import traces
from leadbridge.storage.items import Item, lead_id_of
from leadbridge.storage.queries.listing import listing_query, read_listing
from leadbridge.storage.table import Query, Table
from leadbridge.storage.writes import Write, check, delete, not_erased, put, update

NEWEST = 50  # leads of one e-mail that are read
MAX_EMAILS = 8  # e-mails of one account that have a pointer

_ACCOUNT_TIMES = ("created", "created_latest", "updated", "updated_latest", "first_seen_at")
_STATE_TIMES = ("watermark", "first_run_at", "full_scan_started_at", "full_scan_finished_at", "paused_until")
_SCAN_TIMES = ("started_at", "since", "until", "window")
_SCAN_COUNTS = ("page_size", "page", "max_page", "failures", "skipped_windows")


class AccountRepository:
    """One partner's accounts in the table. Methods raise Contended, and botocore's errors.

    `keyed_hash` hashes an e-mail as the index has it.
    """

    def __init__(self, table: Table, partner: str, keyed_hash: Callable[[str], str]) -> None:
        self._table = table
        self._partner = partner
        self._keyed_hash = keyed_hash
        self._leads_found: dict[str, list[str]] = {}  # by keyed hash, until accounts are stored

    def accounts(self, uuids: Collection[str]) -> Mapping[str, StoredAccount]:
        """Return the accounts that are stored, by uuid."""
        keys = [account_key(self._partner, uuid) for uuid in uuids]
        return {account.uuid: account for account in map(account_of, self._table.batch_get(keys))}

    def links(self, uuids: Collection[str]) -> Mapping[str, str | None]:
        """Return the leads that the accounts were created from, by the account's uuid; None for an erased person."""
        keys = {items.link_key(self._partner, uuid)["pk"]: uuid for uuid in uuids}
        found = self._table.batch_get([items.link_key(self._partner, uuid) for uuid in uuids])
        return {keys[values["pk"]]: None if values.get("is_erased") else str(values["lead_id"]) for values in found}

    def deliveries(self, lead_ids: Collection[str]) -> Mapping[str, Delivery | None]:
        """Return the deliveries of leads: None for one that does not exist, no entry for one that cannot be read."""
        found: dict[str, Delivery | None] = dict.fromkeys(lead_ids)
        for values in self._table.batch_get([items.delivery_key(lead_id, self._partner) for lead_id in lead_ids]):
            lead_id = lead_id_of(values)
            try:
                found[lead_id] = items.delivery_of(values)
            except (LookupError, TypeError, ValueError):  # its own read reports it and does not stop the others
                del found[lead_id]
        return found

    def leads_of(self, email: str) -> Sequence[str]:
        """Return the ids of the newest leads with this address, in any case."""
        hashed = self._keyed_hash(email.casefold())
        query = Query("email_hash = :value", {":value": hashed}, items.EMAIL, newest_first=True)
        self._leads_found[hashed] = [lead_id_of(values) for values in self._table.query(query, limit=NEWEST)]
        return self._leads_found[hashed]

    def store(self, accounts: Sequence[StoredAccount]) -> None:
        """Store or replace accounts, except those of a person who was erased meanwhile.

        An account of a lead, or whose e-mail `leads_of` found a lead for, is written on the condition that the lead is
        not erased. The others are written in batches: one query for each account of a long list would take an hour.
        Afterwards the accounts whose link says that their person was erased are deleted. A run that stops in between
        reads their page again, finds the links and deletes the accounts and what points to them.
        """
        owners = {account.uuid: self._owners(account) for account in accounts}
        self._leads_found = {}
        free = [account for account in accounts if not owners[account.uuid]]
        self._table.batch_write([write for account in free for write in self._pointers(account)])
        self._table.batch_write([put(account_item(self._partner, self._known(account))) for account in free])
        if free:
            links = self.links([account.uuid for account in free])
            self.forget([account for account in free if account.uuid in links and links[account.uuid] is None])
        for account in accounts:
            if owners[account.uuid]:
                self._store_unless_erased(account, owners[account.uuid])

    def _owners(self, account: StoredAccount) -> list[str]:
        """Return the lead that the account was created from and the leads with its e-mail, as they were last read.

        An account without a lead whose e-mail was not looked up cannot be ours: it is older than our leads.
        """
        found = {account.lead_id} if account.lead_id is not None else set()
        if account.email is not None:
            known: Sequence[str] | None = self._leads_found.get(self._keyed_hash(account.email.casefold()))
            if known is None and account.lead_id is not None:
                known = self.leads_of(account.email)
            found.update(known or ())
        return sorted(found)

    def _store_unless_erased(self, account: StoredAccount, lead_ids: list[str]) -> None:
        unmarked = check(items.link_key(self._partner, account.uuid), "attribute_not_exists(is_erased)")
        writes = [*self._pointers(account), put(account_item(self._partner, self._known(account))), unmarked]
        writes += [not_erased(lead_id) for lead_id in lead_ids if lead_id != account.lead_id]
        if account.lead_id is None:
            self._table.transact(writes)
        else:
            self._table.transact_unless_erased(writes, account.lead_id)

    def _known(self, account: StoredAccount) -> StoredAccount:
        """Return the account with the keyed hash of its e-mail. Each has a pointer, so that an erasure finds it."""
        if account.email is None:
            return account
        hashed = self._keyed_hash(account.email.casefold())
        known_by = (*(one for one in account.known_by if one != hashed), hashed)
        return replace(account, known_by=known_by[-MAX_EMAILS:])

    def _pointers(self, account: StoredAccount) -> list[Write]:
        """Store the pointers to an account, and delete those that are too many."""
        known_by = self._known(account).known_by
        kept = [put(item) for item in self._traces(known_by, account.uuid)]
        dropped = [one for one in account.known_by if one not in known_by]
        return kept + [delete(item) for item in self._traces(dropped, account.uuid)]

    def _traces(self, known_by: Iterable[str], uuid: str) -> list[Item]:
        return [traces.trace_item(traces.EMAIL, one, account_key(self._partner, uuid)["pk"]) for one in known_by]

    def forget(self, accounts: Sequence[StoredAccount]) -> None:
        """Delete accounts, if they are stored, and the pointers to them."""
        keys = [account_key(self._partner, account.uuid) for account in accounts]
        pointers = [one for account in accounts for one in self._traces(self._known(account).known_by, account.uuid)]
        self._table.batch_write(map(delete, (*pointers, *keys)))

    def oldest_lead(self) -> datetime | None:
        """Return when our first lead was received."""
        for values in read_listing(self._table, listing_query(attributes=("received_key",)), items.LEADS, limit=1):
            return from_text(str(values["received_key"]).partition("#")[0])
        return None

    def take_lease(self, owner: str, now: datetime, until: datetime) -> ScanState | None:
        """Take the lease of the sync and return its state; None if another run has the lease."""
        taken = update(
            self._state_key,
            "SET #owner = :owner, lease_until = :until, scan_state = if_not_exists(scan_state, :new)",
            "attribute_not_exists(#owner) OR lease_until <= :now OR #owner = :owner",
            values={
                ":owner": owner,
                ":now": to_text(now),
                ":until": to_text(until),
                ":new": state_values(ScanState.first(now)),
            },
            names={"#owner": "owner"},
        )
        try:
            return state_of(self._table.write(taken, returns_new=True)["scan_state"])
        except Conflict:
            return None

    def save(self, owner: str, state: ScanState) -> None:
        """Store the state of the sync. Raises LeaseLost."""
        self._put(owner, state, "")

    def release(self, owner: str, state: ScanState) -> None:
        """Store the state of the sync, and release the lease. Raises LeaseLost."""
        self._put(owner, state, " REMOVE #owner, lease_until")

    def state(self) -> ScanState | None:
        """Return the state of the sync; None before its first run."""
        values = self._table.get(self._state_key)
        return None if values is None else state_of(values["scan_state"])

    def _put(self, owner: str, state: ScanState, further: str) -> None:
        stored = update(
            self._state_key,
            f"SET scan_state = :state{further}",
            "#owner = :owner",
            values={":owner": owner, ":state": state_values(state)},
            names={"#owner": "owner"},
        )
        try:
            self._table.write(stored)
        except Conflict:
            raise LeaseLost from None

    @property
    def _state_key(self) -> dict[str, str]:
        return {"pk": f"SYNC#{self._partner}", "sk": "STATE"}


def account_key(partner: str, uuid: str) -> dict[str, str]:
    """Return the key of an account."""
    return {"pk": f"ACCOUNT#{partner}#{uuid}", "sk": "ACCOUNT"}


def account_item(partner: str, account: StoredAccount) -> Item:
    """Return the item of an account. It is in no index; the index by e-mail has leads only."""
    return items.present(
        {
            **account_key(partner, account.uuid),
            **_as_texts({name: getattr(account, name) for name in StoredAccount.__slots__}, _ACCOUNT_TIMES),
            "known_by": list(account.known_by) or None,
            "partner": partner,
            "is_ours": account.lead_id is not None,
        }
    )


def account_of(values: dict[str, Any]) -> StoredAccount:
    """Return the account of a decoded item."""
    known = {name: values[name] for name in StoredAccount.__slots__ if name in values}
    known["known_by"] = tuple(values.get("known_by", ()))
    return StoredAccount(**_as_times(known, _ACCOUNT_TIMES))


def state_values(state: ScanState) -> dict[str, Any]:
    """Return the item's value of a state, with the scans by kind."""
    own = {name: getattr(state, name) for name in _STATE_TIMES}
    scans = {kind.value: _scan_values(scan) for kind, scan in state.active_scans.items()}
    return {**items.present(_as_texts(own, _STATE_TIMES)), "active_scans": scans}


def state_of(values: dict[str, Any]) -> ScanState:
    """Return the state of an item's value."""
    known = {name: values[name] for name in _STATE_TIMES if name in values}
    scans = {ScanKind(kind): _scan_of(ScanKind(kind), dict(each)) for kind, each in values["active_scans"].items()}
    return ScanState(**_as_times(known, _STATE_TIMES), active_scans=scans)


def _scan_values(scan: SyncScan) -> dict[str, Any]:
    values = items.present(_as_texts(asdict(scan), _SCAN_TIMES))
    return {**values, "length": int(scan.length.total_seconds())}


def _scan_of(kind: ScanKind, values: dict[str, Any]) -> SyncScan:
    """Return a stored scan. One without a stored plan starts its window again."""
    extent = values.get("extent")
    counts: dict[str, Any] = {name: int(values.get(name, 0)) for name in _SCAN_COUNTS}
    counts |= {
        "extent": None if extent is None else int(extent),
        "length": timedelta(seconds=int(values.get("length", 0))),
    }
    return SyncScan(**_as_times(values, _SCAN_TIMES) | counts | {"kind": kind})


def _as_texts(values: dict[str, Any], times: Collection[str]) -> dict[str, Any]:
    written = {name: to_text(values[name]) for name in times if values.get(name) is not None}
    return {**values, **written}


def _as_times(values: dict[str, Any], times: Collection[str]) -> dict[str, Any]:
    return {**values, **{name: from_text(values[name]) for name in times if name in values}}
