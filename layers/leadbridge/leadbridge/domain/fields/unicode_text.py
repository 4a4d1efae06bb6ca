"""Unicode normalization of untrusted text in linear time. Everything that normalizes text uses this module."""

from __future__ import annotations

import re
import unicodedata

MAX_MARKS = 30  # combining marks in a row, as in Unicode's Stream-Safe Text Format; no language writes more

# Printable ASCII, Latin and Cyrillic letters: no character is invisible, or changed by normalization. Most texts have
# no others.
_SIMPLE = re.compile("[ -~\u00a1-\u00ac\u00ae-\u02af\u0400-\u0482\u048a-\u04ff\u02bc\u2019]*")
_SURPLUS = re.compile(b"[^\0]{%d,}" % (MAX_MARKS + 1))  # in the combining classes of a text
_INVISIBLE = re.compile(
    "[\u0000-\u0008\u000e-\u001f\u007f-\u0084\u0086-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b\u200c\u200e\u200f"
    "\u202a-\u202e\u2060-\u2069\u2800\u3164\ufeff\uffa0\ufff9-\ufffb]+"
)
_JOINER, _STYLES = "\u200d", "\ufe0e\ufe0f"
_EMOJI_PARTS = re.compile(f"[{_JOINER}{_STYLES}\U000e0000-\U000e007f]")
_EMOJI = (
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u23ff\u24c2\u25a0-\u27bf\u2900-\u297f\u2b00-\u2bff\u3030\u303d"
    "\u3297\u3299\U0001f000-\U0001faff"
)
_TAGS = "(\U0001f3f4[\U000e0020-\U000e007e]{1,16}\U000e007f)|[\U000e0000-\U000e007f]"
_STRAY_STYLE = f"(?<![{_EMOJI}0-9#*])[{_STYLES}]"
_STRAY_JOINER = f"(?<![{_EMOJI}{_STYLES}\u20e3\U000e007f]){_JOINER}|{_JOINER}(?![{_EMOJI}])"


def is_simple(text: str) -> bool:
    """Return whether a text has only characters that are visible and that normalization does not change."""
    return _SIMPLE.fullmatch(text) is not None


def collapse(text: str) -> str:
    """Return the text without invisible and control characters, each run of white space as one space.

    The invisible parts of an emoji (joiners, styles, the tags of a flag) stay where they belong to one.
    """
    if is_simple(text):
        return " ".join(text.split())
    text = _INVISIBLE.sub("", text)
    if _EMOJI_PARTS.search(text):
        text = re.sub(_TAGS, r"\1", text)
        text = re.sub(_STRAY_JOINER, "", re.sub(_STRAY_STYLE, "", text))
    return " ".join(text.split())


def clean(text: str) -> str:
    """Return the text as it is stored: collapsed and in NFC."""
    if is_simple(text):
        return " ".join(text.split())
    return " ".join(normalize(collapse(text)).split())


def normalize(text: str) -> str:
    """Return the text in NFC, without the combining marks that follow `MAX_MARKS` others.

    CPython sorts a run of combining marks in quadratic time, so the runs are bounded before it sorts them. They are
    bounded again afterwards, because one character can become two marks.
    """
    if text.isascii() or is_simple(text):
        return text
    return _without_surplus_marks(unicodedata.normalize("NFC", _without_surplus_marks(text)))


def fold(text: str) -> str:
    """Return a form that is the same for texts that differ only in case, white space or the encoding of accents."""
    if text.isascii():
        return " ".join(text.lower().split())
    return " ".join(normalize(normalize(text).casefold()).split())


def without_styles(text: str) -> str:
    """Return the text in NFKC, to search it: wide, raised and circled characters are plain ones."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFKC", _without_surplus_marks(text))


def _without_surplus_marks(text: str) -> str:
    # A run that is too long has one of these positions. Few texts have a mark at any of them.
    if len(text) <= MAX_MARKS or not any(map(unicodedata.combining, text[:: MAX_MARKS + 1])):
        return text
    kept, end = [], 0
    for run in _SURPLUS.finditer(bytes(map(unicodedata.combining, text))):
        kept.append(text[end : run.start() + MAX_MARKS])
        end = run.end()
    return "".join((*kept, text[end:]))
