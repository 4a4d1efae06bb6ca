"""Leads as CSV. The API writes the lines; the file is written completely or not at all."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from leadbridge_cli.exit_codes import Code, Failure, not_found, usage_error
from leadbridge_cli.output import Output, line

BOM = "\ufeff"


def export_to(
    output: Output, file: Path, pages: Iterable[dict[str, Any]], *, overwrite: bool, bom: bool | None
) -> None:
    """Write all pages, as they come. By default a file begins with a byte order mark, and stdout does not.

    Raises Failure if the file exists or its folder does not.
    """
    to_stdout = str(file) == "-"
    if to_stdout and output.as_json:
        raise usage_error("stdout cannot hold both CSV and JSON. Give a file name, or omit --json.")
    number = 0
    with (
        output.progress("leads") as advance,
        _stdout() if to_stdout else _temporary_file(file, overwrite=overwrite) as lines,
    ):
        if bom or (bom is None and not to_stdout):
            lines.write(BOM)
        for page in pages:
            lines.write(page["csv"])
            number += page["leads"]
            advance(page["leads"])
    if not to_stdout:
        output.answer({"file": str(file), "leads": number}, lambda: [line(f"{number} leads written to {file}.")])


@contextmanager
def _stdout() -> Iterator[TextIO]:
    yield sys.stdout


@contextmanager
def _temporary_file(file: Path, *, overwrite: bool) -> Iterator[TextIO]:
    """Yield a temporary file that only its owner can read; rename it when the block has succeeded."""
    if not file.parent.is_dir():
        raise not_found(f"The folder {file.parent} does not exist.")
    if file.exists() and not overwrite:
        raise Failure(Code.CONFLICT, f"{file} exists. Use --overwrite to replace it.")
    draft = file.with_name(f".{file.name}.{os.getpid()}.new")
    try:
        with open(draft, "x", encoding="utf-8", newline="", opener=_private) as lines:
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
