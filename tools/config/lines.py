"""The lines of a TOML file's keys, which tomllib does not provide."""

from __future__ import annotations

import re
import tomllib

Place = tuple[str | int, ...]

_PART = r"(?:[A-Za-z0-9_-]+|\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*')"
_KEY = re.compile(rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}(?!")' + r"|'''.*?'{3,5}(?!')" + r'|"(?:[^"\\\n]|\\.)*"' + r"|'[^'\n]*'",
    re.DOTALL,
)
_BARE = re.compile(r"[^,\]}\n#]*")


def lines_of(text: str) -> dict[Place, int]:
    """The line, from 1, of every table, key and list element in valid TOML.

    List elements have numbers, from 0: `("lender", "cadence", 1, "every")`.
    """
    return _Scan(text).whole()


class _Scan:
    """A scan of the text. `at` is the position."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: dict[Place, int] = {}

    def whole(self) -> dict[Place, int]:
        table: Place = ()
        tables: dict[Place, int] = {}
        self._skip()
        while self.at < len(self.text):
            if self._takes("[["):
                table = self._through_lists(self._key(), tables)
                tables[table] = tables.get(table, -1) + 1
                table = (*table, tables[table])
                self._note_header(table)
                self._takes("]]")
            elif self._takes("["):
                table = self._through_lists(self._key(), tables)
                if table in tables:
                    table = (*table, tables[table])
                self._note_header(table)
                self._takes("]")
            else:
                self._pair(table)
            self._skip()
        return self.found

    @staticmethod
    def _through_lists(key: tuple[str, ...], tables: dict[Place, int]) -> Place:
        """A header `[a.b]` in which `a` is a list of tables refers to the last of them."""
        place: Place = ()
        for part in key:
            if place in tables:
                place = (*place, tables[place])
            place = (*place, part)
        return place

    def _pair(self, table: Place) -> None:
        start = self.at
        key = self._key()
        place = (*table, *key)
        for length in range(len(table) + 1, len(place) + 1):
            self._note(place[:length], start)
        self._skip()
        self._takes("=")
        self._value(place)

    def _value(self, place: Place) -> None:
        self._skip()
        if self._takes("["):
            number = 0
            while not self._ends("]"):
                self._note((*place, number))
                self._value((*place, number))
                number += 1
        elif self._takes("{"):
            while not self._ends("}"):
                self._pair(place)
        else:
            value = _STRING.match(self.text, self.at) or _BARE.match(self.text, self.at)
            self.at = value.end() if value else len(self.text)

    def _ends(self, bracket: str) -> bool:
        self._skip()
        self._takes(",")
        self._skip()
        return self._takes(bracket) or self.at >= len(self.text)

    def _key(self) -> tuple[str, ...]:
        self._skip()
        written = _KEY.match(self.text, self.at)
        if written is None:
            raise ValueError("this is not the TOML that was read")
        self.at = written.end()
        self._skip_blanks()
        return tuple(next(iter(tomllib.loads(f"{part} = 0"))) for part in re.findall(_PART, written[0]))

    def _takes(self, mark: str) -> bool:
        taken = self.text.startswith(mark, self.at)
        self.at += len(mark) * taken
        return taken

    def _skip(self) -> None:
        blank = _BLANK.match(self.text, self.at)
        self.at = blank.end() if blank else self.at

    def _skip_blanks(self) -> None:
        while self.text[self.at : self.at + 1] in (" ", "\t"):
            self.at += 1

    def _note_header(self, table: Place) -> None:
        for length in range(1, len(table) + 1):
            self._note(table[:length])

    def _note(self, place: Place, at: int | None = None) -> None:
        self.found.setdefault(place, self.text.count("\n", 0, self.at if at is None else at) + 1)
