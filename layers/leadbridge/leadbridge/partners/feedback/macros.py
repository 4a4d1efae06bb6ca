"""The macros of a tracker's address, such as `{click_id}`.

Personal data is no macro: a tracker learns about clicks, not about people. A tag or an id may contain a phone, because
forms choose the tags and a lead may be corrected. The values are checked when a postback is sent. A macro may stand in
the path and in the query. Its value is percent-encoded, so it cannot become a part of the address's structure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from leadbridge.domain.acceptance.ids import IDS, is_personal, own_values
from leadbridge.domain.feedback.errors import ClickIdMissing
from leadbridge.partners.public_http import MAX_URL

if TYPE_CHECKING:
    from leadbridge.domain.feedback.postback import Postback
    from leadbridge.domain.lead import Lead

CLICK_ID = "click_id"
ABOUT = ("status", "payout", "lead_id", "event_id", "source", "partner", "outcome")  # about the event
MACRO = re.compile(r"\{([^{}]*)\}")
UTM = re.compile(r"utm_[a-z0-9_]{1,40}")
ALLOWED = f"{', '.join((*ABOUT, *IDS))}, and any utm_ tag"
_DOTS = frozenset({".", ".."})  # as a part of a path they would change its structure


class UrlTooLong(Exception):
    """An address is too long with the values of a lead."""


class MacroInvalid(ValueError):
    """An address has a macro that is not allowed, or one at a wrong place."""


def check_macros(template: str) -> None:
    """Check the macros of an address. Raises MacroInvalid, which lists the allowed ones."""
    for name in MACRO.findall(template):
        if name not in {*ABOUT, *IDS} and not UTM.fullmatch(name):
            raise MacroInvalid(f"there is no macro {{{name[:40]}}}; allowed are {ALLOWED}. Personal data is not sent")
    if "{" in MACRO.sub("", template) or "}" in MACRO.sub("", template):
        raise MacroInvalid("it has a { or } that belongs to no macro")
    scheme, _, rest = template.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if MACRO.search(scheme) or MACRO.search(authority):
        raise MacroInvalid("macros are allowed in the path and the query only, not in the host or the port")


def without_macros(template: str) -> str:
    """Return an address with a letter for each macro, to check its form."""
    return MACRO.sub("x", template)


def ids_of(lead: Lead) -> dict[str, str]:
    """Return the ids of a lead that a tracker may get: those without personal data."""
    own = own_values(lead.person)
    return {name: value for name, value in lead.ids.items() if not is_personal(name, value, own)}


def utm_of(lead: Lead) -> dict[str, str]:
    """Return the tags of a lead that a tracker may get: those with a usual name and without personal data."""
    own = own_values(lead.person)
    return {
        name: value for name, value in lead.utm.items() if UTM.fullmatch(name) and not is_personal(name, value, own)
    }


def values_of(postback: Postback, lead: Lead) -> dict[str, str]:
    """Return the values of all macros that have one."""
    found: dict[str, str | None] = {
        **utm_of(lead),
        **ids_of(lead),
        "status": postback.status,
        "payout": postback.payout,
        "lead_id": postback.lead_id,
        "event_id": postback.event_id,
        "source": postback.source,
        "partner": postback.partner,
        "outcome": postback.event,
    }
    return {name: value for name, value in found.items() if value}


def fill(template: str, values: Mapping[str, str]) -> str:
    """Return an address with percent-encoded values; a macro without a value becomes empty.

    Raises ClickIdMissing if the address needs a click id and there is none, UrlTooLong.
    """
    path, mark, query = template.partition("?")

    def encoded(found: re.Match[str]) -> str:
        name = found[1]
        value = values.get(name, "")
        if name == CLICK_ID and not value:
            raise ClickIdMissing
        return quote(value, safe="")

    def part(template: str) -> str:
        filled = MACRO.sub(encoded, template)
        return "_" if filled != template and unquote(filled) in _DOTS else filled

    filled = "/".join(map(part, path.split("/"))) + mark + MACRO.sub(encoded, query)
    if len(filled) > MAX_URL:
        raise UrlTooLong
    return filled
