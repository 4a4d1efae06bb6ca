"""The lines of a TOML file's keys, which tomllib does not provide."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

Place = tuple[str | int, ...]


def lines_of(text: str) -> dict[Place, int]:
    """The line, from 1, of every table, key and list element in valid TOML.

    List elements have numbers, from 0: `("lender", "cadence", 1, "every")`. What is written in several lines has its
    first one.
    """
    found: dict[Place, int] = {}
    table: Place = ()
    last: dict[Place, int] = {}  # the number of the last element of each list of tables
    for start, lines in _statements(text.replace("\r\n", "\n")):
        content = tomllib.loads("\n".join(lines))
        if lines[0].lstrip().startswith("["):
            table, is_list = _header(content, last)
            if is_list:
                last[table] = last.get(table, -1) + 1
            if table in last:
                table = (*table, last[table])
            for length in range(1, len(table) + 1):
                found.setdefault(table[:length], start)
        else:
            for place in _places(content):
                found.setdefault((*table, *place), start)
    return found


def _statements(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each header and each pair with the number of its first line: as many lines as are TOML together."""
    lines: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        lines.append(line)
        try:
            content = tomllib.loads("\n".join(lines))
        except tomllib.TOMLDecodeError:
            continue
        if content:
            yield number - len(lines) + 1, lines
        lines = []


def _header(content: Any, last: dict[Place, int]) -> tuple[Place, bool]:
    """The place of a header, and whether it is an element of a list.

    A header `[a.b]` in which `a` is a list of tables refers to the last of them.
    """
    place: Place = ()
    while isinstance(content, dict) and content:
        [(key, content)] = content.items()
        place = (*place, last[place], key) if place in last else (*place, key)
    return place, isinstance(content, list)


def _places(content: Any) -> Iterator[Place]:
    inner = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in inner:
        yield (key,)
        yield from ((key, *place) for place in _places(value))
