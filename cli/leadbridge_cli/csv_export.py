"""Leads as CSV. The API writes the lines. A file gets its name when it is complete; an interrupted export can go on."""

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from leadbridge_cli.api import Api
from leadbridge_cli.exit_codes import Code, Failure, not_found, usage_error
from leadbridge_cli.output import Output, is_terminal, line, short_time
from leadbridge_cli.paging import LeadQuery, iter_pages

BOM = b"\xef\xbb\xbf"
DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True)
class Export:
    """What is exported, and how far it is.

    `query` has the filters and the format, `cursor` is for the next page, `oldest` the reception of the last lead that
    was read, `size` the bytes of the leads that were written.
    """

    query: dict[str, str | None]
    cursor: str | None = None
    leads: int = 0
    oldest: str | None = None
    size: int = 0

    def after(self, page: dict[str, Any], size: int) -> "Export":
        """Return the export after a page."""
        oldest = page["oldest"] or self.oldest
        return replace(self, cursor=page["cursor"], leads=self.leads + page["leads"], oldest=oldest, size=size)

    @property
    def progress(self) -> str:
        """How far it is, in words."""
        return f"{self.leads} leads, back to {short_time(self.oldest)}"


type Pages = Callable[[Export], Iterable[dict[str, Any]]]


def pages_of(api: Api) -> Pages:
    """Return a function that reads the pages that an export lacks."""
    return lambda export: iter_pages(api, LeadQuery(), export.cursor, path=("exports", "leads"), **export.query)


def count_leads(api: Api, wanted: LeadQuery) -> int | None:
    """Return how many leads a list has, if the statistics know it and somebody watches; counts are a minute late."""
    since, until, status, partner = wanted.since, wanted.until, wanted.status, wanted.partner
    others = (wanted.search, wanted.phone, wanted.outcome, wanted.stage, wanted.problem, wanted.attention)
    are_days = all(day is None or DAY.fullmatch(day) for day in (since, until))
    is_counted = status == "incomplete" or not status or partner
    if not is_terminal(sys.stderr) or since is None or any(others) or not (are_days and is_counted):
        return None
    if (wanted.campaign and (status or partner)) or (status == "incomplete" and partner):
        return None
    days: dict[str, str | None] = {"from": since, "to": until}
    try:
        stats = api.get("stats", by="campaign", **days)
    except Failure:
        return None
    kind = "campaigns" if wanted.campaign else "incomplete" if status else "leads"
    filters = {"source": wanted.source, "campaign": wanted.campaign}
    if partner:
        kind, filters = "counts", {"source": wanted.source, "partner": partner, "state": status}
    rows = (row for row in stats[kind] if all(value in {None, row[name]} for name, value in filters.items() if value))
    return int(sum(row["received" if wanted.campaign else "count"] for row in rows))


def export_to_stdout(output: Output, export: Export, pages: Pages, *, bom: bool | None, total: int | None) -> None:
    """Write the leads to stdout. Raises Failure if not all could be read, and says so."""
    if output.as_json:
        raise usage_error("stdout cannot hold both CSV and JSON. Give a file name, or omit --json.")
    if bom:
        sys.stdout.write(BOM.decode())
    done = export
    try:
        with output.progress("leads", total) as advance:
            for page in pages(export):
                sys.stdout.write(page["csv"])
                done = done.after(page, 0)
                advance(page["leads"], f"leads back to {short_time(done.oldest)}")
    except (Failure, KeyboardInterrupt) as error:
        raise _interrupted(error, done, "stdout", "Export to a file to be able to go on.") from error


def export_to_file(
    output: Output, file: Path, export: Export, pages: Pages, *, overwrite: bool, bom: bool | None, total: int | None
) -> None:
    """Write the leads to a file that only its owner can read. Raises Failure.

    Until it is complete, the file is called `{file}.part`, and `{file}.part.json` says how far it is.
    """
    draft = Draft(file)
    draft.check_target(overwrite=overwrite)
    with draft.begin(overwrite=overwrite) as lines:
        if bom is not False:
            lines.write(BOM)
        _fill(output, draft, lines, replace(export, size=lines.tell()), pages, total)
    _finish(output, draft, overwrite=overwrite)


def resume_export(output: Output, file: Path, pages: Pages, *, overwrite: bool) -> None:
    """Go on with the interrupted export to a file. Raises Failure."""
    draft = Draft(file)
    draft.check_target(overwrite=overwrite)
    done = draft.load()
    if done.cursor is not None:  # else only the name was missing
        with draft.resume(done) as lines:
            output.note(f"Going on after {done.progress}.")
            _fill(output, draft, lines, done, pages)
    _finish(output, draft, overwrite=overwrite)


def _fill(
    output: Output, draft: "Draft", lines: BinaryIO, done: Export, pages: Pages, total: int | None = None
) -> None:
    """Write the pages that an export lacks. What was read stays if it is interrupted, unless that is nothing."""
    try:
        with output.progress("leads", total) as advance:
            advance(done.leads)
            for page in pages(done):
                lines.write(page["csv"].encode())
                lines.flush()
                done = done.after(page, lines.tell())
                draft.save(done)
                advance(page["leads"], f"leads back to {short_time(done.oldest)}")
    except (Failure, KeyboardInterrupt, OSError) as error:
        if not done.leads:
            draft.remove()
        go_on = f"Go on with: leadbridge leads export {draft.file} --resume"
        raise _interrupted(error, done, str(draft.part), go_on) from error


def _interrupted(error: BaseException, done: Export, where: str, go_on: str) -> BaseException:
    """Return the failure of an export of which some leads were written; the error itself if there are none."""
    if not done.leads:
        return error
    text = error.text if isinstance(error, Failure) else str(error) or "Interrupted."
    code = error.code if isinstance(error, Failure) else Code.REFUSED
    return Failure(code, f"{text} {where} has {done.progress}; older leads are missing. {go_on}")


def _finish(output: Output, draft: "Draft", *, overwrite: bool) -> None:
    done = draft.load()
    draft.publish(overwrite=overwrite)
    output.answer(
        {"file": str(draft.file), "leads": done.leads}, lambda: [line(f"{done.leads} leads written to {draft.file}.")]
    )


@dataclass(frozen=True)
class Draft:
    """The files of an export that is not complete."""

    file: Path

    @property
    def part(self) -> Path:
        """The leads that were read."""
        return self.file.with_name(f"{self.file.name}.part")

    @property
    def state(self) -> Path:
        """How far the export is."""
        return self.file.with_name(f"{self.file.name}.part.json")

    def check_target(self, *, overwrite: bool) -> None:
        """Raise Failure if the file cannot be written or must not be replaced."""
        if not self.file.parent.is_dir():
            raise not_found(f"The folder {self.file.parent} does not exist.")
        if self.file.exists() and not overwrite:
            raise Failure(Code.CONFLICT, f"{self.file} exists. Use --overwrite to replace it.")

    @contextmanager
    def begin(self, *, overwrite: bool) -> Iterator[BinaryIO]:
        """Yield an empty part file. Raises Failure if there is one of an interrupted export."""
        if overwrite:
            self.remove()
        try:
            lines = open(self.part, "xb", opener=_private)  # noqa: SIM115 - closed below
        except FileExistsError:
            text = "is of an interrupted export. Use --resume to go on with it, or --overwrite to begin again."
            raise Failure(Code.CONFLICT, f"{self.part} {text}") from None
        with lines:
            yield lines

    @contextmanager
    def resume(self, done: Export) -> Iterator[BinaryIO]:
        """Yield the part file at the end of its last whole page. Raises Failure if it is not that of the export."""
        with self.part.open("r+b") as lines:
            if lines.seek(0, os.SEEK_END) < done.size:
                raise usage_error(f"{self.part} has changed. Use --overwrite to begin again.")
            lines.truncate(done.size)
            lines.seek(done.size)
            yield lines

    def load(self) -> Export:
        """Return how far the export is. Raises Failure if there is none."""
        if not (self.state.exists() and self.part.exists()):
            text = f"{self.part} has no leads yet. Use --overwrite to begin again." if self.part.exists() else ""
            raise not_found(text or f"There is no interrupted export of {self.file}.")
        try:
            return Export(**json.loads(self.state.read_text(encoding="utf-8")))
        except (ValueError, TypeError):
            raise usage_error(f"{self.state} cannot be read. Use --overwrite to begin again.") from None

    def save(self, done: Export) -> None:
        """Store how far the export is, in one step."""
        new = self.state.with_name(f"{self.state.name}.new")
        with open(new, "w", encoding="utf-8", opener=_private) as text:
            json.dump(asdict(done), text)
        new.replace(self.state)

    def publish(self, *, overwrite: bool) -> None:
        """Give the file its name. Raises Failure if a file of that name was created meanwhile."""
        if overwrite:
            self.part.replace(self.file)
        else:
            try:
                self.file.hardlink_to(self.part)
            except FileExistsError:
                raise Failure(Code.CONFLICT, f"{self.file} exists. Use --overwrite to replace it.") from None
        self.remove()

    def remove(self) -> None:
        """Delete what there is of an export that is not complete."""
        for each in (self.part, self.state):
            each.unlink(missing_ok=True)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
