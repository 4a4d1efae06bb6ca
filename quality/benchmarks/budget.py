"""Whether the measured ratios are within quality/benchmarks/budget.toml.

A ratio is broken if it is over its limit by more than its noise, the difference between runs of the same code. A line
of the budget without a ratio, and a ratio without a line, also fail.
"""

from __future__ import annotations

import math
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
        """NaN is broken."""
        if math.isfinite(ratio) and ratio <= self.most:
            return Verdict.KEPT
        if math.isfinite(ratio) and ratio <= self.most * (1 + self.noise):
            return Verdict.NOISE
        return Verdict.BROKEN


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


def limits(text: str | None = None) -> dict[str, dict[str, Limit]]:
    """The budget by table and ratio."""
    found = tomllib.loads(FILE.read_text(encoding="utf-8") if text is None else text)
    return {
        part: {name: Limit(float(line["most"]), float(line["noise"])) for name, line in lines.items()}
        for part, lines in found.items()
    }


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
