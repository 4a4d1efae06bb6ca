"""Problems as a list filters by them: of incomplete leads, and of deliveries that a partner does not have."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_PATTERN = re.compile(r"([a-z_]+\.[a-z_]+)?:?([a-z][a-z_]*)?", re.ASCII)
MAX_PROBLEM = 100  # characters of a filter


def problem_keys(problems: Iterable[tuple[str, str]]) -> str:
    """Return fields and codes as a text in which a `ProblemFilter` is found: ` person.phone:required :rejected `."""
    return f" {' '.join(f'{field}:{code}' for field, code in problems)} "


@dataclass(frozen=True)
class ProblemFilter:
    """A field, a code, or both."""

    field: str | None = None
    code: str | None = None

    @property
    def key(self) -> str:
        """The text that `problem_keys` contain if one of the problems matches."""
        return f"{f' {self.field}' if self.field else ''}:{f'{self.code} ' if self.code else ''}"

    def matches(self, problems: Iterable[tuple[str, str]]) -> bool:
        """Return whether one of the problems has the field and the code."""
        return any(self.field in {None, field} and self.code in {None, code} for field, code in problems)


def parse_problem(text: str) -> ProblemFilter:
    """Parse `person.phone`, `not_a_phone` or `person.phone:not_a_phone`. Raises ValueError."""
    found = _PATTERN.fullmatch(text) if text and len(text) <= MAX_PROBLEM else None
    if found is None or not any(found.groups()):
        raise ValueError("must be a field, a code, or both: person.phone, required, person.phone:required")
    return ProblemFilter(found[1], found[2])
