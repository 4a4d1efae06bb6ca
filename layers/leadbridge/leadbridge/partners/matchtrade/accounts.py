"""A lead in the broker's words: the body that makes an account of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from leadbridge.leads.lead import Lead, Trading
from leadbridge.partners.matchtrade.credentials import Credentials

SOURCE_PARTS = ("offer", "site", "description", "click_id")
SEPARATOR = "|"
LONGEST_VALUE = 255  # characters; the broker publishes no limits

_OURS = frozenset({"partnerId", "email", "name", "surname", "phone", "leadInfo"})


@dataclass(frozen=True)
class AccountForm:
    """What differs from broker to broker.

    `fields` are further fields of an account and where a lead has them (`{"city": "person.city"}`), `constants` those
    that are the same for all leads (`{"country": "Ukraine"}`). `lead_source` is sent as it stands instead of what the
    lead says of its source. Raises ValueError for a further field that is sent anyway.
    """

    plus_in_phone: bool = False
    longest_value: int = LONGEST_VALUE
    lead_source: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if twice := _OURS.intersection([*self.fields, *self.constants]):
            raise ValueError(f"sent anyway: {', '.join(sorted(twice))}")

    def body(self, lead: Lead, credentials: Credentials) -> dict[str, Any]:
        """The body of a create, empty fields left out. Raises ValueError, which names a field and no value."""
        person = lead.person
        name, _, surname = (person.full_name or "").partition(" ")
        phone = person.phone or ""
        source = lead_source(lead.trading) if self.lead_source is None else self.lead_source
        values = {
            **{theirs: lead.value(ours) for theirs, ours in self.fields.items()},
            **self.constants,
            "email": person.email,
            "name": name,
            "surname": surname,
            "phone": phone if self.plus_in_phone else phone.removeprefix("+"),
        }
        account: dict[str, Any] = {"partnerId": credentials.partner_id}
        account |= {key: self._fitting(key, str(value)) for key, value in values.items() if value not in {None, ""}}
        if source:
            account["leadInfo"] = {"leadSource": self._fitting("leadSource", source)}
        return {"offerUuid": credentials.offer_uuid, "account": account}

    def _fitting(self, name: str, value: str) -> str:
        if len(value) > self.longest_value:
            raise ValueError(f"{name} has more than {self.longest_value} characters")
        return value


def lead_source(trading: Trading) -> str:
    """Offer, site, description and click id, joined by pipes: always four parts, an empty one in its place.

    Empty if all of them are. Raises ValueError where a part holds a pipe or a line's end, naming the part.
    """
    parts = [_part(name, getattr(trading, name)) for name in SOURCE_PARTS]
    return SEPARATOR.join(parts) if any(parts) else ""


def _part(name: str, value: str | None) -> str:
    part = (value or "").strip()
    if SEPARATOR in part or len(part.splitlines()) > 1:
        raise ValueError(f"trading.{name} must not hold a pipe or a line's end")
    return part
