"""Whether the measured ratios are within quality/benchmarks/budget.toml. Each needs a line there, and each line one."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

FILE = Path(__file__).with_name("budget.toml")


class Verdict(StrEnum):
    KEPT = "kept"
    NOISE = "over, within noise"
    BROKEN = "broken"
    NOT_MEASURED = "not measured"
    NOT_BUDGETED = "not in the budget"

    @property
    def is_bad(self) -> bool:
        return self not in {Verdict.KEPT, Verdict.NOISE}


@dataclass(frozen=True)
class Limit:
    """The maximum of a ratio, and the share of it by which runs may differ."""

    most: float
    noise: float

    def verdict(self, ratio: float) -> Verdict:
        """NaN is broken: it compares as false."""
        if ratio <= self.most:
            return Verdict.KEPT
        return Verdict.NOISE if ratio <= self.most * (1 + self.noise) else Verdict.BROKEN


@dataclass(frozen=True)
class Line:
    """A ratio and its limit. Either may be missing."""

    name: str
    ratio: float | None
    limit: Limit | None

    @property
    def verdict(self) -> Verdict:
        if self.limit is None:
            return Verdict.NOT_BUDGETED
        return Verdict.NOT_MEASURED if self.ratio is None else self.limit.verdict(self.ratio)

    def cells(self) -> tuple[str, str, str, str, str]:
        """The row of a table: name, measured, most, noise, verdict."""
        most, noise = ("", "") if self.limit is None else (f"{self.limit.most:g}", f"{self.limit.noise:.0%}")
        return (self.name, "" if self.ratio is None else f"{self.ratio:.2f}", most, noise, self.verdict.value)


def limits() -> dict[str, dict[str, Limit]]:
    """The budget by table and ratio."""
    found = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return {part: {name: Limit(**line) for name, line in lines.items()} for part, lines in found.items()}


def check(
    measured: Mapping[str, Mapping[str, float]],
    budget: Mapping[str, Mapping[str, Limit]],
    parts: Collection[str] | None = None,
) -> list[Line]:
    """Compare every ratio with the budget, or only those of some `parts`."""
    lines = []
    for part in [*budget, *(name for name in measured if name not in budget)]:
        if parts is not None and part not in parts:
            continue
        allowed, found = budget.get(part, {}), measured.get(part, {})
        names = [*allowed, *(name for name in found if name not in allowed)]
        lines += [Line(f"{part}.{name}", found.get(name), allowed.get(name)) for name in names]
    return lines
