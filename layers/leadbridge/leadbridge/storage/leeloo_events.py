"""Events that Leeloo posts: orders, sales, subscriptions, messages, and types that are not known yet.

Each is stored once, beside its lead where one is found by account, phone or e-mail, and noted in that lead's timeline.

    pk                 sk                item
    LEELOO#{key}       EVENT             that it came, and its lead; the event itself if no lead is found
    LEAD#{lead_id}     LEELOO#{key}      the event
    TRACE#…            LEELOO#{key}      a pointer: the erasure of a lead finds an event without a lead by it
    (storage/erasure/traces.py)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from leadbridge.domain import fields
from leadbridge.domain.clock import Clock, to_text
from leadbridge.domain.timeline import LEELOO, Entry
from leadbridge.storage import items
from leadbridge.storage.erasure import traces
from leadbridge.storage.queries.lead_search import LeadFinder
from leadbridge.storage.table import Table
from leadbridge.storage.writes import extend_ttl, put

MAX_LOOKUPS = 3  # of an event's lead, while the leads that are found are erased
MAX_KEY = 255  # characters of an account id that can be a key
OWNER = 3  # the number of the write that fails where the lead is gone or erased
KNOWN = {"ORDER": "leeloo_order", "SALE": "leeloo_sale"}


class InvalidLeelooEvent(ValueError):
    """A post that is not `{type, data}`."""


@dataclass(frozen=True)
class LeelooEvent:
    """One event: its type, its data, the body as it came, and the key by which a repetition is known."""

    type: str
    data: dict[str, Any]
    body: bytes
    key: str

    @classmethod
    def of(cls, content: dict[str, Any], body: bytes) -> LeelooEvent:
        """Read a post; the key is the type and the order's id, else the hash of the body. Raises InvalidEvent."""
        kind, data = content.get("type"), content.get("data")
        try:
            clean = fields.text(kind) if isinstance(kind, str) else None
        except ValueError:
            clean = None
        if clean is None:
            raise InvalidLeelooEvent("type must be a text")
        if not isinstance(data, dict):
            raise InvalidLeelooEvent("data must be an object")
        order = data.get("order_id")
        has_order = (isinstance(order, str) and order.strip() != "") or type(order) is int
        what = ["order", clean, order] if has_order else ["body", body.hex()]
        return cls(clean, data, body, hashlib.sha256(json.dumps(what).encode()).hexdigest())

    def text(self, name: str) -> str | None:
        """A text of the data, cleaned; None where there is none."""
        value = self.data.get(name)
        try:
            return fields.text(value) if isinstance(value, str | int | Decimal) else None
        except ValueError:
            return None

    @property
    def entry(self) -> tuple[str, str, dict[str, str]]:
        """The timeline's entry, and its data. It does not quote what people wrote."""
        if self.type in KNOWN:
            about = {name: self.text(name) for name in ("offer_name", "price", "currency")}
            data = {name: text for name, text in about.items() if text}
            return KNOWN[self.type], " ".join(data.values()), data
        return "leeloo_event", self.type, {"type": self.type}


@dataclass(frozen=True)
class LeelooEventRepository:
    """Stores Leeloo's events. `keyed_hash` hashes phones and e-mails as the indexes have them."""

    table: Table
    keyed_hash: Callable[[str], str]
    clock: Clock

    def store(self, event: LeelooEvent) -> tuple[bool, str | None]:
        """Store an event; return whether it is new, and its lead. Safe to repeat.

        Of a person whose erasure is running only the fact that the event came is stored. Raises botocore's errors and
        Contended.
        """
        for number in range(MAX_LOOKUPS):
            lead_id = self._lead_of(event)
            if lead_id is None and number == 0:
                return self._write_unowned(event) is None, None
            if lead_id is None:
                break
            refused = self._write_owned(event, lead_id)
            if refused != OWNER:
                return refused is None, lead_id
        marker = put(self._marker(event, None), "attribute_not_exists(pk)")
        return self.table.transact([marker]) is None, None

    def _write_owned(self, event: LeelooEvent, lead_id: str) -> int | None:
        """Write an event beside its lead; return the number of the write that was refused."""
        now, (what, detail, data) = self.clock(), event.entry
        beside = {"pk": f"LEAD#{lead_id}", "sk": f"LEELOO#{event.key}", **self._content(event)}
        writes = [
            put(self._marker(event, lead_id), "attribute_not_exists(pk)"),
            put(beside),
            put(items.entry_item(lead_id, Entry(now, what, LEELOO, detail, data), event.key[:16])),
            extend_ttl(lead_id, not_erased=True),
        ]
        return self.table.transact(writes)

    def _write_unowned(self, event: LeelooEvent) -> int | None:
        """Write an event that no lead is found for; return the number of the write that was refused."""
        known_by = self._known_by(event)
        item = {**self._marker(event, None), **self._content(event), **({"known_by": known_by} if known_by else {})}
        pointers = [put(traces.trace_item(*one, f"LEELOO#{event.key}")) for one in known_by]
        return self.table.transact([put(item, "attribute_not_exists(pk)"), *pointers])

    def _marker(self, event: LeelooEvent, lead_id: str | None) -> items.Item:
        key = {"pk": f"LEELOO#{event.key}", "sk": "EVENT"}
        return items.present({**key, "lead_id": lead_id, "received_at": to_text(self.clock())})

    def _content(self, event: LeelooEvent) -> dict[str, str]:
        body = event.body.decode(errors="replace")
        return {"type": event.type, "body": body, "received_at": to_text(self.clock())}

    def _known_by(self, event: LeelooEvent) -> list[tuple[str, str]]:
        """Return what identifies the event's person: kinds of pointers and their values, the most reliable first."""
        account_id = event.text("account_id")
        known = [(traces.ACCOUNT, account_id)] if account_id and len(account_id) <= MAX_KEY else []
        for name, clean, kind in (("phone", fields.phone_with_country, traces.PHONE), ("email", _email, traces.EMAIL)):
            try:
                value = clean(event.text(name))
            except ValueError:
                continue
            if value:
                known.append((kind, self.keyed_hash(value)))
        return known

    def _lead_of(self, event: LeelooEvent) -> str | None:
        finder = LeadFinder(self.table)
        find = {traces.ACCOUNT: finder.by_account, traces.PHONE: finder.by_phone, traces.EMAIL: finder.by_email}
        return next((found for kind, value in self._known_by(event) if (found := find[kind](value))), None)


def _email(value: object) -> str | None:
    clean = fields.email(value)
    return None if clean is None else clean.casefold()
