"""The erasure of items that belong to no lead: events of Leeloo, and accounts in a partner's list (see `traces`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from leadbridge.domain.transitions import Conflict
from leadbridge.storage import items
from leadbridge.storage.erasure.traces import EMAIL, find_traces, trace_key
from leadbridge.storage.items import lead_id_of
from leadbridge.storage.table import Query, Table
from leadbridge.storage.writes import delete, put, update

MAX_LEADS = 50  # leads of one e-mail that are read


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

        `is_shared` says that another lead has the person's e-mail: then the account is deleted with that lead.
        """
        tie = {"pk": pointer["sk"], "sk": "LINK"}
        if is_shared and (self._table.get(tie) or {}).get("lead_id") != self._lead_id:
            return
        mark = put(
            {**tie, "lead_id": self._lead_id, "is_erased": True},
            "attribute_not_exists(pk) OR lead_id = :own",
            values={":own": self._lead_id},
            ttl=False,
        )
        deletes = [delete({**tie, "sk": "ACCOUNT"}), delete({"pk": pointer["pk"], "sk": pointer["sk"]})]
        self._table.transact([mark, *deletes])  # refused where it is another lead's

    def _has_another_lead(self, email_hash: str) -> bool:
        query = Query("email_hash = :email", {":email": email_hash}, items.EMAIL, newest_first=True)
        others = {lead_id_of(values) for values in self._table.query(query, limit=MAX_LEADS)} - {self._lead_id}
        leads = (self._table.get(items.lead_key(lead_id)) for lead_id in sorted(others))
        return any(lead is not None and "erased_at" not in lead for lead in leads)
