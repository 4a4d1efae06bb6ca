"""What Leeloo tells us of its own accord: orders, sales, subscriptions, messages, and kinds that nobody has seen yet.

Each is kept once, tied to a lead where one is found by account, phone or e-mail, and named in that lead's timeline.

    pk                 sk                item
    LEELOO#{key}       EVENT             that it came, and whose it is; the event itself if it is nobody's
    LEAD#{lead_id}     LEELOO#{key}      the event
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from leadbridge.clock import Clock, to_text
from leadbridge.leads import fields, items
from leadbridge.leads.finding import Finder
from leadbridge.leads.items import Entry
from leadbridge.leads.writing import put, transact, unless_erased

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KNOWN = {"ORDER": "leeloo_order", "SALE": "leeloo_sale"}


class InvalidEvent(ValueError):
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
            raise InvalidEvent("type must be a text")
        if not isinstance(data, dict):
            raise InvalidEvent("data must be an object")
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
    def entry(self) -> tuple[str, str]:
        """What a timeline says of it; what people wrote is not quoted."""
        if self.type in KNOWN:
            about = (self.text("offer_name"), self.text("price"), self.text("currency"))
            return KNOWN[self.type], " ".join(part for part in about if part)
        return "leeloo_event", self.type


@dataclass(frozen=True)
class Inbox:
    """Keeps Leeloo's events. `keyed_hash` makes what stands in the indexes for phones and e-mails."""

    client: DynamoDBClient
    table: str
    keyed_hash: Callable[[str], str]
    clock: Clock

    def keep(self, event: LeelooEvent) -> tuple[bool, str | None]:
        """Keep an event; whether it is new, and the lead it is tied to. Safe to repeat. Raises botocore's errors."""
        lead_id = self._lead_of(event)
        match self._write(event, lead_id):
            case 3:  # erased since it was found
                return self._write(event, None) is None, None
            case refused:
                return refused is None, lead_id

    def _write(self, event: LeelooEvent, lead_id: str | None) -> int | None:
        """Write an event, beside its lead if it has one; the number of the write that was refused."""
        now = self.clock()
        marker = {"pk": f"LEELOO#{event.key}", "sk": "EVENT", "lead_id": lead_id, "received_at": to_text(now)}
        told = {
            "type": event.type,
            "body": event.body.decode(errors="replace"),
            "received_at": to_text(now),
        }
        if lead_id is None:
            writes = [put(self.table, items.encode({**marker, **told}), "attribute_not_exists(pk)")]
        else:
            what, detail = event.entry
            kept = {"pk": f"LEAD#{lead_id}", "sk": f"LEELOO#{event.key}", **told}
            writes = [
                put(self.table, items.encode(marker), "attribute_not_exists(pk)"),
                put(self.table, items.encode(kept)),
                put(self.table, items.entry_item(lead_id, Entry(now, what, "leeloo", detail), event.key[:16])),
                unless_erased(self.table, lead_id),
            ]
        return transact(self.client, writes)

    def _lead_of(self, event: LeelooEvent) -> str | None:
        finder = Finder(self.client, self.table)
        if (account_id := event.text("account_id")) and (lead_id := finder.by_account(account_id)):
            return lead_id
        for name, clean, find in (("phone", fields.phone, finder.by_phone), ("email", _email, finder.by_email)):
            try:
                value = clean(event.text(name))
            except ValueError:
                continue
            if value and (lead_id := find(self.keyed_hash(value))):
                return lead_id
        return None


def _email(value: object) -> str | None:
    clean = fields.email(value)
    return None if clean is None else clean.casefold()
