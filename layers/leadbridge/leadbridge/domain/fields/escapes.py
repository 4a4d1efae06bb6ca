"""Decode the escapes that a form or its plugins left in a text: HTML entities, backslashes, percent signs.

Each is decoded once, in linear time. A text without them does not change.
"""

from __future__ import annotations

import re

_ENTITY = r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});"
_BACKSLASH = r"""\\(?:u([0-9A-Fa-f]{4})|([nrt])|(['"\\/]))"""
_BARE_UNICODE = r"(?:u0[0-9A-Fa-f]{3}){3,}"  # WordPress removes the backslashes of `\u0422\u0435…`
_PERCENT = r"(?:%[0-9A-Fa-f]{2})+"
_WINDOWS_PATH = r"(?:^|\s)[A-Za-z]:\\"


def unescape(text: str) -> str:
    """Return the text with HTML entities and backslash escapes decoded."""
    if "&" in text:
        text = re.sub(_ENTITY, _entity, text)
    if "\\" in text and not re.search(_WINDOWS_PATH, text):
        text = re.sub(_BACKSLASH, _backslash, text)
    return text


def unescape_words(text: str) -> str:
    """Return words of a person with all escapes decoded, also those that an id or an address may contain."""
    decoded = unescape(text)
    if "u0" in decoded:
        decoded = re.sub(_BARE_UNICODE, _bare_unicode, decoded)
    if "%" in decoded and (parts := re.findall(_PERCENT, decoded)):
        if any(part[1] in "CDcd" for part in parts) and " " not in decoded and "/" not in decoded:
            decoded = decoded.replace("+", " ")
        decoded = re.sub(_PERCENT, _percent, decoded)
    return decoded


def _entity(found: re.Match[str]) -> str:
    import html

    return html.unescape(found[0])


def _backslash(found: re.Match[str]) -> str:
    code, space, character = found.groups()
    if code:
        return chr(int(code, 16))
    return " " if space else character


def _bare_unicode(found: re.Match[str]) -> str:
    text = found[0]
    return "".join(chr(int(text[start + 1 : start + 5], 16)) for start in range(0, len(text), 5))


def _percent(found: re.Match[str]) -> str:
    """Decode a run that is UTF-8 and has letters outside ASCII; any other one stays."""
    try:
        decoded = bytes.fromhex(found[0].replace("%", "")).decode()
    except ValueError:
        return found[0]
    return found[0] if decoded.isascii() and decoded not in {" ", "'"} else decoded
