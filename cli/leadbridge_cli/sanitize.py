"""Values from strangers, made harmless: to a terminal, to a spreadsheet, to whoever looks over a shoulder."""

import json
import re
import unicodedata
from typing import Any

PRIVATE = frozenset({"phone", "tax_number", "telephone", "email"})
SHOWN_DIGITS = 2
STARTS_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20|%]")

# What a terminal acts upon, what hides or reorders text, and what is no text at all.
_HARMFUL = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def harmless(value: object) -> str:
    r"""A value as text of one line in which nothing acts: an escape is shown as `\x1b`, a new line as `\n`."""
    text = value if isinstance(value, str) else str(value)
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_visible, text))


def as_json(document: object) -> str:
    """One line of JSON; what would act in a terminal is escaped, so that it reads the same and shows harmlessly."""
    line = json.dumps(document, ensure_ascii=False, default=str)
    return line if line.isascii() and line.isprintable() else "".join(map(_escaped, line))


def for_spreadsheet(value: object) -> str:
    """A CSV cell: harmless text, and none that a spreadsheet would take for a formula."""
    text = "" if value is None else harmless(value)
    return f"'{text}" if STARTS_FORMULA.match(text) else text


def masked(value: Any) -> Any:
    """The same document with people's phones, e-mails and tax numbers masked, wherever they are."""
    match value:
        case dict():
            return {key: _hidden(each) if key in PRIVATE else masked(each) for key, each in value.items()}
        case list() | tuple():
            return [masked(each) for each in value]
    return value


def _hidden(value: Any) -> Any:
    if not isinstance(value, str | int) or value == "":
        return value
    text = str(value)
    if "@" in text:
        return f"***@{text.rpartition('@')[2]}"
    shown = text[-SHOWN_DIGITS:] if len(text) > 2 * SHOWN_DIGITS else ""
    return f"***{shown}"


def _visible(character: str) -> str:
    if unicodedata.category(character) not in _HARMFUL:
        return character
    return character.encode("unicode_escape", "surrogatepass").decode()


def _escaped(character: str) -> str:
    if unicodedata.category(character) not in _HARMFUL:
        return character
    return json.dumps(character)[1:-1]
