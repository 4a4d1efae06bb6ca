"""The campaigns of a day and a source that are counted by name.

pk         sk                     item
CAMPAIGNS  {2026-11-02}#{source}  the names of the campaigns; a campaign's number is its place

The counters have the numbers instead of the names, which keeps them small. A name is added before its first lead is
counted, and never removed. A form can send any name, so that only the first `MAX_CAMPAIGNS` get a number.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from leadbridge.domain.statistics.contribution import MAX_CAMPAIGNS, OTHER
from leadbridge.domain.transitions import Conflict
from leadbridge.runtime.aws_errors import Contended
from leadbridge.storage.items import Item
from leadbridge.storage.table import Table
from leadbridge.storage.writes import put

PARTITION = "CAMPAIGNS"
MAX_TRIES = 10  # to add names while other workers add theirs
MAX_REMEMBERED = 500  # days and sources of which a worker remembers the names

type DayAndSource = tuple[str, str]


class CampaignNumbers:
    """Gives campaigns their numbers."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._remembered: dict[DayAndSource, list[str]] = {}

    def numbers(self, wanted: Mapping[DayAndSource, Collection[str]]) -> dict[tuple[str, str, str], int]:
        """Return the numbers of campaigns by day, source and name. Raises Contended, and botocore's errors."""
        found: dict[tuple[str, str, str], int] = {}
        for (day, source), names in wanted.items():
            known = {name: number for number, name in enumerate(self._names(day, source, sorted(names)))}
            found |= {(day, source, name): known.get(name, OTHER) for name in names}
        return found

    def _names(self, day: str, source: str, wanted: list[str]) -> list[str]:
        """Return the names of a day and a source, with the wanted ones if there is room for them."""
        names = self._remembered.get((day, source), [])
        for _ in range(MAX_TRIES):
            if len(names) >= MAX_CAMPAIGNS or set(wanted) <= set(names):
                return names
            stored = self._table.get(names_key(day, source))
            names = names_of(stored) if stored is not None else []
            new = [name for name in wanted if name not in names][: MAX_CAMPAIGNS - len(names)]
            try:
                if new:
                    self._add(day, source, names, new)
            except Conflict:
                names = []
                continue
            names = names + new
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[day, source] = names
        raise Contended

    def _add(self, day: str, source: str, names: list[str], new: list[str]) -> None:
        item: Item = {**names_key(day, source), "names": names + new, "version": len(names) + len(new)}
        if names:
            self._table.write(put(item, version=len(names), ttl=False))
        else:
            self._table.write(put(item, "attribute_not_exists(pk)", ttl=False))


def names_key(day: str, source: str) -> dict[str, str]:
    """The key of the names of a day and a source."""
    return {"pk": PARTITION, "sk": f"{day}#{source}"}


def names_of(values: Item) -> list[str]:
    """The names that a decoded item holds, by number."""
    return [str(name) for name in values["names"]]


def names_by_cell(every: Iterable[Item]) -> dict[DayAndSource, list[str]]:
    """The names that decoded items hold, by day and source."""
    found: dict[DayAndSource, list[str]] = {}
    for values in every:
        day, _, source = str(values["sk"]).partition("#")
        found[day, source] = names_of(values)
    return found
