"""Leads as CSV: one line per delivery, no formulas. The file is written completely or not at all."""

import csv
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TextIO

from leadbridge_cli.exit_codes import Code, Failure, usage_error
from leadbridge_cli.output import Output, line
from leadbridge_cli.paging import Page
from leadbridge_cli.sanitize import for_spreadsheet, masked

DELIVERY_FIELDS = (
    *("state", "deal_id", "account_uuid", "partner_status", "outcome", "attempts", "submitted_at"),
    *("last_error_code", "last_error"),
)
LEAD_FIELDS = ("lead_id", "source", "received_at", "status")


def export_to(output: Output, file: Path, pages: Iterable[Page], *, overwrite: bool, reveal: bool) -> None:
    """Write all pages. Raises Failure if the file exists."""
    to_stdout = str(file) == "-"
    if to_stdout and output.as_json:
        raise usage_error("stdout cannot hold both CSV and JSON. Give a file name, or omit --json.")
    number = 0
    with (
        output.progress("leads") as advance,
        _stdout() if to_stdout else _temporary_file(file, overwrite=overwrite) as lines,
    ):
        writer = csv.writer(lines, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
        fields = [name for names in sections().values() for name in names]
        ids = [f"ids.{name}" for name in id_names()]
        writer.writerow([*LEAD_FIELDS, *fields, "utm", *ids, "partner", *DELIVERY_FIELDS])
        for page in pages:
            for lead in page.leads if reveal else masked(page.leads):
                writer.writerows([*map(for_spreadsheet, row)] for row in rows_of(lead))
            number += len(page.leads)
            advance(len(page.leads))
    if not to_stdout:
        output.answer({"file": str(file), "leads": number}, lambda: [line(f"{number} leads written to {file}.")])


def rows_of(lead: dict[str, Any]) -> Iterator[list[object]]:
    """Return the lead's lines: one per delivery, or one line if it has no delivery."""
    read = [(lead.get(name) or {}, names) for name, names in sections().items()]
    utm = "&".join(f"{name}={value}" for name, value in (lead.get("utm") or {}).items())
    lead_values = [lead.get(name) for name in LEAD_FIELDS]
    lead_values += [section.get(name) for section, names in read for name in names]
    lead_values += [utm, *((lead.get("ids") or {}).get(name) for name in id_names())]
    for partner, delivery in (lead.get("deliveries") or {"": {}}).items():
        yield [*lead_values, partner, *(delivery.get(name) for name in DELIVERY_FIELDS)]


@cache
def sections() -> dict[str, tuple[str, ...]]:
    """Return the fields of a lead by section, as the domain lists them."""
    from leadbridge.domain.lead import field_paths

    found: dict[str, tuple[str, ...]] = {}
    for path in field_paths():
        section, _, name = path.partition(".")
        found[section] = (*found.get(section, ()), name)
    return found


def id_names() -> tuple[str, ...]:
    """Return the names of a lead's ids, as the domain lists them."""
    from leadbridge.domain.acceptance.ids import IDS

    return IDS


@contextmanager
def _stdout() -> Iterator[TextIO]:
    yield sys.stdout


@contextmanager
def _temporary_file(file: Path, *, overwrite: bool) -> Iterator[TextIO]:
    """Yield a temporary file that only its owner can read; rename it when the block has succeeded."""
    if file.exists() and not overwrite:
        raise Failure(Code.CONFLICT, f"{file} exists. Use --overwrite to replace it.")
    draft = file.with_name(f".{file.name}.{os.getpid()}.new")
    try:
        with open(draft, "x", encoding="utf-8-sig", newline="", opener=_private) as lines:
            yield lines
        if overwrite:
            draft.replace(file)
        else:
            _publish(draft, file)
    finally:
        draft.unlink(missing_ok=True)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _publish(draft: Path, file: Path) -> None:
    """Give the temporary file its name. Raises Failure if a file of that name was created meanwhile."""
    try:
        file.hardlink_to(draft)
    except FileExistsError:
        raise Failure(Code.CONFLICT, f"{file} exists. Use --overwrite to replace it.") from None
