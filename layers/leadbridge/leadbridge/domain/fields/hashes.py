"""Keyed hashes of a person's phone, e-mail and tax number, by which the table finds leads."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from leadbridge.domain.lead import Lead


def keyed_hash(key: str, value: str) -> str:
    """Return what the indexes hold for a phone or an e-mail: HMAC-SHA256, hexadecimal, with a key of this stack."""
    return hmac.new(key.encode(), value.encode(), hashlib.sha256).hexdigest()


class Hashes(TypedDict):
    """The keyed hashes that find a lead, and the earlier leads of its person; None where the lead has no such field."""

    phone_hash: str | None
    email_hash: str | None
    tax_hash: str | None


def hashes_of(lead: Lead, hashed: Callable[[str], str]) -> Hashes:
    """The keyed hashes of a lead's person."""
    phone, email, number = lead.person.phone, lead.person.email, lead.person.tax_number
    return {
        "phone_hash": None if phone is None else hashed(phone),
        "email_hash": None if email is None else hashed(email.casefold()),
        "tax_hash": None if number is None else hashed(number),
    }
