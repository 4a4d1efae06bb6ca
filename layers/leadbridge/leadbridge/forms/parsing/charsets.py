"""Character sets of forms."""

from __future__ import annotations

import codecs
import re
from encodings import normalize_encoding
from encodings.aliases import aliases

from leadbridge.forms.base import Unreadable

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


def declared(content_type: str) -> str:
    """Return the character set of a content type, UTF-8 by default. Raises Unreadable."""
    found = _DECLARED.search(content_type)
    return known(found[1]) if found and found[1] else UTF_8


def known(name: str) -> str:
    """Return Python's name of a text encoding. Raises Unreadable."""
    try:
        found = codecs.lookup(name).name if _is_listed(name) else ""
    except (LookupError, ValueError):
        found = ""
    if found == "ascii":
        return UTF_8
    if found not in _KNOWN:
        raise Unreadable("the character set is not supported")
    return found


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
    """Decode text and remove a byte order mark. Raises Unreadable."""
    try:
        return raw.decode(charset).removeprefix("\ufeff")
    except UnicodeError:
        raise Unreadable(f"the text is not valid {charset}") from None
