"""The base of enumerations whose members are stable codes with a meaning."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class CodeWithMeaning(StrEnum):
    """A code, declared as `NAME = "code", "meaning"`."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Self:
        """Attach the meaning to the code."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member
