"""Whom to write to: the person with a lead's phone or e-mail, and which of that person's accounts."""

from __future__ import annotations

from leadbridge.partners.leeloo.ids import AccountId
from leadbridge.partners.leeloo.models.people import Person

_SUBSCRIBER_DIGITS = 9  # what is left of a phone without its country


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
    """Whether it is this person's number, however it is spelt there."""
    wanted = _digits(phone)[-_SUBSCRIBER_DIGITS:]
    return bool(wanted) and _digits(person.phone or "").endswith(wanted)


def has_email(person: Person, email: str) -> bool:
    """Whether it is this person's address."""
    return bool(email) and (person.email or "").strip().casefold() == email.strip().casefold()


def _digits(phone: str) -> str:
    return "".join(character for character in phone if character.isdecimal())
