"""Which lead fields a source's form fills, and which fields of the form nothing uses: names and days, no answers.

pk           sk        item
FORM_FIELDS  {source}  `s|person.phone` and `u|comment` with the last day on which a lead had them

`update_stats` learns them from new leads and writes the item when there is something new for the day, so a source costs
a few writes a day, however many leads it has. Anyone can send a form's post with any names. So lead fields are from a
closed list, there are at most `MAX_UNUSED` others, and the reception has made these safe to show.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from leadbridge.domain.errors.field_codes import FieldCode
from leadbridge.domain.statistics.contribution import SEPARATOR, is_counted_source
from leadbridge.domain.transitions import Conflict
from leadbridge.storage.attributes import deserialize
from leadbridge.storage.items import Item
from leadbridge.storage.table import Query, Table
from leadbridge.storage.writes import put

PARTITION = "FORM_FIELDS"
MAX_UNUSED = 30  # unused fields of a source; the oldest ones are replaced on a later day
MAX_TRIES = 5  # to add names while other workers add theirs
MAX_SOURCES = 1_000  # that are read; the configuration has fewer
SECTIONS = ("person", "loan", "trading", "consent", "ids")  # of a lead's item; their names are closed lists
TAGS = frozenset({"utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "utm_id"})
SEEN, UNUSED = f"s{SEPARATOR}", f"u{SEPARATOR}"


@dataclass(frozen=True)
class FormFields:
    """The names of a source, with the last day of each. `seen` are paths of lead fields."""

    seen: Mapping[str, str] = field(default_factory=dict)
    unused: Mapping[str, str] = field(default_factory=dict)


class FormFieldBook:
    """Remembers and reads which fields arrive."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._known: dict[str, FormFields] = {}  # what is stored, as far as this worker knows

    def learn(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Store what the stream's records of new leads show. Raises Contended, and botocore's errors."""
        found: dict[str, FormFields] = {}
        for record in records:
            if (one := _source_and_fields(record)) is not None:
                source, new = one
                found[source] = _merged(found.get(source, FormFields()), new)
        for source, new in found.items():
            known = self._known.get(source, FormFields())
            if _merged(known, new) == known:
                continue
            for _ in range(MAX_TRIES):
                with suppress(Conflict):
                    self._store(source, new)
                    break

    def all(self) -> dict[str, FormFields]:
        """Return the fields of all sources. Raises Contended, and botocore's errors."""
        query = Query("pk = :pk", {":pk": PARTITION})
        return {str(values["sk"]): _fields_of(values) for values in self._table.query(query, limit=MAX_SOURCES)}

    def _store(self, source: str, new: FormFields) -> None:
        """Add to the stored item. Raises Conflict if another worker has written it meanwhile."""
        stored = self._table.get(fields_key(source))
        before = FormFields() if stored is None else _fields_of(stored)
        after = _merged(before, new)
        if after != before:
            version = 0 if stored is None else int(stored["version"])
            item = _item(source, after, version + 1)
            if version:
                self._table.write(put(item, version=version))
            else:
                self._table.write(put(item, "attribute_not_exists(pk)"))
        self._known[source] = after


def fields_key(source: str) -> dict[str, str]:
    """The key of the fields of a source."""
    return {"pk": PARTITION, "sk": source}


def _source_and_fields(record: Mapping[str, Any]) -> tuple[str, FormFields] | None:
    """Return the source of a new or fetched lead, and its fields; None for any other change, and for a malformed one.

    Only the names of the fields are decoded.
    """
    images = record.get("dynamodb", {})
    image, former = images.get("NewImage", {}), images.get("OldImage")
    is_new = former is None or ("awaits_fetch" in former and "awaits_fetch" not in image)
    try:
        if image["sk"]["S"] != "LEAD" or not is_new or "awaits_fetch" in image or "erased_at" in image:
            return None
        source, day = image["source"]["S"], (image.get("day") or image["received_at"])["S"][:10]
        if not is_counted_source(source):
            return None
        seen = {f"{section}.{name}": day for section in SECTIONS for name in image.get(section, {}).get("M", {})}
        seen |= {f"utm.{name}": day for name in TAGS & image.get("utm", {}).get("M", {}).keys()}
        # A value that could not be read has arrived, too.
        for kind in ("problems", "warnings"):
            for name, code, *_ in deserialize(image[kind]) if kind in image else ():
                if code != FieldCode.REQUIRED.value and name.partition(".")[0] in SECTIONS:
                    seen[name] = day
        return source, FormFields(seen, dict.fromkeys(deserialize(image.get("unused", {"L": []})), day))
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError):
        return None  # it is reported where it is counted


def _fields_of(values: Item) -> FormFields:
    every = [(str(name), str(day)) for name, day in values.items()]
    return FormFields(
        {name.removeprefix(SEEN): day for name, day in every if name.startswith(SEEN)},
        {name.removeprefix(UNUSED): day for name, day in every if name.startswith(UNUSED)},
    )


def _item(source: str, fields: FormFields, version: int) -> Item:
    return {
        **fields_key(source),
        "version": version,
        **{f"{SEEN}{name}": day for name, day in fields.seen.items()},
        **{f"{UNUSED}{name}": day for name, day in fields.unused.items()},
    }


def _merged(first: FormFields, second: FormFields) -> FormFields:
    """Return the names of both with their last days. Of too many unused fields those with the latest days stay.

    Of one day the first ones stay, so that a flood of names does not replace them.
    """
    unused = sorted(_latest(first.unused, second.unused).items(), key=lambda one: one[1], reverse=True)
    return FormFields(_latest(first.seen, second.seen), dict(unused[:MAX_UNUSED]))


def _latest(first: Mapping[str, str], second: Mapping[str, str]) -> dict[str, str]:
    return {**first, **{name: max(day, first.get(name, "")) for name, day in second.items()}}
