"""Keyed hashes of a person's phone, e-mail, tax number and surname for the table's indexes."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import TYPE_CHECKING, TypedDict

from leadbridge.domain.fields.surnames import name_key, surname_of

if TYPE_CHECKING:
    from leadbridge.domain.lead import Lead


def keyed_hash(key: str, value: str) -> str:
    """Return the HMAC-SHA256 of a value in hexadecimal, with a key of this stack."""
    return hmac.digest(key.encode(), value.encode(), "sha256").hex()


def short_hash(digest: str) -> str:
    """Return 80 bits of a keyed hash: enough to find by, and few enough to keep an item small."""
    return digest[:20]


class Hashes(TypedDict):
    """The keyed hashes of a lead's person; None if the lead has no such field."""

    phone_hash: str | None
    email_hash: str | None
    tax_hash: str | None
    name_hash: str | None


def hashes_of(lead: Lead, hashed: Callable[[str], str]) -> Hashes:
    """Return the keyed hashes of a lead's person."""
    phone, email, number = lead.person.phone, lead.person.email, lead.person.tax_number
    surname = name_key(surname_of(lead.person.full_name, lead.person.last_name))
    return {
        "phone_hash": None if phone is None else hashed(phone),
        "email_hash": None if email is None else hashed(email.casefold()),
        "tax_hash": None if number is None else hashed(number),
        "name_hash": short_hash(hashed(surname)) if surname else None,
    }
