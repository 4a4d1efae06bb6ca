"""Map a lead to the body of a create call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from leadbridge.domain.fields import split_full_name
from leadbridge.domain.lead import Lead, Person, Trading
from leadbridge.partners.matchtrade.credentials import BrokerCredentials

SOURCE_PARTS = ("offer", "site", "description", "click_id")
SEPARATOR = "|"
MAX_VALUE = 255  # characters; the broker publishes no limits

SEPARATOR_REPLACEMENT = "/"  # for a pipe or a line break inside a part

_NEVER_SHORTENED = frozenset({"person.phone", "person.email", "person.tax_number", "loan.amount", "loan.term"})
_BUILT_IN = frozenset({"partnerId", "email", "name", "surname", "phone", "leadInfo"})


@dataclass(frozen=True)
class AccountForm:
    """How a broker's account is filled.

    `fields` map further fields of an account to paths of the lead (`{"city": "person.city"}`), `constants` to values
    (`{"country": "Ukraine"}`). `lead_source` replaces the lead's own source. Raises ValueError if `fields` or
    `constants` contain a built-in field.
    """

    plus_in_phone: bool = False
    max_value_length: int = MAX_VALUE
    lead_source: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if built_in := _BUILT_IN.intersection([*self.fields, *self.constants]):
            raise ValueError(f"these fields are built in: {', '.join(sorted(built_in))}")

    def body(self, lead: Lead, credentials: BrokerCredentials) -> dict[str, Any]:
        """Return the body of a create call, without empty fields. Long texts are shortened.

        E-mails, phones and numbers are not: `wrong_for` checks their lengths when a lead is received.
        """
        person = lead.person
        name, surname = _name_and_surname(person)
        phone = person.phone or ""
        values: dict[str, object] = {
            **{theirs: self._value_at(lead, ours) for theirs, ours in self.fields.items()},
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
        return {"offerUuid": credentials.offer_for(lead.trading.offer), "account": account}

    def _value_at(self, lead: Lead, path: str) -> object:
        value = lead.value(path)
        return value if value is None or path in _NEVER_SHORTENED else self._shortened(str(value))

    def _source(self, lead: Lead) -> str:
        if self.lead_source is None:
            trading = lead.trading.model_copy(update={"click_id": lead.click_id})
            return lead_source(trading, longest=self.max_value_length)
        return self._shortened(self.lead_source)

    def _shortened(self, text: str) -> str:
        return text[: self.max_value_length].strip()


def lead_source(trading: Trading, *, longest: int = MAX_VALUE) -> str:
    """Return offer, site, description and click id joined by pipes. A missing part is empty.

    Returns an empty text if all parts are missing. A pipe or a line break inside a part becomes ` / `. If the result
    is longer than `longest`, the longest parts are shortened, the click id only if it does not fit alone.
    """
    *others, click_id = (_part(getattr(trading, name)) for name in SOURCE_PARTS)
    room = longest - len(SEPARATOR) * len(others)
    if room <= 0 or not any((*others, click_id)):
        return ""
    click_id = click_id[:room].strip()
    limit = _max_part_length(others, room - len(click_id))
    return SEPARATOR.join([*(part[:limit].strip() for part in others), click_id])


def _part(value: str | None) -> str:
    return f" {SEPARATOR_REPLACEMENT} ".join(
        filter(None, map(str.strip, (value or "").replace(SEPARATOR, "\n").splitlines()))
    )


def _max_part_length(parts: list[str], room: int) -> int:
    """Return the length to which each part must be shortened so that all parts fit."""
    for number, part in enumerate(shortest_first := sorted(parts, key=len)):
        share = room // (len(shortest_first) - number)
        if len(part) > share:
            return share
        room -= len(part)
    return max(map(len, parts))


def _name_and_surname(person: Person) -> tuple[str, str]:
    """Return the given name and the surname: as the form has them, else as the full name has them."""
    name, surname = person.first_name or "", person.last_name or ""
    if person.full_name and person.full_name != person.composed_name:
        found = split_full_name(person.full_name)
        name, surname = name or found.first, surname or found.last
    return name, surname
