"""Whom to write to: the person with a lead's phone or e-mail, and which of that person's accounts."""

from __future__ import annotations

from leadbridge.partners.leeloo.models.ids import AccountId
from leadbridge.partners.leeloo.models.people import LeelooPerson


def account_of(person: LeelooPerson, preferred: str | None = None) -> AccountId | None:
    """The person's first account of the preferred connection type (`TELEGRAM`), else the first, else None."""
    of_that_type = (
        account
        for account in person.accounts
        if preferred and (account.connection_type or "").casefold() == preferred.casefold()
    )
    chosen = next(of_that_type, next(iter(person.accounts), None))
    return None if chosen is None else chosen.account_id


def has_phone(person: LeelooPerson, phone: str) -> bool:
    """Whether it is this person's number (E.164).

    The whole number must be the same. A number in a Ukrainian national form (`0…`, `80…`) is read as Ukrainian. Nine
    digits alone prove nothing: +380 50 123 45 67 and +48 501 234 567 have the same.
    """
    return bool(phone) and _whole_number(person.phone or "") == _digits(phone)


def has_email(person: LeelooPerson, email: str) -> bool:
    """Whether it is this person's address."""
    return bool(email) and (person.email or "").strip().casefold() == email.strip().casefold()


def _digits(phone: str) -> str:
    return "".join(character for character in phone if character.isdecimal())


def _whole_number(phone: str) -> str | None:
    """Return the digits of a number with its country code; None if there are none."""
    digits = _digits(phone)
    if not phone.strip().startswith("+"):
        if len(digits) == 10 and digits.startswith("0"):
            return f"38{digits}"
        if len(digits) == 11 and digits.startswith("80"):
            return f"3{digits}"
    return digits or None
