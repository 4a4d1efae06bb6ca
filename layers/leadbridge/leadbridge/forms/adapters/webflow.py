"""Webflow: JSON. It is signed if the webhook was created by the API, and has a token in the URL otherwise.

`x-webflow-signature` is the hexadecimal HMAC-SHA256 over `timestamp:body`; `x-webflow-timestamp` is in milliseconds.
`payload.id` identifies the submission. Webhooks of the API's first version have no `payload`: `{"name", "site", "data",
"d", "_id"}`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from leadbridge.auth.signatures import SignatureInvalid, in_hex, signature, verify_signature
from leadbridge.forms.base import Request, Submission
from leadbridge.forms.mapping import configured_names, to_sections
from leadbridge.forms.parsing.bodies import JSON, read_json
from leadbridge.forms.parsing.json_shapes import as_object
from leadbridge.forms.parsing.nested import as_text, flatten
from leadbridge.forms.tokens import verify_token, with_token
from leadbridge.settings import Source

SIGNATURE, TIMESTAMP = "x-webflow-signature", "x-webflow-timestamp"
MAX_CLOCK_SKEW = 300  # seconds, in either direction

content_types = (JSON,)


def verify(request: Request, secrets: Sequence[str], now: datetime) -> None:
    """Check the signature and its time, or the token of an unsigned post. Raises SignatureInvalid."""
    if SIGNATURE not in request.headers and TIMESTAMP not in request.headers:
        verify_token(request, secrets)
        return
    timestamp = request.headers.get(TIMESTAMP, "")
    if not re.fullmatch(r"[0-9]{1,15}", timestamp):
        raise SignatureInvalid("the timestamp is missing or malformed")
    verify_signature(request.headers.get(SIGNATURE, ""), secrets, f"{timestamp}:".encode() + request.body, in_hex)
    if abs(now.timestamp() - int(timestamp) / 1000) > MAX_CLOCK_SKEW:
        raise SignatureInvalid("the timestamp is too far from now")


def parse(request: Request, source: Source) -> tuple[Submission, ...]:
    """Parse one submission. Other events of a site are not leads. Raises Unreadable."""
    content = read_json(request)
    if content.get("triggerType", "form_submission") != "form_submission":
        return ()
    payload = as_object(content.get("payload", content))
    answers = flatten(as_object(payload.get("data")), configured_names(source))
    consent = {
        "given_at": as_text(payload.get("submittedAt")) or as_text(payload.get("d")),
        "form": as_text(payload.get("name")) or as_text(payload.get("formElementId")),
        "page_url": as_text(payload.get("pageUrl")) or as_text(payload.get("publishedPath")),
    }
    submission = Submission(
        values=to_sections(answers, source, consent),
        delivery_id=as_text(payload.get("id")) or as_text(payload.get("_id")) or None,
        answers=answers,
    )
    return (submission,)


def sign_request(request: Request, secret: str, now: datetime) -> Request:
    """Return the request as Webflow sends it: signed now if it has a signature, else with the token."""
    if SIGNATURE not in request.headers:
        return with_token(request, secret)
    timestamp = str(int(now.timestamp() * 1000))
    fresh = {TIMESTAMP: timestamp, SIGNATURE: signature(secret, f"{timestamp}:".encode() + request.body, in_hex)}
    return replace(request, headers={**request.headers, **fresh})
