"""What an operator types into the one search box: a phone, an e-mail, an id or a name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress

from leadbridge.api.params import PATH_PARAMETERS
from leadbridge.api.problems import Problem
from leadbridge.domain import fields
from leadbridge.domain.errors.field_codes import InvalidValue
from leadbridge.domain.fields.hashes import short_hash
from leadbridge.domain.fields.reading import DEFAULT_PHONE_COUNTRY, Reading, ReadingRules, reading_rules
from leadbridge.domain.fields.surnames import possible_surnames
from leadbridge.domain.fields.unicode_text import clean
from leadbridge.partners.registry import kind_named
from leadbridge.settings import settings
from leadbridge.storage import items
from leadbridge.storage.queries.lead_filter import Search

MAX_SEARCH = 255  # characters
MIN_DIGITS = 7  # of a phone; fewer are the number of a deal
_NUMBER_SIGN = re.compile(r"[#№]\s*")


def read_search(text: str, hashed: Callable[[str], str]) -> Search:
    """Return what a text searches. Raises the problem `invalid-search` if it can be nothing that leads are found by."""
    text = clean(text)
    if re.fullmatch(PATH_PARAMETERS["lead_id"].pattern, text):
        return Search(lead_id=text)
    if "@" in text:
        hashes = [(items.EMAIL, hashed(address.casefold())) for address in _email(text)]
        return _found(Search(hashes=tuple(hashes)))
    if any(map(str.isdigit, text)):
        hashes = [(items.PHONE, hashed(number)) for number in _phones(text)]
        return _found(Search(ids=tuple(_ids(_NUMBER_SIGN.sub("", text, count=1))), hashes=tuple(hashes)))
    surnames = possible_surnames(text)
    return _found(
        Search(
            hashes=tuple((items.NAME, short_hash(hashed(one))) for one in surnames), words=text if " " in text else None
        )
    )


def search_phone(number: str, hashed: Callable[[str], str]) -> Search:
    """Return the search for a phone in E.164."""
    return Search(hashes=((items.PHONE, hashed(number)),))


def invalid_search() -> Problem:
    """Return the problem for a text that can be nothing that leads are found by."""
    what = "a phone, an e-mail, a lead id, a deal number, an account id, or a name of at most four words"
    return Problem(400, "invalid-search", "Nothing to search", f"Leads are found by {what}.")


def _found(search: Search) -> Search:
    if not (search.ids or search.hashes):
        raise invalid_search()
    return search


def _email(text: str) -> Iterator[str]:
    with suppress(InvalidValue):
        if address := fields.email(text):
            yield address


def _phones(text: str) -> Iterator[str]:
    """Yield the phones that a text can be: one without its country's code may be of several countries."""
    if sum(map(str.isdigit, text)) < MIN_DIGITS:
        return
    configured = settings()
    rules = {reading_rules(source, configured.partners) for source in configured.sources.values()}
    found = set()
    for country in sorted({DEFAULT_PHONE_COUNTRY, *(one.phone_country for one in rules)}):
        with suppress(InvalidValue):
            found.add(fields.phone(text, Reading(ReadingRules(phone_country=country))))
    if not found:
        with suppress(InvalidValue):
            found.add(fields.phone_with_country(text))
    yield from sorted(number for number in found if number)


def _ids(text: str) -> Iterator[tuple[str, int | str]]:
    """Yield the partners whose ids look like this, with the id."""
    for name, partner in settings().partners.items():
        form = kind_named(partner.kind).id
        if re.fullmatch(form.pattern, text):
            yield name, int(text) if form.type == "integer" else text
