"""Tally: signed JSON. Fields are named by their question's label. Choices are ids, which become their texts.

`Tally-Signature` is the base64 of the HMAC-SHA256 over the body; there is no timestamp. `responseId` identifies a
submission and stays the same if the response is sent again.
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
from leadbridge.forms.parsing.json_shapes import as_object, objects_in
from leadbridge.settings import Source

HEADER = "tally-signature"

content_types = (JSON,)


def verify(request: Request, secrets: Sequence[str], now: datetime) -> None:
    """Check the signature over the raw bytes. Raises SignatureInvalid."""
    verify_signature(request.headers.get(HEADER, ""), secrets, request.body, in_base64)


def parse(request: Request, source: Source) -> tuple[Submission, ...]:
    """Parse one response. Other events are not leads. Raises Unreadable."""
    content = read_json(request)
    if content.get("eventType", "FORM_RESPONSE") != "FORM_RESPONSE":
        return ()
    data = as_object(content.get("data"))
    answers = _answers(data)
    consent = {
        "given_at": as_text(data.get("createdAt")) or as_text(content.get("createdAt")),
        "form": as_text(data.get("formName")) or as_text(data.get("formId")),
    }
    submission = Submission(
        values=to_sections(answers, source, consent),
        delivery_id=as_text(data.get("responseId")) or as_text(content.get("eventId")) or None,
        answers=answers,
    )
    return (submission,)


def sign_request(request: Request, secret: str, now: datetime) -> Request:
    """Return the request with Tally's signature."""
    return replace(request, headers={**request.headers, HEADER: signature(secret, request.body, in_base64)})


def _answers(data: dict[str, Any]) -> Fields:
    """Return each answer under its label and its key. A question may have no label."""
    answers: Fields = {}
    for field in objects_in(data.get("fields")):
        value = _value(field)
        for name in (as_text(field.get("label")), as_text(field.get("key"))):
            if name and not answers.get(name):
                answers[name] = value
    return answers


def _value(field: dict[str, Any]) -> str:
    value = field.get("value")
    texts = {as_text(option.get("id")): as_text(option.get("text")) for option in objects_in(field.get("options"))}
    if isinstance(value, list):
        # Each id counts once: the texts of repeated ids could be much longer than the post.
        chosen = dict.fromkeys(map(as_text, value))
        return ", ".join(filter(None, (texts.get(one) or one for one in chosen)))
    return texts.get(as_text(value)) or as_text(value)
