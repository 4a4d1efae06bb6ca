"""Typeform: signed JSON. Fields are named by their question's `ref`; hidden fields have their own names.

Calculated values are `variables.price` (a variable's key) and `calculated.score`. A test request has no mark. It is
recognized by its values: Typeform answers every question of a kind with the same published text.

`Typeform-Signature` is `sha256=` and the base64 of the HMAC-SHA256 over the body; there is no timestamp. The response's
`token` identifies a submission. It stays the same if the response is sent again, also by another webhook of the form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from leadbridge.auth.signatures import in_base64, signature, verify_signature
from leadbridge.forms.base import Request, Submission
from leadbridge.forms.mapping import add_answer, to_sections
from leadbridge.forms.parsing.bodies import JSON, read_json
from leadbridge.forms.parsing.json_shapes import as_object, objects_in
from leadbridge.forms.parsing.nested import Fields, as_text, flatten, inside
from leadbridge.settings import Source

HEADER = "typeform-signature"
PREFIX = "sha256="
# The values of "Send test request", by the type of an answer.
DUMMIES = {"text": "Lorem ipsum dolor", "email": "an_account@example.com", "phone_number": "+34123456789"}

content_types = (JSON,)


def verify(request: Request, secrets: Sequence[str], now: datetime) -> None:
    """Check the signature over the raw bytes. Raises SignatureInvalid."""
    verify_signature(request.headers.get(HEADER, ""), secrets, request.body, in_base64, PREFIX)


def parse(request: Request, source: Source) -> tuple[Submission, ...]:
    """Parse one response. An unfinished response is not a lead. Raises Unreadable."""
    content = read_json(request)
    if content.get("event_type", "form_response") != "form_response":
        return ()
    response = as_object(content.get("form_response"))
    definition = as_object(response.get("definition"))
    answers = flatten(as_object(response.get("hidden")))
    answers |= _calculated(response)
    answers |= _answers(response, source)
    consent = {
        "given_at": as_text(response.get("submitted_at")) or as_text(response.get("landed_at")),
        "form": as_text(definition.get("title")) or as_text(response.get("form_id")),
    }
    submission = Submission(
        values=to_sections(answers, source, consent),
        delivery_id=as_text(response.get("token")) or as_text(content.get("event_id")) or None,
        is_test=_is_test(response),
        answers=answers,
    )
    return (submission,)


def sign_request(request: Request, secret: str, now: datetime) -> Request:
    """Return the request with Typeform's signature."""
    headers = {**request.headers, HEADER: signature(secret, request.body, in_base64, PREFIX)}
    return replace(request, headers=headers)


def _calculated(response: dict[str, Any]) -> Fields:
    """Return the values that Typeform calculates from the answers. A variable's value is under its type."""
    variables = {
        inside("variables", as_text(variable.get("key"))): as_text(variable.get(as_text(variable.get("type"))))
        for variable in objects_in(response.get("variables"))
    }
    calculated = flatten(as_object(response.get("calculated")))
    return {**{inside("calculated", name): text for name, text in calculated.items()}, **variables}


def _is_test(response: dict[str, Any]) -> bool:
    """Return whether all texts, e-mails and phones are those of Typeform's test request."""
    kinds = [(as_text(answer.get("type")), answer) for answer in objects_in(response.get("answers"))]
    typed = [(kind, answer) for kind, answer in kinds if kind in DUMMIES]
    return bool(typed) and all(DUMMIES[kind] == _value(answer) for kind, answer in typed)


def _answers(response: dict[str, Any], source: Source) -> Fields:
    answers: Fields = {}
    for answer in objects_in(response.get("answers")):
        question = as_object(answer.get("field"))
        add_answer(answers, (as_text(question.get("ref")), as_text(question.get("id"))), _value(answer), source)
    return answers


def _value(answer: dict[str, Any]) -> str:
    """Return the value, whose key is the answer's type. Choices are in `label` or `labels`, and `other`."""
    value = answer.get(as_text(answer.get("type")))
    if isinstance(value, dict):
        chosen = (as_text(value.get(name)) for name in ("label", "labels", "other"))
        return ", ".join(filter(None, chosen))
    return as_text(value)
