"""Tally: signed JSON. Answers are known by their question's label; what was chosen comes as ids, and is told as text.

`Tally-Signature` is the base64 of the HMAC-SHA256 over the body; there is no timestamp. What names a submission is its
`responseId`: it stays when the same response is sent again.
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

HEADER = "tally-signature"

content_types = (JSON,)


def verify(request: Request, secrets: Sequence[str], now: datetime) -> None:
    """Check the signature over the raw bytes. Raises SignatureInvalid."""
    verify_signature(request.headers.get(HEADER, ""), secrets, request.body, in_base64)


def parse(request: Request, source: Source) -> tuple[Submission, ...]:
    """One response a post; other events are no leads. Raises Unreadable."""
    content = read_json(request)
    if content.get("eventType", "FORM_RESPONSE") != "FORM_RESPONSE":
        return ()
    data = an_object(content.get("data"))
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
    """The post as Tally signs it."""
    return replace(request, headers={**request.headers, HEADER: signature(secret, request.body, in_base64)})


def _answers(data: dict[str, Any]) -> Fields:
    """Each answer by its label; by its key too, for questions without a label of their own."""
    answers: Fields = {}
    for field in objects(data.get("fields")):
        value = _value(field)
        for name in (as_text(field.get("label")), as_text(field.get("key"))):
            if name and not answers.get(name):
                answers[name] = value
    return answers


def _value(field: dict[str, Any]) -> str:
    value = field.get("value")
    texts = {as_text(option.get("id")): as_text(option.get("text")) for option in objects(field.get("options"))}
    if isinstance(value, list):
        # Each id counts once. The texts of an id that is repeated could be many times as long as the post.
        chosen = dict.fromkeys(map(as_text, value))
        return ", ".join(filter(None, (texts.get(one) or one for one in chosen)))
    return texts.get(as_text(value)) or as_text(value)
