"""Character sets of forms."""

from __future__ import annotations

import codecs
import re
from encodings import normalize_encoding
from encodings.aliases import aliases
from json import detect_encoding

UTF_8 = "utf-8"

_KNOWN = frozenset(
    {
        *("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"),
        *("iso8859-1", "iso8859-2", "iso8859-5", "iso8859-9", "iso8859-15", "iso8859-16"),
        *("cp1250", "cp1251", "cp1252", "cp1254", "cp1257", "cp866", "cp855", "cp852"),
        *("koi8-r", "koi8-u", "mac-cyrillic", "mac-ukraine"),
    }
)
_PLAIN = frozenset({*(normalize_encoding(name) for name in _KNOWN), *aliases.values()})
_DECLARED = re.compile(r";\s*charset\s*=\s*\"?([^\s\";]*)", re.IGNORECASE)
_MAX_NAME = 40
_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)
_CYRILLIC = re.compile("[\u0400-\u04ff]")
_CYRILLIC_PAIR = re.compile("[А-яЁёЄєІіЇїҐґ]{2}")
_LATIN_IN_CYRILLIC = re.compile("[A-Za-z][\u0400-\u04ff]|[\u0400-\u04ff][A-Za-z]")
_SWAPPED_CASE = re.compile("[а-яґєії][А-ЯҐЄІЇ]")  # as of KOI8-U that is read as windows-1251


def declared(content_type: str) -> str:
    """Return the character set of a content type; UTF-8 by default and for an unknown one."""
    found = _DECLARED.search(content_type)
    return known(found[1]) if found and found[1] else UTF_8


def known(name: str) -> str:
    """Return Python's name of a text encoding; UTF-8 for an unknown one."""
    try:
        found = codecs.lookup(name).name if _is_listed(name) else UTF_8
    except (LookupError, ValueError):
        return UTF_8
    return found if found in _KNOWN else UTF_8


def _is_listed(name: str) -> bool:
    """Return whether Python has a codec of this name. `codecs.lookup` would cache every unknown name forever."""
    if len(name) > _MAX_NAME or not name.isascii():
        return False
    plain = normalize_encoding(name).lower()
    return plain in aliases or plain in _PLAIN


def is_wide(charset: str) -> bool:
    """Return whether an ASCII character takes more than one byte."""
    return charset.startswith(("utf-16", "utf-32"))


def decode(raw: bytes, charset: str) -> str:
    """Decode text and remove a byte order mark.

    Bytes that are not UTF-8, as declared or by default, are windows-1251 if they make whole Cyrillic words: many sites
    in Ukraine do not declare it. Bytes of another declared character set that are Cyrillic words in UTF-8 are UTF-8:
    libraries declare ISO-8859-1 by default. Other bytes that do not match become U+FFFD, which the fields' parsers
    report.
    """
    try:
        if charset != UTF_8 and not is_wide(charset) and (text := _as_cyrillic_utf_8(raw)) is not None:
            return text
        return raw.decode(charset).removeprefix("\ufeff")
    except UnicodeError:
        guess = _as_windows_1251(raw) if charset == UTF_8 else None
        return raw.decode(charset, errors="replace") if guess is None else guess


def has_mark(body: bytes) -> bool:
    """Return whether a body starts with a byte order mark."""
    return body.startswith(_MARKS)


def as_utf_8(body: bytes, content_type: str) -> bytes:
    """Return a body in UTF-8. A byte order mark has priority over the declared character set."""
    charset = declared(content_type)
    if has_mark(body) or (charset == UTF_8 and b"\0" in body[:4]):
        charset = detect_encoding(body)
    return decode(body, charset).encode(errors="surrogatepass")


def _as_cyrillic_utf_8(raw: bytes) -> str | None:
    if raw.isascii():
        return None
    try:
        text = raw.decode()
    except UnicodeError:
        return None
    return text if _CYRILLIC_PAIR.search(text) else None


def _as_windows_1251(raw: bytes) -> str | None:
    try:
        text = raw.decode("cp1251")
    except UnicodeError:
        return None
    is_mixed = _LATIN_IN_CYRILLIC.search(text) or _SWAPPED_CASE.search(text)
    return None if is_mixed or not _CYRILLIC.search(text) else text
