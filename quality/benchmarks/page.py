"""The generated parts of docs/benchmarks.md, docs/cost.md and docs/capacity.md: what is between two markers."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from devstack.workdir import PROJECT
from quality.benchmarks.budget import check, limits
from quality.benchmarks.measurement import Measurement, markdown

FILE = PROJECT / "docs" / "benchmarks.md"
MEASURED = ("layers", "functions")
END = "<!-- end -->"
BUDGET = ("budget", "measured", "most", "noise", "verdict")


def command(file: Path, name: str, text: Callable[[], str]) -> int:
    """Print the part of a page, or with --write replace it."""
    if "--write" in sys.argv[1:]:
        file.write_text(replaced(file.read_text(encoding="utf-8"), name, text()), encoding="utf-8")
    else:
        print(text())
    return 0


def parts(text: str) -> dict[str, str]:
    """The generated parts of a page, by the name in the marker `<!-- {name} -->` before it."""
    return dict(re.findall(rf"<!-- ([\w. -]+) -->\n(.*?)\n{END}", text, re.DOTALL))


def replaced(text: str, name: str, content: str) -> str:
    """Replace the part `name`. Raises LookupError for a part without markers."""
    pattern = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(\n{END})", re.DOTALL)
    if len(pattern.findall(text)) != 1:
        raise LookupError(f"the page must have the marker <!-- {name} --> once")
    return pattern.sub(lambda found: f"{found[1]}{content}{found[2]}", text)


def of_other_code() -> list[str]:
    """The tables of docs/benchmarks.md that were measured with other code."""
    now = code()
    found = parts(FILE.read_text(encoding="utf-8"))
    return [name for name, content in found.items() if f"code `{now}`" not in content]


def code() -> str:
    """A digest of the sources of the layers and the functions."""
    digest = hashlib.sha256()
    files = [file for folder in MEASURED for file in (PROJECT / folder).rglob("*") if file.is_file()]
    for file in sorted(file for file in files if "__pycache__" not in file.parts):
        digest.update(f"\0{file.relative_to(PROJECT).as_posix()}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:12]


def write(measured: Mapping[str, Measurement]) -> None:
    """Replace these tables of docs/benchmarks.md."""
    text = FILE.read_text(encoding="utf-8")
    for name, one in measured.items():
        text = replaced(text, name, block(one))
    FILE.write_text(text, encoding="utf-8")


def block(one: Measurement) -> str:
    """A table with its date and machine, and its budget."""
    measured = f"Measured {datetime.now(UTC).date().isoformat()} on {machine()}; code `{code()}`."
    rows = [line.cells() for line in check({one.name: one.ratios}, limits(), {one.name})]
    return "\n".join([measured, "", *one.markdown(), "", *markdown(BUDGET, rows, texts=(0, 4))])


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
