"""The compiler from the TOML files in `config/` to the validated settings that the layer ships."""

from __future__ import annotations

import json
import pickle
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from leadbridge.settings import Settings
from tools.config.checks import TABLES, Place, Tables, Wrong, wrongs_in

__all__ = ["ENVIRONMENTS", "TABLES", "WrongConfiguration", "check", "read_toml", "ship"]

ENVIRONMENTS = ("local", "dev", "prod")
PROTOCOL = 5  # of pickle: every supported Python reads it

type Problem = tuple[str, int, str]  # file, line, error


class WrongConfiguration(ValueError):
    """`problems` are lines with file, line and error."""

    def __init__(self, found: Iterable[Problem]) -> None:
        self.found = sorted(set(found))
        self.problems = [f"{file}:{line}: {text}" for file, line, text in self.found]
        super().__init__("\n".join(self.problems))


@dataclass
class File:
    name: str
    content: Tables
    text: str

    def line_of(self, place: Place) -> tuple[int, int]:
        """The length of the part of a place that exists in the file, and its line."""
        lines = lines_of(self.text)
        known = next((place[:length] for length in range(len(place), 0, -1) if place[:length] in lines), ())
        return len(known), lines.get(known, 1)


def read_toml(folder: Path, environment: str) -> Tables:
    """Read the tables of a folder, each merged with its `*.{environment}.toml`. Raises WrongConfiguration."""
    return _merged(_files(folder, environment))


def check(folder: Path) -> dict[str, Tables]:
    """Return the configuration of every environment. Raises WrongConfiguration with all errors."""
    checked: dict[str, Tables] = {}
    problems: list[Problem] = []
    for environment in ENVIRONMENTS:
        try:
            files = _files(folder, environment)
        except WrongConfiguration as wrong:
            problems += wrong.found
            continue
        checked[environment] = _merged(files)
        problems += [_located(wrong, files[wrong.table]) for wrong in wrongs_in(checked[environment], environment)]
    if problems:
        raise WrongConfiguration(problems)
    return checked


def ship(folder: Path, into: Path) -> dict[str, Tables]:
    """Check the configuration and write `into/{environment}.pickle` for each environment, or nothing."""
    checked = check(folder)
    into.mkdir(parents=True, exist_ok=True)
    for environment, tables in checked.items():
        shipped = pickle.dumps(Settings.model_validate(tables), protocol=PROTOCOL)
        (into / f"{environment}.pickle").write_bytes(shipped)
    return checked


def _files(folder: Path, environment: str) -> dict[str, list[File]]:
    """The files of each table: its own, and the environment's."""
    files: dict[str, list[File]] = {table: [] for table in TABLES}
    problems: list[Problem] = []
    for table, found in files.items():
        for path in (folder / f"{table}.toml", *folder.glob(f"{table}.{environment}.toml")):
            try:
                found.append(_read(path))
            except WrongConfiguration as wrong:
                problems += wrong.found
    if problems:
        raise WrongConfiguration(problems)
    return files


def _read(path: Path) -> File:
    name, text = f"{path.parent.name}/{path.name}", ""
    try:
        text = path.read_text(encoding="utf-8-sig")
        return File(name, tomllib.loads(text), text)
    except OSError:
        problem = 1, "the file cannot be read"
    except UnicodeDecodeError:
        problem = 1, "the file is not UTF-8; save it as UTF-8"
    except tomllib.TOMLDecodeError as error:
        said, _, where = str(error).partition(" (at ")
        line = re.match("line ([0-9]+)", where)
        number = int(line[1]) if line else text.rstrip().count("\n") + 1
        problem = number, f"this is not TOML: {said[:1].lower()}{said[1:]}"
    raise WrongConfiguration([(name, *problem)])


def _merged(files: dict[str, list[File]]) -> Tables:
    tables: Tables = {}
    for table, (first, *overlays) in files.items():
        tables[table] = json.loads(json.dumps(first.content, default=str))
        for overlay in overlays:
            _merge(tables[table], overlay.content)
    return tables


def _merge(table: Tables, overlay: Tables) -> None:
    for key, value in overlay.items():
        if isinstance(value, dict) and isinstance(table.get(key), dict):
            _merge(table[key], value)
        else:
            table[key] = value


def _located(wrong: Wrong, files: list[File]) -> Problem:
    """An error with file and line: the file with most of its place, an overlay if that has as much."""
    file = max(reversed(files), key=lambda one: one.line_of(wrong.place)[0])
    return file.name, file.line_of(wrong.place)[1], str(wrong)


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
