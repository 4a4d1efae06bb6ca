"""Typeform: signed JSON. Answers are known by their question's `ref`; hidden fields come by their own names.

`Typeform-Signature` is `sha256=` and the base64 of the HMAC-SHA256 over the body; there is no timestamp. What names a
submission is the response's `token`: it stays when the same response comes again, even from the form's second webhook.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from leadbridge.auth.signatures import in_base64, signature, verify_signature
from leadbridge.forms.base import Request, Submission
from leadbridge.forms.mapping import to_sections
from leadbridge.forms.parsing.bodies import JSON, Fields, as_text, read_json
from leadbridge.forms.parsing.json_shapes import an_object, objects
from leadbridge.settings import Source

HEADER = "typeform-signature"
PREFIX = "sha256="

content_types = (JSON,)


def verify(request: Request, secrets: Sequence[str], now: datetime) -> None:
    """Check the signature over the raw bytes. Raises SignatureInvalid."""
    verify_signature(request.headers.get(HEADER, ""), secrets, request.body, in_base64, PREFIX)


def parse(request: Request, source: Source) -> tuple[Submission, ...]:
    """One response a post; one that was left unfinished is no lead. Raises Unreadable."""
    content = read_json(request)
    if content.get("event_type", "form_response") != "form_response":
        return ()
    response = an_object(content.get("form_response"))
    definition = an_object(response.get("definition"))
    answers = {name: as_text(value) for name, value in an_object(response.get("hidden")).items()}
    answers |= _answers(response)
    consent = {
        "given_at": as_text(response.get("submitted_at")) or as_text(response.get("landed_at")),
        "form": as_text(definition.get("title")) or as_text(response.get("form_id")),
    }
    submission = Submission(
        values=to_sections(answers, source, consent),
        delivery_id=as_text(response.get("token")) or as_text(content.get("event_id")) or None,
        answers=answers,
    )
    return (submission,)


def sign_request(request: Request, secret: str, now: datetime) -> Request:
    """The post as Typeform signs it."""
    headers = {**request.headers, HEADER: signature(secret, request.body, in_base64, PREFIX)}
    return replace(request, headers=headers)


def _answers(response: dict[str, Any]) -> Fields:
    answers: Fields = {}
    for answer in objects(response.get("answers")):
        question = an_object(answer.get("field"))
        for name in (as_text(question.get("ref")), as_text(question.get("id"))):
            if name:
                answers.setdefault(name, _value(answer))
    return answers


def _value(answer: dict[str, Any]) -> str:
    """The value lies under the name of the answer's type; choices under `label` or `labels`, and `other`."""
    value = answer.get(as_text(answer.get("type")))
    if isinstance(value, dict):
        chosen = (as_text(value.get(name)) for name in ("label", "labels", "other"))
        return ", ".join(filter(None, chosen))
    return as_text(value)
