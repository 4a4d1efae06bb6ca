"""The lines of a TOML file's keys, which tomllib does not provide."""

import tomllib
from collections.abc import Iterator
from functools import cache
from typing import Any

Place = tuple[str | int, ...]


@cache
def lines_of(text: str) -> dict[Place, int]:
    """The line, from 1, of every table, key and list element in valid TOML: where the file first has it.

    List elements have numbers, from 0: `("lender", "cadence", 1, "every")`. What is written in several lines has its
    first one.
    """
    found: dict[Place, int] = {}
    lines = text.replace("\r\n", "\n").split("\n")
    start = 1
    for number in range(1, len(lines) + 1):
        try:
            content = tomllib.loads("\n".join(lines[:number]))
        except tomllib.TOMLDecodeError:
            continue  # the rest of it is in the next lines
        for place in _places(content):
            found.setdefault(place, start)
        start = number + 1
    return found


def _places(content: Any) -> Iterator[Place]:
    inner = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in inner:
        yield (key,)
        yield from ((key, *place) for place in _places(value))
