"""Whom to write to: the person with a lead's phone or e-mail, and which of that person's accounts."""

from __future__ import annotations

from leadbridge.partners.leeloo.ids import AccountId
from leadbridge.partners.leeloo.models.people import Person


def account_of(person: Person, preferred: str | None = None) -> AccountId | None:
    """The person's first account of the preferred connection type (`TELEGRAM`), else the first, else None."""
    of_that_type = (
        account
        for account in person.accounts
        if preferred and (account.connection_type or "").casefold() == preferred.casefold()
    )
    chosen = next(of_that_type, next(iter(person.accounts), None))
    return None if chosen is None else chosen.account_id


def has_phone(person: Person, phone: str) -> bool:
    """Whether it is this person's number (E.164), also where it is spelt there without Ukraine's code."""
    theirs, ours = _digits(person.phone or ""), _digits(phone)
    if not theirs or not ours:
        return False
    as_ukrainians_do = theirs.removeprefix("8").removeprefix("0")
    return theirs == ours or (ours.startswith("380") and as_ukrainians_do == ours[3:])


def has_email(person: Person, email: str) -> bool:
    """Whether it is this person's address."""
    return bool(email) and (person.email or "").strip().casefold() == email.strip().casefold()


def _digits(phone: str) -> str:
    return "".join(character for character in phone if character.isdecimal())
