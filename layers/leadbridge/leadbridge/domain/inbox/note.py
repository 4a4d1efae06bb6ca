"""The note of a group of the inbox. All operators see it, so it must not identify a person."""

from __future__ import annotations

import re

from leadbridge.domain.acceptance.ids import is_personal
from leadbridge.domain.errors.field_codes import FieldCode, InvalidValue

MAX_NOTE = 300  # characters
LONG_NUMBER = re.compile(r"\d{9,}")  # a phone or a tax number has more digits than a deal's number
SEPARATORS = str.maketrans("", "", " -().\u00a0")


def parse_note(text: str) -> str | None:
    """Return a note as it is stored; None for an empty one. Raises InvalidValue."""
    note = " ".join(text.split())
    if len(note) > MAX_NOTE:
        raise InvalidValue(FieldCode.TOO_LONG, f"must have at most {MAX_NOTE} characters")
    if is_personal("note", note, ()) or LONG_NUMBER.search(note.translate(SEPARATORS)):
        raise InvalidValue(FieldCode.PERSONAL_DATA, "must not contain a phone, an e-mail or a tax number")
    return note or None
