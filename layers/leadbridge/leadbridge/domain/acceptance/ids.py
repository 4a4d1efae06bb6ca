"""The ids of a lead at trackers and advertising networks.

An id is sent to other systems in postbacks, so it never is or contains a person's phone, e-mail or tax number. A value
that cannot be used is left out with a warning; a lead is never refused because of one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationInfo

from leadbridge.domain.errors.field_codes import FieldCode, FieldError, InvalidValue
from leadbridge.domain.fields import truncate_text

if TYPE_CHECKING:
    from leadbridge.domain.lead import Person

CLICK_ID = "click_id"
CLICK_IDS = (CLICK_ID, "gclid", "gbraid", "wbraid", "fbclid", "fbc", "fbp", "ttclid", "msclkid")
SUB_IDS = tuple(f"sub{number}" for number in range(1, 11))
NETWORK_IDS = ("leadgen_id", "campaign_id", "adgroup_id", "creative_id")  # numbers of an advertising network
IDS = (*CLICK_IDS, *SUB_IDS, *NETWORK_IDS)
VISIT_IDS = frozenset({*CLICK_IDS, "leadgen_id"})  # each identifies one visit or one person at another system
MAX_ID_LENGTH = 512  # characters; a shortened id would be another one, so a longer one is left out
MAX_IDS_BYTES = 4_096  # of all ids of a lead
OWN_PHONE_DIGITS = 9  # last digits by which a phone is found in an id

# Patterns are compiled when a lead has ids, and not when a function starts.
_PLACEHOLDER = r"(?is)\{.*\}|null|undefined"  # a macro that was not replaced
_EMAIL = r"[^\s@]@[^\s@]+\.[^\s@.]"
_PHONE = r"(?:\+|%2[bB])[0-9]{9}"
_UKRAINIAN_PHONE = r"(?:(?:00)?38)?0[0-9]{9}"  # the whole id
_SEPARATORS = str.maketrans("", "", " ()-.")


def read_ids(value: object, info: ValidationInfo) -> dict[str, str]:
    """Parse the section `ids`. Unknown names are ignored. Without a click id it is that of the section `trading`.

    Raises InvalidValue if the section is no object.
    """
    if value is not None and not isinstance(value, dict):
        raise InvalidValue(FieldCode.NOT_AN_OBJECT, "must be an object of texts")
    trading = info.data.get("trading")
    click_id = None if trading is None else trading.click_id
    if not value and click_id is None:
        return {}
    given: dict[Any, Any] = dict(value or {})
    if click_id is not None and not given.get(CLICK_ID):
        given[CLICK_ID] = click_id
    own = own_values(info.data.get("person"))
    found: dict[str, str] = {}
    room = MAX_IDS_BYTES
    for name in filter(given.get, IDS):
        text = truncate_text(given[name], MAX_ID_LENGTH + 1)
        if text is None or re.fullmatch(_PLACEHOLDER, text):
            continue
        fault = _fault(name, text, room, own)
        if fault is None:
            found[name] = text
            room -= len(text.encode())
        elif info.context is not None:
            info.context.warnings.append(fault)
    return found


def replace_click_id(
    ids: Mapping[str, str], click_id: str | None, person: Person
) -> tuple[dict[str, str], FieldError | None]:
    """Return a lead's ids with another click id, and why it was left out if it was."""
    others = {name: value for name, value in ids.items() if name != CLICK_ID}
    text = truncate_text(click_id, MAX_ID_LENGTH + 1)
    if text is None or re.fullmatch(_PLACEHOLDER, text):
        return others, None
    room = MAX_IDS_BYTES - sum(len(value.encode()) for value in others.values())
    fault = _fault(CLICK_ID, text, room, own_values(person))
    return others if fault else {CLICK_ID: text, **others}, fault


def own_values(person: Person | None) -> tuple[str, ...]:
    """Return the digits by which an id is known to contain this person's phone or tax number."""
    if person is None:
        return ()
    return tuple(filter(None, ((person.phone or "")[-OWN_PHONE_DIGITS:], person.tax_number)))


def is_personal(name: str, text: str, own: tuple[str, ...]) -> bool:
    """Return whether a value is or contains a phone, an e-mail address, or one of a person's `own` values."""
    compact = text.translate(_SEPARATORS)
    return (
        re.search(_EMAIL, text.replace("%40", "@")) is not None
        or re.search(_PHONE, compact) is not None
        or any(value in compact for value in own)
        or (name not in NETWORK_IDS and re.fullmatch(_UKRAINIAN_PHONE, compact) is not None)
    )


def _fault(name: str, text: str, room: int, own: tuple[str, ...]) -> FieldError | None:
    """Return why an id cannot be used, if so. `room` is the number of bytes that all ids may still have."""
    if len(text) > MAX_ID_LENGTH or len(text.encode()) > room:
        message = "was left out: the id, or all ids together, are too long"
        return FieldError(f"ids.{name}", FieldCode.TOO_LONG, message)
    return FieldError(f"ids.{name}", FieldCode.PERSONAL_DATA) if is_personal(name, text, own) else None
