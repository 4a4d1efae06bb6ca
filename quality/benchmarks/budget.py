"""Whether what was measured stays within quality/benchmarks/budget.toml.

A ratio is broken when it is over its limit by more than its noise: what the same code differs by from run to run.
A line of the budget that nothing was measured for, and a ratio that has no line, are as wrong as a broken one.
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
    """What is said of one line."""

    KEPT = "kept"
    NOISE = "over, within noise"
    BROKEN = "broken"
    NOT_MEASURED = "not measured"
    NOT_BUDGETED = "not in the budget"

    @property
    def is_bad(self) -> bool:
        """Whether the check fails."""
        return self not in {Verdict.KEPT, Verdict.NOISE}


@dataclass(frozen=True)
class Limit:
    """The most that a ratio may be, and by which share of it a run may differ from the next."""

    most: float
    noise: float

    def verdict(self, ratio: float) -> Verdict:
        """What a measured ratio comes to; one that is no number is broken."""
        if math.isfinite(ratio) and ratio <= self.most:
            return Verdict.KEPT
        if math.isfinite(ratio) and ratio <= self.most * (1 + self.noise):
            return Verdict.NOISE
        return Verdict.BROKEN


@dataclass(frozen=True)
class Line:
    """One ratio beside its limit; either may be missing."""

    name: str
    ratio: float | None
    limit: Limit | None

    @property
    def verdict(self) -> Verdict:
        """What is said of it."""
        if self.limit is None:
            return Verdict.NOT_BUDGETED
        return Verdict.NOT_MEASURED if self.ratio is None else self.limit.verdict(self.ratio)


def limits(text: str | None = None) -> dict[str, dict[str, Limit]]:
    """The budget by part and ratio."""
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
    """Every line of the budget and every ratio, by part and name; of some `parts` alone if only those were run."""
    lines = []
    for part in [*budget, *(name for name in measured if name not in budget)]:
        if parts is not None and part not in parts:
            continue
        allowed, found = budget.get(part, {}), measured.get(part, {})
        names = [*allowed, *(name for name in found if name not in allowed)]
        lines += [Line(f"{part}.{name}", found.get(name), allowed.get(name)) for name in names]
    return lines
