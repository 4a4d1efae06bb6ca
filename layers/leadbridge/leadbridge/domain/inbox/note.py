"""The note of a group of the inbox. All operators see it, so it must not identify a person."""

from __future__ import annotations

import re

from leadbridge.domain.errors.field_codes import FieldCode, InvalidValue
from leadbridge.domain.fields.unicode_text import without_styles

MAX_NOTE = 300  # characters
# A phone or a tax number has at least nine digits, a deal's number fewer. No letter is between them.
LONG_NUMBER = re.compile(r"\d(?:[\W_]{0,3}\d){8}")
EMAIL = re.compile("@|%40")
DATE = re.compile(
    r"(?<!\d)(?:20\d\d-[01]\d-[0-3]\d|[0-3]\d[./][01]\d[./]20\d\d)"
    r"(?:[ T,]{1,2}[0-2]\d:[0-5]\d(?::[0-5]\d)?)?(?!:?\d)",
    re.ASCII,
)
PERSONAL = (
    "must not contain a phone, an e-mail or a tax number: no @, and no nine digits without a letter between them, "
    "except in a date such as 2026-11-29 14:30"
)


def parse_note(text: str) -> str | None:
    """Return a note as it is stored; None for an empty one. Raises InvalidValue."""
    note = " ".join(text.split())
    if len(note) > MAX_NOTE:
        raise InvalidValue(FieldCode.TOO_LONG, f"must have at most {MAX_NOTE} characters")
    searched = without_styles(note)
    if EMAIL.search(searched) or LONG_NUMBER.search(DATE.sub("date", searched)):
        raise InvalidValue(FieldCode.PERSONAL_DATA, PERSONAL)
    return note or None
