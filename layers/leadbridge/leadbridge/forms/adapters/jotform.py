"""Jotform: multipart with a token in the address; the answers are JSON in `rawRequest`, each as `q3_name`.

The configuration names a field without its `q3_`. An answer of several parts (a full name, a phone, an address) is one
text; its parts can be had as `name.first`. `submissionID` names the submission.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from leadbridge.forms.base import Request, Submission
from leadbridge.forms.mapping import to_sections
from leadbridge.forms.parsing.bodies import MULTIPART, URLENCODED, Fields, as_text, inside, read_fields
from leadbridge.forms.parsing.json_body import read_object
from leadbridge.forms.tokens import verify_token, with_token
from leadbridge.settings import Source

# The parts of the usual answers, in the order in which people read them, and what stands between.
SHAPES: tuple[tuple[tuple[str, ...], str], ...] = (
    (("full",), ""),
    (("prefix", "first", "middle", "last", "suffix"), " "),
    (("country", "area", "phone"), " "),
    (("year", "month", "day"), "-"),
)

MAX_PARTS = 100  # of one answer; each repeats the name of its question

content_types = (MULTIPART, URLENCODED)

_QUESTION = re.compile(r"q[0-9]+_(.+)", re.DOTALL)


def verify(request: Request, secrets: Sequence[str], now: datetime) -> None:
    """Check the token. Raises SignatureInvalid."""
    verify_token(request, secrets)


def parse(request: Request, source: Source) -> tuple[Submission, ...]:
    """One submission a post. Raises Unreadable."""
    fields = read_fields(request, source.files)
    content = read_object(fields.get("rawRequest", "").encode(errors="surrogatepass"))
    answers = _answers(content)
    consent = {
        "given_at": _moment(as_text(content.get("submitDate"))),
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
    """The post as Jotform sends it to an address with the token."""
    return with_token(request, secret)


def _answers(content: dict[str, Any]) -> Fields:
    answers: Fields = {}
    for question, value in content.items():
        found = _QUESTION.fullmatch(question)
        if found is None:
            continue
        if isinstance(value, dict):
            parts = {part: as_text(one) for part, one in islice(value.items(), MAX_PARTS)}
            answers[found[1]] = _together(parts)
            answers |= {inside(found[1], part): text for part, text in parts.items()}
        else:
            answers[found[1]] = as_text(value)
    return answers


def _together(parts: Fields) -> str:
    for names, between in SHAPES:
        texts = [parts[name].strip() for name in names if parts.get(name, "").strip()]
        if texts:
            return between.join(texts)
    return ", ".join(filter(None, parts.values()))


def _moment(milliseconds: str) -> str:
    """The time of the submission, which Jotform counts in milliseconds; empty where it is no such number."""
    if not re.fullmatch(r"[0-9]{12,14}", milliseconds):
        return ""
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC).isoformat(timespec="milliseconds")
