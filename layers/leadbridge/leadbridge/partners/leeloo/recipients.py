"""Match a lead to a person at Leeloo, and choose the person's account."""

from __future__ import annotations

from leadbridge.partners.leeloo.models import AccountId, LeelooPerson


def account_of(person: LeelooPerson, preferred: str | None = None) -> AccountId | None:
    """Return the first account of the preferred connection type (`TELEGRAM`), else the first account, else None."""
    of_preferred_type = (
        account
        for account in person.accounts
        if preferred and (account.connection_type or "").casefold() == preferred.casefold()
    )
    chosen = next(of_preferred_type, next(iter(person.accounts), None))
    return None if chosen is None else chosen.account_id


def has_phone(person: LeelooPerson, phone: str) -> bool:
    """Return whether the person has this phone number (E.164).

    The whole number must be equal. A number in a Ukrainian national form (`0…`, `80…`) is read as Ukrainian. Nine
    equal digits are not enough: +380 50 123 45 67 and +48 501 234 567 share them.
    """
    return bool(phone) and _full_number(person.phone or "") == _digits(phone)


def has_email(person: LeelooPerson, email: str) -> bool:
    """Return whether the person has this e-mail address, ignoring case."""
    return bool(email) and (person.email or "").strip().casefold() == email.strip().casefold()


def _digits(phone: str) -> str:
    return "".join(character for character in phone if character.isdecimal())


def _full_number(phone: str) -> str | None:
    """Return the digits of a number with its country code; None if there are none."""
    digits = _digits(phone)
    if not phone.strip().startswith("+"):
        if len(digits) == 10 and digits.startswith("0"):
            return f"38{digits}"
        if len(digits) == 11 and digits.startswith("80"):
            return f"3{digits}"
    return digits or None
