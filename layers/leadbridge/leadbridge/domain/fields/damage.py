"""Recognize text that no person typed: letters that were lost or read in a wrong encoding, and bare ids."""

from __future__ import annotations

import re

from leadbridge.domain.errors.field_codes import FieldCode

MAX_WORDS = 100  # of which each is checked

_UUIDS = r"(?:[{(]?(?:[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32})[)}]?(?:[,;\s]+|$))+"
_USUAL = re.compile(r"[A-Za-zА-Яа-яЁёІіЇїЄєҐґ0-9 '’ʼ.,-]*")  # nothing to look for among these
_LOST = r"\ufffd|(?<!\w)\?{3,}"
_BOX_DRAWING = "[\u2500-\u259f].?[\u2500-\u259f]"

# UTF-8 that was read as Latin-1 or windows-1252: a letter of the first byte, and what the second byte becomes.
_CONTINUATION_LATIN = (
    "\u0080-\u00bf\u20ac\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u017d\u2018\u2019\u201c\u201d"
    "\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u017e\u0178"
)
_UTF8_AS_LATIN = f"[ÐÑ](?:[{_CONTINUATION_LATIN}]|(?=[ÐÑ]|$))"
_SYMBOLS_AS_LATIN = f"Ã[{_CONTINUATION_LATIN}]|â€"

# UTF-8 that was read as windows-1251: the first byte becomes Р or С. Letters of both alphabets can follow these, too.
_CONTINUATION_CYRILLIC = (
    "\u0402\u0403\u201a\u0453\u201e\u2026\u2020\u2021\u20ac\u2030\u0409\u2039\u040a\u040c\u040b\u040f\u0452\u2018\u2019"
    "\u201c\u201d\u2022\u2013\u2014\u2122\u0459\u203a\u045a\u045c\u045b\u045f\u00a0\u040e\u045e\u0408\u00a4\u00a6\u00a7"
    "\u00a9\u00ab\u00ac\u00ae\u00b0\u00b1\u00b5\u00b6\u00b7\u2116\u00bb\u0458\u0405\u0455"
)
_LETTERS_AFTER = "іїєґёІЇЄҐЁ"
_UTF8_AS_CYRILLIC = f"[РС][{_CONTINUATION_CYRILLIC}{_LETTERS_AFTER}]"
_NO_LETTER_PAIR = f"[РС][{_CONTINUATION_CYRILLIC}]"

# windows-1251 that was read as Latin-1 or windows-1252: nearly every letter is one of these.
_CYRILLIC_AS_LATIN = "[\u00c0-\u00ff]"
_CYRILLIC_AS_SYMBOLS = "[\u00aa\u00af\u00b2\u00b3\u00b4\u00ba\u00bf]"  # Є Ї І і ґ є ї


def find_damage(text: str) -> FieldCode | None:
    """Return what shows that a clean text is not words of a person; None if nothing does."""
    if _is_ids(text):
        return FieldCode.NOT_WORDS
    if is_damaged(text):
        return FieldCode.DAMAGED_TEXT
    if not any(map(str.isalpha, text)):
        return FieldCode.NO_LETTERS
    return None


def is_damaged(text: str) -> bool:
    """Return whether letters of the text were lost, or decoded with a wrong encoding."""
    if _USUAL.fullmatch(text):
        return any(map(_is_alternating, text.split())) if "Р" in text or "С" in text else False
    if re.search(_LOST, text) or re.search(_BOX_DRAWING, text) or re.search(_SYMBOLS_AS_LATIN, text):
        return True
    return any(map(_is_mojibake, text.split(maxsplit=MAX_WORDS)[:MAX_WORDS]))


def _is_ids(text: str) -> bool:
    return len(text) >= 32 and re.fullmatch(_UUIDS, text) is not None


def _is_mojibake(word: str) -> bool:
    if word.isascii():
        return False
    length = len(word)
    if len(re.findall(_UTF8_AS_LATIN, word)) >= 2:
        return True
    pairs = len(re.findall(_UTF8_AS_CYRILLIC, word))
    if pairs >= 2 and 2 * pairs >= 0.6 * length and re.search(_NO_LETTER_PAIR, word):
        return True
    if _is_alternating(word):
        return True
    letters = len(re.findall(_CYRILLIC_AS_LATIN, word))
    if letters < 2:
        return False
    letters += len(re.findall(_CYRILLIC_AS_SYMBOLS, word))
    return (letters >= 3 and letters >= 0.75 * length) or (letters >= 5 and letters >= 0.6 * length)


def _is_alternating(word: str) -> bool:
    """Return whether a word is UTF-8 read as windows-1251, of letters alone: a capital Р or С in every other place."""
    second = word[1::2]
    return len(word) >= 6 and set(word[::2]) <= {"Р", "С"} and len(word) == 2 * len(second) and not word.isupper()
