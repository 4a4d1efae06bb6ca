"""Unicode normalization of untrusted text in linear time. Everything that normalizes text uses this module."""

from __future__ import annotations

import unicodedata

MAX_MARKS = 30  # combining marks in a row, as in Unicode's Stream-Safe Text Format; no language writes more


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
