"""Leads as CSV: one line for each delivery, nothing that a spreadsheet would run, the whole file or none."""

import csv
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from leadbridge_cli.exit_codes import Code, Failure, wrong_use
from leadbridge_cli.output import Screen, line
from leadbridge_cli.paging import Page
from leadbridge_cli.sanitize import for_spreadsheet, masked

if TYPE_CHECKING:
    from pydantic import BaseModel

DELIVERY = (
    *("state", "deal_id", "account_uuid", "partner_status", "attempts", "submitted_at"),
    *("last_error_code", "last_error"),
)
OWN = ("lead_id", "source", "received_at", "status")


def export_to(screen: Screen, file: Path, pages: Iterable[Page], *, overwrite: bool, reveal: bool) -> None:
    """Write all pages. Raises Failure for a file that is there already."""
    to_stdout = str(file) == "-"
    if to_stdout and screen.as_json:
        raise wrong_use("stdout cannot be both CSV and JSON: name a file.")
    number = 0
    with screen.progress("leads") as advance, _stdout() if to_stdout else _draft(file, overwrite=overwrite) as lines:
        writer = csv.writer(lines, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
        fields = [name for names in sections().values() for name in names]
        writer.writerow([*OWN, *fields, "utm", "partner", *DELIVERY])
        for page in pages:
            for lead in page.leads if reveal else masked(page.leads):
                writer.writerows([*map(for_spreadsheet, row)] for row in rows_of(lead))
            number += len(page.leads)
            advance(len(page.leads))
    if not to_stdout:
        screen.answer({"file": str(file), "leads": number}, lambda: [line(f"{number} leads are in {file}.")])


def rows_of(lead: dict[str, Any]) -> Iterator[list[object]]:
    """The lead's lines, one for each delivery; one without where it has none."""
    read = [(lead.get(name) or {}, names) for name, names in sections().items()]
    utm = "&".join(f"{name}={value}" for name, value in (lead.get("utm") or {}).items())
    own = [lead.get(name) for name in OWN]
    own += [section.get(name) for section, names in read for name in names]
    for partner, delivery in (lead.get("deliveries") or {"": {}}).items():
        yield [*own, utm, partner, *(delivery.get(name) for name in DELIVERY)]


@cache
def sections() -> dict[str, tuple[str, ...]]:
    """Return the fields of a lead by section, as the domain lists them."""
    from leadbridge.domain.lead import Loan, Person, Trading

    kinds: dict[str, type[BaseModel]] = {"person": Person, "loan": Loan, "trading": Trading}
    return {name: tuple(kind.model_fields) for name, kind in kinds.items()}


@contextmanager
def _stdout() -> Iterator[TextIO]:
    yield sys.stdout


@contextmanager
def _draft(file: Path, *, overwrite: bool) -> Iterator[TextIO]:
    """A file that its owner alone can read, and that takes its name once it is whole."""
    if file.exists() and not overwrite:
        raise Failure(Code.CONFLICT, f"{file} is there already: --overwrite replaces it.")
    draft = file.with_name(f".{file.name}.{os.getpid()}.new")
    try:
        with open(draft, "x", encoding="utf-8-sig", newline="", opener=_private) as lines:
            yield lines
        if overwrite:
            draft.replace(file)
        else:
            _take_name(draft, file)
    finally:
        draft.unlink(missing_ok=True)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _take_name(draft: Path, file: Path) -> None:
    """Name the draft, unless somebody else has made a file of that name meanwhile."""
    try:
        file.hardlink_to(draft)
    except FileExistsError:
        raise Failure(Code.CONFLICT, f"{file} is there already: --overwrite replaces it.") from None
