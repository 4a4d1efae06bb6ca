"""A lead in the broker's words: the body that makes an account of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from leadbridge.domain.lead import Lead, Trading
from leadbridge.partners.matchtrade.credentials import BrokerCredentials

SOURCE_PARTS = ("offer", "site", "description", "click_id")
SEPARATOR = "|"
MAX_VALUE = 255  # characters; the broker publishes no limits

INSTEAD = "/"  # replaces a pipe or a line's end inside a part

_WHOLE = frozenset({"person.phone", "person.email", "person.tax_number", "loan.amount", "loan.term"})
_OURS = frozenset({"partnerId", "email", "name", "surname", "phone", "leadInfo"})


@dataclass(frozen=True)
class AccountForm:
    """What differs from broker to broker.

    `fields` are further fields of an account and where a lead has them (`{"city": "person.city"}`), `constants` those
    that are the same for all leads (`{"country": "Ukraine"}`). `lead_source` is sent as it stands instead of what the
    lead says of its source. Raises ValueError for a further field that is sent anyway.
    """

    plus_in_phone: bool = False
    max_value_length: int = MAX_VALUE
    lead_source: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if twice := _OURS.intersection([*self.fields, *self.constants]):
            raise ValueError(f"sent anyway: {', '.join(sorted(twice))}")

    def body(self, lead: Lead, credentials: BrokerCredentials) -> dict[str, Any]:
        """Return the body of a create, without empty fields. Texts are shortened to fit; no lead is refused here.

        A shortened e-mail, phone or number would be wrong. `wrong_for` checks their lengths at reception.
        """
        person = lead.person
        name, surname = _split_name(person.full_name or "")
        phone = person.phone or ""
        values: dict[str, object] = {
            **{theirs: self._taken(lead, ours) for theirs, ours in self.fields.items()},
            **self.constants,
            "email": person.email,
            "name": self._shortened(name),
            "surname": self._shortened(surname),
            "phone": phone if self.plus_in_phone else phone.removeprefix("+"),
        }
        account: dict[str, Any] = {"partnerId": credentials.partner_id}
        account |= {key: text for key, value in values.items() if value is not None and (text := str(value).strip())}
        if source := self._source(lead):
            account["leadInfo"] = {"leadSource": source}
        return {"offerUuid": credentials.offer_uuid, "account": account}

    def _taken(self, lead: Lead, path: str) -> object:
        value = lead.value(path)
        return value if value is None or path in _WHOLE else self._shortened(str(value))

    def _source(self, lead: Lead) -> str:
        if self.lead_source is None:
            return lead_source(lead.trading, longest=self.max_value_length)
        return self._shortened(self.lead_source)

    def _shortened(self, text: str) -> str:
        return text[: self.max_value_length].strip()


def lead_source(trading: Trading, *, longest: int = MAX_VALUE) -> str:
    """Return offer, site, description and click id, joined by pipes: always four parts, a missing one is empty.

    Empty if all of them are. A pipe or a line's end inside a part becomes ` / `. Where the whole is longer than
    `longest`, its longest parts are shortened; the click id stays whole, unless it alone does not fit.
    """
    *others, click_id = (_part(getattr(trading, name)) for name in SOURCE_PARTS)
    room = longest - len(SEPARATOR) * len(others)
    if room <= 0 or not any((*others, click_id)):
        return ""
    click_id = click_id[:room].strip()
    fitting = _longest_part(others, room - len(click_id))
    return SEPARATOR.join([*(part[:fitting].strip() for part in others), click_id])


def _part(value: str | None) -> str:
    return f" {INSTEAD} ".join(filter(None, map(str.strip, (value or "").replace(SEPARATOR, "\n").splitlines())))


def _longest_part(parts: list[str], room: int) -> int:
    """Return the number of characters to which each part is shortened, so that all of them fit."""
    for number, part in enumerate(shortest_first := sorted(parts, key=len)):
        share = room // (len(shortest_first) - number)
        if len(part) > share:
            return share
        room -= len(part)
    return max(map(len, parts))


def _split_name(full_name: str) -> tuple[str, str]:
    name, _, surname = full_name.strip().partition(" ")
    return name, surname
