"""Parsers of texts: plain ones, a person's words, and texts that are never a reason to refuse a lead."""

from __future__ import annotations

import re
from decimal import Decimal

from leadbridge.domain.errors.field_codes import FieldCode, InvalidValue
from leadbridge.domain.fields.damage import find_damage, is_damaged
from leadbridge.domain.fields.escapes import unescape, unescape_words
from leadbridge.domain.fields.reading import Reading
from leadbridge.domain.fields.unicode_text import clean, collapse, is_simple, normalize

MAX_TEXT_LENGTH = 255  # characters; the partners publish no limits of their own
MAX_LABEL_LENGTH = 1024  # characters of a text about a lead's origin
MAX_READ_LENGTH = 8192  # characters of a form's value that are read; the others are not looked at
MAX_DECOMPOSITION = 4  # characters that NFC can compose into one

_HALF_PAIR = "[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]"
_ESCAPE_MARK = re.compile(r"[&\\%]|u0")


def text(value: object, _reading: Reading | None = None, *, limit: int = MAX_TEXT_LENGTH) -> str | None:
    """Parse a text: NFC, collapsed white space, no invisible or control characters, at most `limit` characters.

    The steps of linear time come first. Only a text that can still fit the limit is normalized.
    """
    if value is None:
        return None
    raw = _raw(value)
    if is_simple(raw):
        short = " ".join(raw.split())
    else:
        try:
            raw.encode()
        except ValueError:
            raise InvalidValue(FieldCode.INVALID_CHARACTERS) from None
        short = collapse(raw)
        if len(short) <= MAX_DECOMPOSITION * limit:
            short = " ".join(normalize(short).split())
    if len(short) > limit:
        raise InvalidValue(FieldCode.TOO_LONG, f"must be at most {limit} characters")
    return short or None


def truncate_text(value: object, limit: int) -> str | None:
    """Parse a text and cut it to `limit` characters; None if it is no text. Never raises."""
    try:
        found = text(value[:limit] if isinstance(value, str) else value, limit=MAX_DECOMPOSITION * limit)
    except ValueError:
        return None
    return _cut(found or "", limit) or None


def words(value: object, reading: Reading | None = None) -> str | None:
    """Parse a person's words, such as a city. They stay as they are: what is unusual about them is a warning."""
    reading = reading or Reading()
    found = _answer(value, reading)
    if found is None:
        return None
    if damage := find_damage(found):
        reading.warn(damage)
    return found


def name(value: object, reading: Reading | None = None) -> str | None:
    """Parse a person's name. Raises InvalidValue for a text that cannot be one."""
    found = _answer(value, reading or Reading())
    if found is None:
        return None
    if damage := find_damage(found):
        raise InvalidValue(damage)
    return found


def label(value: object, reading: Reading | None = None) -> str | None:
    """Parse a text about a lead's origin. What is no text is left out, what is too long is cut."""
    reading = reading or Reading()
    if isinstance(value, str) and ("&" in value or "\\" in value):
        short = value[:MAX_READ_LENGTH]
        value = _unescaped(short, unescape(short), reading)
    found = opaque(value, reading)
    if found is not None and is_damaged(found):
        reading.warn(FieldCode.DAMAGED_TEXT)
    return found


def opaque(value: object, reading: Reading | None = None) -> str | None:
    """Parse an id of another system, such as a click id. It is cut if it is too long, and not decoded."""
    found = truncate_text(value, MAX_LABEL_LENGTH)
    if reading is not None and found is not None and len(found) == MAX_LABEL_LENGTH < len(str(value)):
        reading.warn(FieldCode.TOO_LONG, f"was cut to {MAX_LABEL_LENGTH} characters")
    return found


def typed(value: object, reading: Reading, *, limit: int = MAX_TEXT_LENGTH) -> str | None:
    """Return a clean text for a parser that needs all of it; None if it is empty. Raises InvalidValue."""
    if value is None:
        return None
    raw = _raw(value)
    if len(raw) > limit:
        raw = raw.strip()
    if len(raw) > MAX_READ_LENGTH:
        raise InvalidValue(FieldCode.TOO_LONG, f"must be at most {limit} characters")
    if "&" in raw or "\\" in raw:
        raw = _unescaped(raw, unescape(raw), reading)
    return text(raw, limit=limit)


def _answer(value: object, reading: Reading) -> str | None:
    if value is None:
        return None
    raw = _raw(value)
    is_cut = False
    if len(raw) > MAX_READ_LENGTH:
        raw = raw.strip()
        is_cut = len(raw) > MAX_READ_LENGTH
        raw = raw[:MAX_READ_LENGTH]
    if _ESCAPE_MARK.search(raw):
        raw = _unescaped(raw, unescape_words(raw), reading)
    found = " ".join(raw.split()) if is_simple(raw) else clean(_without_surrogates(raw))
    if is_cut or len(found) > MAX_TEXT_LENGTH:
        found = _cut(found, MAX_TEXT_LENGTH)
        reading.warn(FieldCode.TOO_LONG, f"was cut to {MAX_TEXT_LENGTH} characters")
    return found or None


def _raw(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise InvalidValue(FieldCode.NOT_TEXT)
    try:
        return str(value)
    except ValueError:
        raise InvalidValue(FieldCode.INVALID_CHARACTERS) from None


def _unescaped(raw: str, decoded: str, reading: Reading) -> str:
    if decoded != raw:
        reading.warn(FieldCode.UNESCAPED)
    return decoded


def _without_surrogates(raw: str) -> str:
    """Return the text with each pair of surrogates joined, and U+FFFD for half of one."""
    try:
        raw.encode()
    except ValueError:
        return re.sub(_HALF_PAIR, "\ufffd", raw).encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    return raw


def _cut(found: str, limit: int) -> str:
    return collapse(found[:limit]) if len(found) > limit else found
