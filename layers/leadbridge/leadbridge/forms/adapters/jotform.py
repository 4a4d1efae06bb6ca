"""Jotform: multipart with a token in the URL. The answers are JSON in `rawRequest`, each as `q3_name`.

The configuration names a field without `q3_`. An answer with several parts (name, phone, address) is one text; a part
is also available as `name.first`. `submissionID` identifies the submission.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from leadbridge.forms.base import Request, Submission, Unreadable
from leadbridge.forms.mapping import to_sections
from leadbridge.forms.parsing.bodies import MULTIPART, URLENCODED, read_fields
from leadbridge.forms.parsing.json_body import read_object
from leadbridge.forms.parsing.nested import MAX_FIELDS, Fields, as_text, inside
from leadbridge.forms.tokens import verify_token, with_token
from leadbridge.settings import Source

# The parts of common answers in reading order, and their separator.
PART_ORDERS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("full",), ""),
    (("prefix", "first", "middle", "last", "suffix"), " "),
    (("country", "area", "phone"), " "),
    (("year", "month", "day"), "-"),
)

MAX_PARTS = 100  # of one answer

edits_keep_id = True  # of a submission that the person or the form's owner edits

content_types = (MULTIPART, URLENCODED)

_PART = re.compile(r"(q[0-9]+_[^\[\]]+)\[([^\[\]]+)\]")  # as a form posts the first part of a name: q3_name[first]
_QUESTION = re.compile(r"q[0-9]+_(.+)", re.DOTALL)


def verify(request: Request, secrets: Sequence[str], now: datetime) -> None:
    """Check the token. Raises SignatureInvalid."""
    verify_token(request, secrets)


def parse(request: Request, source: Source) -> tuple[Submission, ...]:
    """Parse one submission. Raises Unreadable."""
    fields = read_fields(request, source.files)
    content = _content(fields)
    answers = _answers(content)
    consent = {
        "given_at": _timestamp(as_text(content.get("submitDate"))),
        "form": fields.get("formTitle") or fields.get("formID", ""),
        "ip": fields.get("ip", ""),
    }
    submission = Submission(
        values=to_sections(answers, source, consent),
        delivery_id=fields.get("submissionID") or None,
        answers=answers,
    )
    return (submission,)


def sign_request(request: Request, secret: str, now: datetime) -> Request:
    """Return the request as Jotform sends it: with the token in the URL."""
    return with_token(request, secret)


def _content(fields: Fields) -> dict[str, Any]:
    """Return the answers by question: `rawRequest`, or the fields of a post without it. Raises Unreadable."""
    try:
        return read_object(fields.get("rawRequest", "").encode(errors="surrogatepass"))
    except Unreadable:
        parts: dict[str, dict[str, str]] = {}
        for name, text in fields.items():
            if part := _PART.fullmatch(name):
                parts.setdefault(part[1], {})[part[2]] = text
        if not any(_QUESTION.fullmatch(name) for name in fields):
            raise
        whole = {name: text for name, text in fields.items() if not _PART.fullmatch(name)}
        return {**whole, **parts}


def _answers(content: dict[str, Any]) -> Fields:
    answers: Fields = {}
    for question, value in content.items():
        if len(answers) >= MAX_FIELDS:
            break
        found = _QUESTION.fullmatch(question)
        if found is None:
            continue
        if isinstance(value, dict):
            parts = {part: as_text(one) for part, one in islice(value.items(), MAX_PARTS)}
            answers[found[1]] = _join_parts(parts)
            answers |= {inside(found[1], part): text for part, text in parts.items()}
        else:
            answers[found[1]] = as_text(value)
    return answers


def _join_parts(parts: Fields) -> str:
    for names, separator in PART_ORDERS:
        texts = [parts[name].strip() for name in names if parts.get(name, "").strip()]
        if texts:
            return separator.join(texts)
    return ", ".join(filter(None, parts.values()))


def _timestamp(milliseconds: str) -> str:
    """Return the time of the submission, given in milliseconds; empty if it is malformed."""
    if not re.fullmatch(r"[0-9]{12,14}", milliseconds):
        return ""
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC).isoformat(timespec="milliseconds")
