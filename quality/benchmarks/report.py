"""Measurements, whether their ratios are within quality/benchmarks/budget.toml, and the pages that show them.

Each ratio needs a line in the budget. The generated parts of a page are what is between two markers.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from statistics import median
from typing import Self

from devstack.workdir import PROJECT
from quality.benchmarks.shipped import data

PAGE = PROJECT / "docs" / "benchmarks.md"
PART = re.compile(r"<!-- ([\w. -]+) -->\n(.*?)\n<!-- end -->", re.DOTALL)  # of a page: its name, its content
BUDGET = ("budget", "measured", "most", "noise", "verdict")

type Rows = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Measurement:
    """`name` is the table in budget.toml; `ratios` are by name there. `columns` after the first are figures."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    ratios: dict[str, float]

    @classmethod
    def of(cls, name: str, title: str, rows: Sequence[Mapping[str, str]], ratios: dict[str, float]) -> Self:
        return cls(name, title, tuple(rows[0]), tuple(tuple(row.values()) for row in rows), ratios)


class Verdict(StrEnum):
    KEPT = "kept"
    NOISE = "over, within noise"
    BROKEN = "broken"
    NOT_MEASURED = "not measured"
    NOT_BUDGETED = "not in the budget"


GOOD = {Verdict.KEPT, Verdict.NOISE}


@dataclass(frozen=True)
class Limit:
    """The maximum of a ratio, and the share of it by which runs may differ."""

    most: float
    noise: float


def limits() -> dict[str, dict[str, Limit]]:
    budget = data("budget.toml").items()
    return {part: {name: Limit(**line) for name, line in lines.items()} for part, lines in budget}


def check(measured: Mapping[str, Mapping[str, float]], budget: Mapping[str, Mapping[str, Limit]]) -> Rows:
    """Compare the ratios of each part with its budget: a row `BUDGET` of each ratio, or limit."""
    rows = []
    for part, found in measured.items():
        allowed = budget.get(part, {})
        for name in {**allowed, **found}:
            ratio, limit = found.get(name), allowed.get(name)
            most, noise = ("", "") if limit is None else (f"{limit.most:g}", f"{limit.noise:.0%}")
            cells = f"{part}.{name}", "" if ratio is None else f"{ratio:.2f}", most, noise
            rows.append((*cells, verdict(ratio, limit).value))
    return rows


def verdict(ratio: float | None, limit: Limit | None) -> Verdict:
    if limit is None:
        return Verdict.NOT_BUDGETED
    if ratio is None:
        return Verdict.NOT_MEASURED
    if ratio <= limit.most:
        return Verdict.KEPT
    # NaN is broken: it compares as false.
    return Verdict.NOISE if ratio <= limit.most * (1 + limit.noise) else Verdict.BROKEN


def markdown(columns: Sequence[str], rows: Rows, texts: Sequence[int] = (0,)) -> list[str]:
    """The lines of a table. The columns with the numbers `texts` are texts, and the others figures."""
    head, *body = (f"| {' | '.join(row)} |" for row in (columns, *rows))
    return [head, f"|{'|'.join('---' if number in texts else '---:' for number in range(len(columns)))}|", *body]


def median_text(values: Sequence[float], digits: int = 1) -> str:
    return f"{median(values):,.{digits}f}"


def command(file: Path, found: Mapping[str, Rows]) -> None:
    """Print a page with these tables, or with --write update it."""
    text = updated(file, found)
    if "--write" in sys.argv[1:]:
        file.write_text(text, encoding="utf-8")
    else:
        print(text, end="")


def updated(file: Path, found: Mapping[str, Rows]) -> str:
    """A page with the rows of its tables. Their columns are in the page itself."""
    columns = {name: part.splitlines()[:2] for name, part in parts(file).items()}
    lines = {name: [*columns[name], *(f"| {' | '.join(row)} |" for row in rows)] for name, rows in found.items()}
    return replaced(file.read_text(encoding="utf-8"), {name: "\n".join(each) for name, each in lines.items()})


def write(measured: Iterable[Measurement]) -> None:
    text = replaced(PAGE.read_text(encoding="utf-8"), {one.name: block(one) for one in measured})
    PAGE.write_text(text, encoding="utf-8")


def parts(file: Path) -> dict[str, str]:
    return dict(PART.findall(file.read_text(encoding="utf-8")))


def of_other_code() -> list[str]:
    """The tables of docs/benchmarks.md that were measured with other code."""
    now = f"code `{code()}`"
    return [name for name, part in parts(PAGE).items() if now not in part]


def replaced(text: str, contents: Mapping[str, str]) -> str:
    """Replace parts of a page. Raises LookupError unless it has each of them once."""
    names = Counter(name for name, _ in PART.findall(text))
    if wrong := [name for name in contents if names[name] != 1]:
        raise LookupError(f"the page must have the markers of {', '.join(wrong)} once")
    return PART.sub(lambda found: f"<!-- {found[1]} -->\n{contents.get(found[1], found[2])}\n<!-- end -->", text)


def code() -> str:
    """A digest of the sources of the layers and the functions."""
    digest = hashlib.sha256()
    for file in sorted(file for folder in ("layers", "functions") for file in (PROJECT / folder).rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            digest.update(f"\0{file.relative_to(PROJECT).as_posix()}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:12]


def block(one: Measurement) -> str:
    measured = f"Measured {datetime.now(UTC).date().isoformat()} on {machine()}; code `{code()}`."
    budget = markdown(BUDGET, check({one.name: one.ratios}, limits()), texts=(0, 4))
    tables = [*markdown(one.columns, one.rows), "", *budget]
    return "\n".join([measured, "", f"{one.title}.", "", *tables])


def machine() -> str:
    """The kind of machine, without anything that identifies it."""
    info = Path("/proc/cpuinfo")
    text = info.read_text(encoding="utf-8") if info.exists() else ""
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    processor = f"{model[1].strip()} ({platform.machine()})" if model else platform.machine()
    kernel = re.match(r"\d+\.\d+", platform.release())
    system = f"{platform.system()} {kernel[0] if kernel else ''}".strip()
    return f"{processor}, {os.cpu_count()} cores, Python {platform.python_version()}, {system}"
