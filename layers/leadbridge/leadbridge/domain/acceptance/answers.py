"""The raw answers of a form, as they are stored beside a lead whose fields could not all be read."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

MAX_ANSWERS = 100  # answers of one lead
MAX_NAME_LENGTH = 200  # characters of a form field's name
MAX_ANSWER_LENGTH = 4_000  # characters of one answer
MAX_TOTAL_BYTES = 64_000  # of all names and answers; a table's item has at most 400 KB, and can have two sets of them


def bound_answers(answers: Mapping[str, str]) -> dict[str, str]:
    """Return the answers that are not blank, as they came, within the limits.

    Names and answers that are too long are cut. Answers beyond the limits are left out. Lone surrogates, which the
    table does not accept, are replaced.
    """
    kept: dict[str, str] = {}
    room = MAX_TOTAL_BYTES
    for name, answer in islice(answers.items(), 10 * MAX_ANSWERS):
        short_name, short = _encodable(name[:MAX_NAME_LENGTH]), _encodable(answer[:MAX_ANSWER_LENGTH])
        if not short.strip() or short_name in kept:
            continue
        room -= len(short_name.encode()) + len(short.encode())
        if room < 0 or len(kept) == MAX_ANSWERS:
            break
        kept[short_name] = short
    return kept


def _encodable(text: str) -> str:
    return text.encode(errors="replace").decode()
