"""The compiler from the TOML files in `config/` to the validated settings that the layer ships.

python -m tools.config CONFIG          checks
python -m tools.config CONFIG INTO     checks and ships
"""

from __future__ import annotations

import json
import pickle
import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from leadbridge.settings import Settings
from tools.config.checks import Wrong, wrongs_in
from tools.config.lines import Place, lines_of

ENVIRONMENTS = ("local", "dev", "prod")
TABLES = ("sources", "partners", "messages", "alerts")
PROTOCOL = 5  # of pickle: every supported Python reads it


class WrongConfiguration(ValueError):
    """`problems` are lines with file, line and error."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass
class File:
    """One TOML file with the line of each place."""

    name: str
    content: dict[str, Any]
    text: str

    @cached_property
    def lines(self) -> dict[Place, int]:
        """The line of each place. Only problems need them, and finding them takes longer than reading the file."""
        return lines_of(self.text)

    def line_of(self, place: Place) -> tuple[int, int]:
        """The length of the part of a place that exists in the file, and its line."""
        known = next((place[:length] for length in range(len(place), 0, -1) if place[:length] in self.lines), ())
        return len(known), self.lines.get(known, 1)


def read_toml(folder: Path, environment: str) -> dict[str, Any]:
    """Read the tables of a folder, each merged with its `*.{environment}.toml` if that exists.

    Raises WrongConfiguration for invalid TOML.
    """
    return _laid_over(_files(folder, environment))


def check(folder: Path) -> dict[str, dict[str, Any]]:
    """Check the configuration for every environment. Returns it by environment.

    Raises WrongConfiguration with all errors.
    """
    found, problems = {}, []
    for environment in ENVIRONMENTS:
        try:
            files = _files(folder, environment)
        except WrongConfiguration as wrong:
            problems += wrong.problems
            continue
        found[environment] = _laid_over(files)
        problems += [_located(wrong, files[wrong.table]) for wrong in wrongs_in(found[environment], environment)]
    if problems:
        raise WrongConfiguration(sorted(set(problems), key=_by_file_and_line))
    return found


def ship(folder: Path, into: Path) -> None:
    """Check the configuration and write `into/{environment}.pickle` for each environment, or nothing."""
    checked = check(folder)
    into.mkdir(parents=True, exist_ok=True)
    for environment, tables in checked.items():
        shipped = pickle.dumps(Settings.model_validate(tables), protocol=PROTOCOL)
        (into / f"{environment}.pickle").write_bytes(shipped)


def _files(folder: Path, environment: str) -> dict[str, list[File]]:
    """The files of each table: its own, and the environment's."""
    files: dict[str, list[File]] = {}
    problems: list[str] = []
    for table in TABLES:
        overlay = folder / f"{table}.{environment}.toml"
        files[table] = []
        for path in (folder / f"{table}.toml", *([overlay] if overlay.exists() else [])):
            try:
                files[table].append(_read(path))
            except WrongConfiguration as wrong:
                problems += wrong.problems
    if problems:
        raise WrongConfiguration(problems)
    return files


def _read(path: Path) -> File:
    name = f"{path.parent.name}/{path.name}"
    try:
        text = path.read_text(encoding="utf-8-sig")
        return File(name, tomllib.loads(text), text)
    except OSError:
        raise WrongConfiguration([f"{name}:1: the file cannot be read"]) from None
    except UnicodeDecodeError:
        raise WrongConfiguration([f"{name}:1: the file is not UTF-8; save it as UTF-8"]) from None
    except tomllib.TOMLDecodeError as error:
        where = re.search(r" \(at (?:line ([0-9]+), column [0-9]+|end of document)\)", str(error))
        line = int(where[1]) if where and where[1] else text.rstrip().count("\n") + 1
        said = str(error).replace(where[0], "") if where else str(error)
        raise WrongConfiguration([f"{name}:{line}: this is not TOML: {said[:1].lower()}{said[1:]}"]) from None


def _laid_over(files: dict[str, list[File]]) -> dict[str, Any]:
    tables: dict[str, Any] = {}
    for table, (first, *overlays) in files.items():
        tables[table] = json.loads(json.dumps(first.content, default=str))
        for overlay in overlays:
            _lay_over(tables[table], overlay.content)
    return tables


def _lay_over(table: dict[str, Any], overlay: dict[str, Any]) -> None:
    for key, value in overlay.items():
        if isinstance(value, dict) and isinstance(table.get(key), dict):
            _lay_over(table[key], value)
        else:
            table[key] = value


def _located(wrong: Wrong, files: list[File]) -> str:
    """An error with file and line: the overlay if that has the whole place, else the file with most of it."""
    whole = [file for file in files if file.line_of(wrong.place)[0] == len(wrong.place)]
    file = whole[-1] if whole else max(files, key=lambda one: one.line_of(wrong.place)[0])
    return f"{file.name}:{file.line_of(wrong.place)[1]}: {wrong}"


def _by_file_and_line(problem: str) -> tuple[str, int, str]:
    name, line, text = problem.split(":", 2)
    return name, int(line), text
