"""The names of a form's fields, as they are stored without their answers: few, short, and not about a person.

A post can have any names. So one that could hold an e-mail address is left out, and the digits of one that could hold
a phone or another number of a person are hidden.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from leadbridge.domain.fields import truncate_text
from leadbridge.domain.fields.unicode_text import without_styles

MAX_NAMES = 10  # of one post
MAX_LENGTH = 40  # characters of a name; a longer one is cut
MAX_TRIED = 100  # names of one post that are looked at
PERSONAL_DIGITS = 6  # without a letter between them; a shorter number identifies no person
HIDDEN = "#"  # instead of a digit


def safe_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return some names as they may be stored and shown, each once."""
    found: dict[str, None] = {}
    for _, name in zip(range(MAX_TRIED), names, strict=False):
        if (safe := safe_name(name)) is not None:
            found[safe] = None
        if len(found) == MAX_NAMES:
            break
    return tuple(found)


def safe_name(name: str) -> str | None:
    """Return a name as it may be stored and shown; None if it could hold an e-mail address, or is empty."""
    # The digits are hidden before the name is cut: the rest of a number would not be recognized.
    searched = without_styles(name[: 4 * MAX_LENGTH])
    if "@" in searched or "%40" in searched:
        return None
    if re.search(rf"(?:\d[\W_]*){{{PERSONAL_DIGITS}}}", searched):
        name = re.sub(r"\d", HIDDEN, searched)
    return truncate_text(name, MAX_LENGTH)
