"""The generated parts of docs/benchmarks.md: each measurement's table, and its budget, between markers."""

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
from quality.benchmarks.measurement import Measurement

FILE = PROJECT / "docs" / "benchmarks.md"
MEASURED = ("layers", "functions")
END = "<!-- end -->"


def of_other_code() -> list[str]:
    """The tables that were measured with other code."""
    text, now = FILE.read_text(encoding="utf-8"), code()
    found = re.findall(rf"<!-- (\w+) -->\n(.*?){re.escape(END)}", text, re.DOTALL)
    return [name for name, content in found if f"code `{now}`" not in content]


def code() -> str:
    """A digest of the sources of the layers and the functions."""
    digest = hashlib.sha256()
    files = [file for folder in MEASURED for file in (PROJECT / folder).rglob("*") if file.is_file()]
    for file in sorted(file for file in files if "__pycache__" not in file.parts):
        digest.update(f"\0{file.relative_to(PROJECT).as_posix()}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:12]


def write(parts: Mapping[str, Measurement]) -> None:
    """Replace these tables. Raises LookupError for a table without markers."""
    text = FILE.read_text(encoding="utf-8")
    for name, part in parts.items():
        text = replaced(text, name, block(part))
    FILE.write_text(text, encoding="utf-8")


def replaced(text: str, name: str, content: str) -> str:
    """Replace the text between the markers `<!-- {name} -->` and `<!-- end -->`."""
    begin = f"<!-- {name} -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(END)}", re.DOTALL)
    if len(pattern.findall(text)) != 1:
        raise LookupError(f"docs/benchmarks.md must have the marker <!-- {name} --> once")
    return pattern.sub(lambda _: f"{begin}\n{content}\n{END}", text)


def block(part: Measurement) -> str:
    """A table with its date and machine, and its budget."""
    lines = check({part.name: part.ratios}, limits(), {part.name})
    measured = f"Measured {datetime.now(UTC).date().isoformat()} on {machine()}; code `{code()}`."
    head = ["| budget | measured | most | noise | verdict |", "|---|---:|---:|---:|---|"]
    rows = [f"| {' | '.join(cells(line))} |" for line in lines]
    return "\n".join([measured, "", *part.markdown(), "", *head, *rows])


def cells(line: Line) -> tuple[str, str, str, str, str]:
    most = "" if line.limit is None else f"{line.limit.most:g}"
    noise = "" if line.limit is None else f"{line.limit.noise:.0%}"
    return (line.name, "" if line.ratio is None else f"{line.ratio:.2f}", most, noise, line.verdict.value)


def machine() -> str:
    """The kind of machine, without anything that identifies it."""
    kernel = re.match(r"\d+\.\d+", platform.release())
    system = f"{platform.system()} {kernel[0] if kernel else ''}".strip()
    return f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, {system}"


def processor() -> str:
    """The processor's name, or its architecture if the kernel has no name."""
    info = Path("/proc/cpuinfo")
    text = info.read_text(encoding="utf-8") if info.exists() else ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return f"{found[1].strip()} ({platform.machine()})" if found else platform.machine()
