"""Find a lead's ids and UTM tags in the fields of a form, and in the address of the form's page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from leadbridge.domain.acceptance.ids import IDS, SUB_IDS
from leadbridge.forms.parsing.percent import unquote_text

MAX_URL_LENGTH = 4_096  # characters of a page's address that are read
MAX_PARAMETERS = 100  # of such an address
MAX_NAME_LENGTH = 24  # characters of a name; no known one is longer
UTM_PREFIX = "utm_"

# Other names of ids, as trackers and form builders write them. Case, spaces, `_` and `-` do not matter.
SYNONYMS: Mapping[str, tuple[str, ...]] = {
    # Keitaro's click is its `subid`, Binom's `clickid` comes back as `cnv_id`
    "click_id": ("sub_id", "cnv_id", "uclick", "aff_click_id", "ef_transaction_id"),
    **{name: (f"sub_id_{name[3:]}", f"aff_{name}") for name in SUB_IDS[1:]},
    "sub1": ("sub_id_1", "aff_sub1", "aff_sub"),
    "campaign_id": ("ad_campaign_id",),
    "adgroup_id": ("adset_id",),
    "creative_id": ("ad_id",),
}


def _compact(name: str) -> str:
    return name.replace("_", "").replace("-", "").replace(" ", "")


_OWN_NAMES = {_compact(name): name for name in IDS}
_NAMES = {_compact(other): name for name, others in SYNONYMS.items() for other in others} | _OWN_NAMES


def id_named(folded: str) -> str | None:
    """Return the id that a field with this folded name fills; None if it is no id."""
    return _NAMES.get(_compact(folded)) if len(folded) <= MAX_NAME_LENGTH else None


def has_ids(folded: Iterable[str]) -> bool:
    """Return whether any of these folded names is one of an id. It is much faster than to try each name."""
    return not _NAMES.keys().isdisjoint(_compact("\n".join(folded)).split("\n"))


def find_ids(answers: Mapping[str, str]) -> dict[str, str]:
    """Return the ids in a form's fields, by their folded names. An id's own name precedes its other names."""
    found: dict[str, str] = {}
    for label, answer in answers.items():
        if (name := id_named(label)) is not None and (name not in found or _compact(label) in _OWN_NAMES):
            found[name] = answer
    return found


def add_from_page(sections: dict[str, Any]) -> None:
    """Add ids and UTM tags of the address of the form's page, unless the form has them itself."""
    consent = sections.get("consent")
    url = consent.get("page_url") if isinstance(consent, dict) else None
    if not isinstance(url, str) or "?" not in url:
        return
    parameters = _parameters(url)
    tags = {name: value for name, value in parameters.items() if name.startswith(UTM_PREFIX)}
    for section, found in (("utm", tags), ("ids", find_ids(parameters))):
        given = sections.get(section) or {}
        if found and isinstance(given, dict):
            sections[section] = {**given, **{name: found[name] for name in found if not given.get(name)}}


def _parameters(url: str) -> dict[str, str]:
    """Return the query's parameters by their names in lower case. The first one of a name counts."""
    query = url[: MAX_URL_LENGTH + 1].partition("?")[2].partition("#")[0]
    pairs = query.split("&", MAX_PARAMETERS)[:MAX_PARAMETERS]
    if len(url) > MAX_URL_LENGTH:
        pairs = pairs[:-1]  # the last one may be cut
    found: dict[str, str] = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        if value:
            found.setdefault(unquote_text(name).lower(), unquote_text(value.replace("+", " ")))
    return found
