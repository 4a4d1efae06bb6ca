"""The erasure of items that belong to no lead: events of Leeloo, and accounts in a partner's list (see `traces`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from leadbridge.domain.transitions import Conflict
from leadbridge.runtime.aws_errors import Contended
from leadbridge.storage import items
from leadbridge.storage.erasure.traces import EMAIL, find_traces, trace_key
from leadbridge.storage.items import lead_id_of
from leadbridge.storage.table import Query, Table
from leadbridge.storage.writes import Write, delete, put, update

MAX_LEADS = 50  # leads of one e-mail that are read
MAX_TRIES = 10  # of a transaction while others change the account


class UnownedItems:
    """Erases the items about the person of `lead_id` that belong to no lead. Safe to repeat.

    Every method may raise Contended, and botocore's errors.
    """

    def __init__(self, table: Table, lead_id: str) -> None:
        self._table = table
        self._lead_id = lead_id

    def erase(self, kind: str, values: Iterable[str]) -> None:
        """Erase all items that the values find: keyed hashes, or ids of accounts."""
        for value in sorted(values):
            is_shared: bool | None = None
            for pointer in list(find_traces(self._table, kind, value)):
                if pointer["sk"].startswith("LEELOO#"):
                    self._erase_event(pointer)
                    continue
                if is_shared is None:
                    is_shared = kind == EMAIL and self._has_another_lead(value)
                self._erase_account(pointer, is_shared=is_shared)

    def _erase_event(self, pointer: dict[str, Any]) -> None:
        """Reduce an event to the fact that it came, and delete all pointers to it."""
        key = {"pk": pointer["sk"], "sk": "EVENT"}
        known_by = (self._table.get(key) or {}).get("known_by", [])
        pointers = [trace_key(kind, value, pointer["sk"]) for kind, value in known_by]
        if (own := {"pk": pointer["pk"], "sk": pointer["sk"]}) not in pointers:
            pointers.append(own)
        deletes = [delete(each) for each in pointers]
        reduced = update(key, "REMOVE body, #type, known_by", "attribute_exists(pk)", names={"#type": "type"})
        try:
            self._table.transact([*deletes, reduced], or_conflict=True)
        except Conflict:  # the event has expired
            self._table.transact(deletes)

    def _erase_account(self, pointer: dict[str, Any], *, is_shared: bool) -> None:
        """Delete an account that no other lead has, and mark it so that it is not stored again.

        `is_shared` says that another lead has the person's e-mail: then an account without a link is deleted with that
        lead. An account that is linked to another lead goes with it. If that lead is erased already, nothing keeps the
        account: a sync that was interrupted may have left it.
        """
        tie = {"pk": pointer["sk"], "sk": "LINK"}
        for _ in range(MAX_TRIES):
            link = self._table.get(tie) or {}
            is_own, is_erased = link.get("lead_id") == self._lead_id, link.get("is_erased", False)
            if not is_own and not is_erased and (link or is_shared):
                return
            writes = account_deletes(self._table, pointer["sk"], pointer)
            if is_own or not is_erased:
                writes.append(self._mark(tie))
            if self._table.transact(writes) is None:
                return
        raise Contended

    def _mark(self, tie: dict[str, str]) -> Write:
        """Mark an account as erased. Fails if another lead has it."""
        return put(
            {**tie, "lead_id": self._lead_id, "is_erased": True},
            "attribute_not_exists(pk) OR lead_id = :own",
            values={":own": self._lead_id},
            ttl=False,
        )

    def _has_another_lead(self, email_hash: str) -> bool:
        query = Query("email_hash = :email", {":email": email_hash}, items.EMAIL, newest_first=True)
        others = {lead_id_of(values) for values in self._table.query(query, limit=MAX_LEADS)} - {self._lead_id}
        leads = (self._table.get(items.lead_key(lead_id)) for lead_id in sorted(others))
        return any(lead is not None and "erased_at" not in lead for lead in leads)


def account_deletes(table: Table, partition: str, pointer: dict[str, Any] | None = None) -> list[Write]:
    """Delete an account and all pointers to it, on the condition that they are as they are now.

    `pointer` is one of them, which may be left without the account.
    """
    key = {"pk": partition, "sk": "ACCOUNT"}
    known_by = (table.get(key, attributes=("known_by",)) or {}).get("known_by")
    pointers = [trace_key(EMAIL, hashed, partition) for hashed in known_by or ()]
    if pointer is not None and (own := {"pk": pointer["pk"], "sk": pointer["sk"]}) not in pointers:
        pointers.append(own)
    if known_by is None:
        return [delete(key, "attribute_not_exists(known_by)"), *map(delete, pointers)]
    return [delete(key, "known_by = :known_by", {":known_by": known_by}), *map(delete, pointers)]
