"""Unicode normalization of untrusted text in linear time. Everything that normalizes text uses this module."""

from __future__ import annotations

import re
import unicodedata

MAX_MARKS = 30  # combining marks in a row, as in Unicode's Stream-Safe Text Format; no language writes more

_INVISIBLE = re.compile(
    "[\u0000-\u0008\u000e-\u001f\u007f-\u0084\u0086-\u009f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)


def collapse(text: str) -> str:
    """Return the text without invisible and control characters, each run of white space as one space."""
    return " ".join(_INVISIBLE.sub("", text).split())


def clean(text: str) -> str:
    """Return the text as it is stored: collapsed and in NFC."""
    return " ".join(normalize(collapse(text)).split())


def normalize(text: str) -> str:
    """Return the text in NFC, without the combining marks that follow `MAX_MARKS` others.

    CPython sorts a run of combining marks in quadratic time, so the runs are bounded before it sorts them. They are
    bounded again afterwards, because one character can become two marks.
    """
    if text.isascii():
        return text
    return _without_surplus_marks(unicodedata.normalize("NFC", _without_surplus_marks(text)))


def fold(text: str) -> str:
    """Return a form that is the same for texts that differ only in case, white space or the encoding of accents."""
    return " ".join(normalize(normalize(text).casefold()).split())


def _without_surplus_marks(text: str) -> str:
    if len(text) <= MAX_MARKS:
        return text
    kept, run = [], 0
    for character in text:
        run = run + 1 if unicodedata.combining(character) else 0
        if run <= MAX_MARKS:
            kept.append(character)
    return text if len(kept) == len(text) else "".join(kept)
