"""Leads as CSV: the columns of an export, one line per delivery, without formulas.

The console and the command write these lines to their files, so both have the same columns and the same masking.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from leadbridge.api.schemas import delivery_view, lead_view
from leadbridge.domain.acceptance.ids import IDS
from leadbridge.domain.clock import from_text
from leadbridge.domain.lead import field_paths
from leadbridge.storage.leads import Journey

UTM_TAGS = tuple(f"utm_{name}" for name in ("source", "medium", "campaign", "term", "content", "id"))
OTHER_TAGS = "utm_other"  # all further tags as one query string: their names differ from lead to lead
LEAD_COLUMNS = ("lead_id", "source", "received_at", "status", "campaign", "erased_at")
DELIVERY_COLUMNS = (
    *("state", "deal_id", "account_uuid", "partner_status", "outcome", "attempts", "submitted_at"),
    *("last_error_code", "last_error"),
)
TIMES = frozenset({"received_at", "erased_at", "submitted_at"})
AMOUNT = "loan.amount"
STARTS_FORMULA = re.compile(r"\s*[=+\-@|%\uff1d\uff0b\uff0d\uff20]")
CHANGED_BY_EXCEL = re.compile(r"0[0-9]+|[0-9]{16,}")  # it drops leading zeros, and digits after the fifteenth


class Separator(StrEnum):
    """What separates the columns. Excel needs semicolons if its language writes decimals with a comma."""

    COMMA = "comma"
    SEMICOLON = "semicolon"


@dataclass(frozen=True)
class LeadCsv:
    """The format of an export.

    `counted` are the values by which sources count campaigns (`count_by`); the tags among them are columns, too. Times
    are RFC 3339 in UTC, with `zone` local times that spreadsheets read. With semicolons, amounts have a decimal comma,
    and numbers that a spreadsheet would change are texts.
    """

    counted: tuple[str, ...] = ()
    separator: Separator = Separator.COMMA
    zone: str | None = None
    masked: bool = True

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """The UTM tags that have columns of their own."""
        counted = (path.removeprefix("utm.") for path in self.counted if path.startswith("utm."))
        return tuple(dict.fromkeys((*UTM_TAGS, *counted)))

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns."""
        ids = (f"ids.{name}" for name in IDS)
        return (*LEAD_COLUMNS, *field_paths(), *self.tags, OTHER_TAGS, *ids, "partner", *DELIVERY_COLUMNS)

    def header(self) -> str:
        """Return the line with the columns' names. Those of local times contain the zone."""
        return self._text([[f"{name} ({self.zone})" if self.zone and name in TIMES else name for name in self.columns]])

    def lines(self, journey: Journey) -> str:
        """Return the lines of a lead: one per delivery, or one line if it has none."""
        return self._text([self._cell(name, row.get(name)) for name in self.columns] for row in self._rows(journey))

    def _rows(self, journey: Journey) -> Iterator[dict[str, Any]]:
        view = lead_view(journey, masked=self.masked)
        values: dict[str, Any] = {**view, "campaign": journey.lead.campaign or None}
        for name in ("person", "loan", "trading", "ids"):
            values |= {f"{name}.{field}": value for field, value in view[name].items()}
        values |= {name: value for name, value in view["utm"].items() if name in self.tags}
        values[OTHER_TAGS] = "&".join(f"{name}={value}" for name, value in view["utm"].items() if name not in self.tags)
        if not journey.deliveries:
            yield values
        for partner, delivery in journey.deliveries.items():
            yield {**values, "partner": partner, **delivery_view(delivery)}

    def _cell(self, name: str, value: Any) -> str:
        if value is None:
            return ""
        if name in TIMES:
            return self._time(value)
        text = "".join(character if character.isprintable() else " " for character in str(value))
        if self.separator is Separator.SEMICOLON:
            text = text.replace(".", ",") if name == AMOUNT else text
            if CHANGED_BY_EXCEL.fullmatch(text):
                return f"'{text}"
        return f"'{text}" if STARTS_FORMULA.match(text) else text

    def _time(self, text: str) -> str:
        if self.zone is None:
            return text
        return from_text(text).astimezone(ZoneInfo(self.zone)).strftime("%Y-%m-%d %H:%M:%S")

    def _text(self, rows: Iterable[list[str]]) -> str:
        lines = io.StringIO()
        delimiter = ";" if self.separator is Separator.SEMICOLON else ","
        csv.writer(lines, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(rows)
        return lines.getvalue()
