"""The generated parts of docs/benchmarks.md: each measurement's table between its markers, and the budget beside it."""

from __future__ import annotations

import hashlib
import os
import platform
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from devstack.workdir import PROJECT
from quality.benchmarks.budget import Line, check, limits
from quality.benchmarks.measurement import Part

FILE = PROJECT / "docs" / "benchmarks.md"
MEASURED = ("layers", "functions")
END = "<!-- end -->"


def of_other_code() -> list[str]:
    """The parts whose tables are of other code than there is now, or do not say of which."""
    text, now = FILE.read_text(encoding="utf-8"), code()
    found = re.findall(rf"<!-- (\w+) -->\n(.*?){re.escape(END)}", text, re.DOTALL)
    return [name for name, content in found if f"code `{now}`" not in content]


def code() -> str:
    """A short digest of what is measured: the sources of the layers and of the functions."""
    digest = hashlib.sha256()
    files = [file for folder in MEASURED for file in (PROJECT / folder).rglob("*") if file.is_file()]
    for file in sorted(file for file in files if "__pycache__" not in file.parts):
        digest.update(f"\0{file.relative_to(PROJECT).as_posix()}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:12]


def write(parts: Mapping[str, Part]) -> None:
    """Replace the tables of these parts in the page. Raises LookupError for one that the page has no place for."""
    text = FILE.read_text(encoding="utf-8")
    for name, part in parts.items():
        text = replaced(text, name, block(part))
    FILE.write_text(text, encoding="utf-8")


def replaced(text: str, name: str, content: str) -> str:
    """A page with other text between the markers `<!-- {name} -->` and `<!-- end -->`."""
    begin = f"<!-- {name} -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(END)}", re.DOTALL)
    if len(pattern.findall(text)) != 1:
        raise LookupError(f"docs/benchmarks.md has no place, or several, for {name}")
    return pattern.sub(lambda _: f"{begin}\n{content}\n{END}", text)


def block(part: Part) -> str:
    """A part's table, where and when it was measured, and what the budget says of it."""
    lines = check({part.name: part.ratios}, limits(), {part.name})
    measured = f"Measured {datetime.now(UTC).date().isoformat()} on {machine()}; code `{code()}`."
    head = ["| budget | measured | most | noise | verdict |", "|---|---:|---:|---:|---|"]
    rows = [f"| {' | '.join(cells(line))} |" for line in lines]
    return "\n".join([measured, "", *part.markdown(), "", *head, *rows])


def cells(line: Line) -> tuple[str, str, str, str, str]:
    """One line of the budget, as a table has it."""
    most = "" if line.limit is None else f"{line.limit.most:g}"
    noise = "" if line.limit is None else f"{line.limit.noise:.0%}"
    return (line.name, "" if line.ratio is None else f"{line.ratio:.2f}", most, noise, line.verdict.value)


def machine() -> str:
    """The kind of machine, and nothing that tells which one."""
    kernel = re.match(r"\d+\.\d+", platform.release())
    system = f"{platform.system()} {kernel[0] if kernel else ''}".strip()
    return f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, {system}"


def processor() -> str:
    """What the processor calls itself, or its architecture where the kernel does not tell."""
    info = Path("/proc/cpuinfo")
    text = info.read_text(encoding="utf-8") if info.exists() else ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return f"{found[1].strip()} ({platform.machine()})" if found else platform.machine()
