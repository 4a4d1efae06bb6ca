"""Contact Form 7 and any HTML form: URL-encoded, multipart, JSON or text, with a token in the URL, without an id."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from leadbridge.forms.base import Request, Submission
from leadbridge.forms.mapping import configured_names, to_sections
from leadbridge.forms.parsing.bodies import JSON_TYPES, MULTIPART, TEXT, URLENCODED, read_fields
from leadbridge.forms.tokens import PARAMETER, verify_token, with_token
from leadbridge.settings import Source

FORM_NAME_FIELDS = ("form_name", "form_id", "_wpcf7")

content_types = (URLENCODED, MULTIPART, *JSON_TYPES, TEXT)


def verify(request: Request, secrets: Sequence[str], now: datetime) -> None:
    """Check the token. Raises SignatureInvalid."""
    verify_token(request, secrets)


def parse(request: Request, source: Source) -> tuple[Submission, ...]:
    """Parse one submission. Raises Unreadable."""
    answers = read_fields(request, source.files, configured_names(source))
    answers.pop(PARAMETER, None)
    consent = {
        "form": next((answers[name] for name in FORM_NAME_FIELDS if answers.get(name)), ""),
        "page_url": request.headers.get("referer", ""),
    }
    submission = Submission(
        values=to_sections(answers, source, consent),
        delivery_id=None,
        answers=answers,
    )
    return (submission,)


def sign_request(request: Request, secret: str, now: datetime) -> Request:
    """Return the request with the token in its URL."""
    return with_token(request, secret)
