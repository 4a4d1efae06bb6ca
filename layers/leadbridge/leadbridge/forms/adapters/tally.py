"""Tally: signed JSON. Fields are named by their question's label. Choices are ids, which become their texts.

`Tally-Signature` is the base64 of the HMAC-SHA256 over the body; there is no timestamp. `responseId` identifies a
submission and stays the same if the response is sent again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from leadbridge.auth.signatures import in_base64, signature, verify_signature
from leadbridge.forms.base import Request, Submission
from leadbridge.forms.mapping import add_answer, to_sections
from leadbridge.forms.parsing.bodies import JSON, read_json
from leadbridge.forms.parsing.json_shapes import as_object, objects_in
from leadbridge.forms.parsing.nested import MAX_CHOICES, Fields, as_text
from leadbridge.settings import Source

HEADER = "tally-signature"
CHOICE_TYPES = frozenset({"CHECKBOXES", "MULTIPLE_CHOICE", "DROPDOWN", "MULTI_SELECT", "RANKING"})
UUID_LENGTH = 36
MAX_BRACKETS = 5  # in a label; a question and an option may contain brackets
_OPENING = re.compile(r" \(")

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
    answers = _answers(data, source)
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


def _answers(data: dict[str, Any], source: Source) -> Fields:
    """Return each answer under its label or its key. A question may have no label."""
    answers: Fields = {}
    fields = objects_in(data.get("fields"))
    ticked = _ticked(fields)
    for field in fields:
        add_answer(answers, (as_text(field.get("label")), as_text(field.get("key"))), _value(field, ticked), source)
    return answers


@dataclass(frozen=True)
class _Ticked:
    """The ticked options of a question: all in one text, and each by the id of its choice."""

    by_id: dict[str, str]
    text: str


def _ticked(fields: list[dict[str, Any]]) -> dict[str, _Ticked]:
    """Return the ticked options by question, each with the id of the choice if its key has one.

    Tally expands a question with checkboxes into a field for each option: the key is that of the question and the
    option's id, the label is `Question (Option)`, the value is true or false.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    for field in fields:
        label, key = as_text(field.get("label")), as_text(field.get("key"))
        if as_text(field.get("value")) != "true" or not label.endswith(")"):
            continue
        for start in islice(_OPENING.finditer(label), MAX_BRACKETS):
            question, option = label[: start.start()], label[start.end() : -1]
            if option:
                found.setdefault(question, []).append((key.rpartition("_")[2], option))
    return {
        question: _Ticked(dict(pairs), ", ".join(dict.fromkeys(option for _, option in pairs)))
        for question, pairs in found.items()
    }


def _value(field: dict[str, Any], ticked: dict[str, _Ticked]) -> str:
    """Return an answer. The texts of choices are in `options`, else in the expanded fields. An id is no answer."""
    value = field.get("value")
    options = {as_text(option.get("id")): as_text(option.get("text")) for option in objects_in(field.get("options"))}
    is_choice = isinstance(value, list) or bool(options) or as_text(field.get("type")) in CHOICE_TYPES
    if not is_choice or isinstance(value, dict | bool) or value is None:
        return as_text(value)
    # Each id counts once: the texts of repeated ids could be much longer than the post.
    chosen = list(dict.fromkeys(map(as_text, value[:MAX_CHOICES] if isinstance(value, list) else [value])))
    expanded = ticked.get(as_text(field.get("label")), _Ticked({}, ""))
    by_id = {one: options.get(one, expanded.by_id.get(one)) for one in chosen}
    texts = [("" if _is_id(one) else one) if text is None else text for one, text in by_id.items()]
    if all(texts) or any(text is not None for text in by_id.values()) or not expanded.text:
        return ", ".join(filter(None, texts))
    return ", ".join((expanded.text, *filter(None, texts)))


def _is_id(text: str) -> bool:
    """Return whether a text is one of Tally's ids, which are UUIDs."""
    if len(text) != UUID_LENGTH:
        return False
    try:
        UUID(text)
    except ValueError:
        return False
    return True
