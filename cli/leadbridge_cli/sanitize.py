"""Sanitize external values for terminals and spreadsheets, and mask personal data."""

import json
import re
import unicodedata
from typing import Any

NAMES = {"telephone": "phone"}  # Leeloo's names of masked fields that differ from a lead's
STARTS_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20|%]")

# Unicode categories that control a terminal, hide or reorder text, or are not text.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def sanitize(value: object) -> str:
    r"""Return a value as one line of text; control characters are escaped, such as `\x1b` and `\n`."""
    text = value if isinstance(value, str) else str(value)
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_visible, text))


def as_json(document: object) -> str:
    """Return one line of JSON. Control characters are escaped, so that parsers read the same value."""
    line = json.dumps(document, ensure_ascii=False, default=str)
    return line if line.isascii() and line.isprintable() else "".join(map(_escaped, line))


def for_spreadsheet(value: object) -> str:
    """Return a CSV cell: sanitized text that a spreadsheet does not read as a formula."""
    text = "" if value is None else sanitize(value)
    return f"'{text}" if STARTS_FORMULA.match(text) else text


def masked(value: Any) -> Any:
    """Return the document with all phones, e-mails and tax numbers masked, as the API masks them."""
    from leadbridge.api.masking import MASKS

    def member(key: str, each: Any) -> Any:
        mask = MASKS.get(NAMES.get(key, key))
        return mask(str(each)) if mask is not None and isinstance(each, str | int) and each != "" else masked(each)

    match value:
        case dict():
            return {key: member(key, each) for key, each in value.items()}
        case list() | tuple():
            return [masked(each) for each in value]
    return value


def _visible(character: str) -> str:
    if unicodedata.category(character) not in _UNSAFE:
        return character
    return character.encode("unicode_escape", "surrogatepass").decode()


def _escaped(character: str) -> str:
    if unicodedata.category(character) not in _UNSAFE:
        return character
    return json.dumps(character)[1:-1]
