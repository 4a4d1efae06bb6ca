"""Corrections of leads by an operator, and in which order they took effect."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

ACCEPTED = 200
NAME, AMOUNT, TERM = "person.full_name", "loan.amount", "loan.term"
_LETTERS = "абвгдеєжзиіклмнопрстуфхцчшщюя"


@dataclass
class Correction:
    """One correction: its values by lead field, and its status, 0 without an answer.

    `began` and `ended` count the beginnings and the ends of all corrections. `ended` is None if it may still take
    effect. `calls` is the number of the partners' last call when it was answered.
    """

    lead_id: str
    values: Mapping[str, str]
    began: int
    status: int = 0
    ended: int | None = None
    calls: int = 0

    @property
    def is_accepted(self) -> bool:
        return self.status == ACCEPTED

    @property
    def may_have_worked(self) -> bool:
        """Whether it took effect, or its answer does not tell."""
        return self.is_accepted or not 400 <= self.status < 500

    def precedes(self, other: Correction) -> bool:
        """Whether it certainly took effect before another one began, if it did at all."""
        return self.ended is not None and self.ended < other.began


@dataclass
class Corrections:
    """All corrections of a run."""

    made: list[Correction] = field(default_factory=list)
    _moments: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _names: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def begin(self, lead_id: str, values: Mapping[str, str]) -> Correction:
        correction = Correction(lead_id, dict(values), next(self._moments))
        self.made.append(correction)
        return correction

    def end(self, correction: Correction, status: int, calls: int) -> None:
        """Note the answer. Without one, the correction may still take effect."""
        correction.status, correction.calls = status, calls
        correction.ended = next(self._moments) if status else None

    def new_values(self, random: Random) -> dict[str, str]:
        """Values that no other correction has, so that a call shows which of them it was made with."""
        number = next(self._names)
        values = {NAME: f"Виправна {new_name(number)} Іванівна"}
        if random.random() < 0.7:
            values[AMOUNT] = f"{7000 + number}.00"
        if random.random() < 0.3:
            values[TERM] = str(12 + number)
        return values


def body_of(values: Mapping[str, str]) -> dict[str, Any]:
    """The body of a correction with these values."""
    sections: dict[str, dict[str, str]] = {}
    for path, value in values.items():
        section, _, name = path.partition(".")
        sections.setdefault(section, {})[name] = value
    return sections


def values_of(body: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The values of a body, by lead field."""
    return {f"{section}.{name}": value for section, fields in body.items() for name, value in fields.items()}


def new_name(number: int) -> str:
    """A first name for each number."""
    letters = ""
    while number:
        number, last = divmod(number, len(_LETTERS))
        letters = _LETTERS[last] + letters
    return f"Олена{letters}"
