"""Standard Webhooks (standardwebhooks.com): the default for your own senders.

Headers `webhook-id`, `webhook-timestamp` (Unix seconds) and `webhook-signature`: `v1,<base64>` of the HMAC-SHA256 over
`id.timestamp.body`; several are separated by spaces. Svix names the headers `svix-id` and so on. A secret is `whsec_`
and base64. The body contains a lead's `person`, `loan`, `trading`, `utm`, `ids` and `consent`. `"test": true` makes it
a test ping.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any

from leadbridge.auth.secret_forms import webhook_key
from leadbridge.auth.signatures import SignatureInvalid, signature_of_key, webhook_signature
from leadbridge.domain.acceptance.answers import MAX_ANSWERS
from leadbridge.forms.base import Request, Submission
from leadbridge.forms.mapping import SECTIONS
from leadbridge.forms.parsing.bodies import read_json
from leadbridge.forms.parsing.nested import LazyFields, as_text
from leadbridge.forms.tracking import add_from_page
from leadbridge.settings import Source

MAX_CLOCK_SKEW = 300  # seconds, in either direction
PREFIXES = ("webhook-", "svix-")  # of the headers' names
MAX_SIGNATURES = 10  # more than any rotation needs

content_types = ("application/json",)


def verify(request: Request, secrets: Sequence[str], now: datetime) -> None:
    """Check the signature over the raw bytes, then the time. Raises SignatureInvalid."""
    message_id, timestamp, header = (_header(request, name) for name in ("id", "timestamp", "signature"))
    if not re.fullmatch(r"[\x21-\x7e]{1,256}", message_id) or not re.fullmatch(r"[0-9]{1,12}", timestamp):
        raise SignatureInvalid("webhook-id or webhook-timestamp is missing or malformed")
    signed = f"{message_id}.{timestamp}.".encode() + request.body
    given = header.encode(errors="surrogatepass").split(b" ")[:MAX_SIGNATURES]
    expected = [signature_of_key(key, signed).encode() for key in map(webhook_key, secrets) if key]
    matches = [hmac.compare_digest(ours, one) for ours in expected for one in given]
    if not any(matches):
        raise SignatureInvalid("no signature matches")
    if abs(now.timestamp() - int(timestamp)) > MAX_CLOCK_SKEW:
        raise SignatureInvalid("the timestamp is too far from now")


def parse(request: Request, source: Source) -> tuple[Submission, ...]:
    """Parse a body that has the structure of a lead. Raises Unreadable."""
    content = read_json(request)
    values = {section: content.get(section) or {} for section in SECTIONS}
    same = {
        f"{section}.{name}": as_text(value)
        for section, members in values.items()
        if isinstance(members, dict)
        for name, value in members.items()
    }
    add_from_page(values)
    submission = Submission(
        values=values,
        delivery_id=_header(request, "id"),
        is_test=content.get("test") is True,
        answers=LazyFields(_first_members(content)),
        content=same,
    )
    return (submission,)


def _first_members(content: dict[str, Any]) -> dict[str, Any]:
    """Return as much of a body as can be stored as its answers."""
    first = dict(islice(content.items(), MAX_ANSWERS))
    return {
        name: dict(islice(value.items(), MAX_ANSWERS)) if isinstance(value, dict) else value
        for name, value in first.items()
    }


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the `webhook-signature` header of a body, for senders and tests."""
    return webhook_signature(secret, message_id, timestamp, body)


def sign_request(request: Request, secret: str, now: datetime) -> Request:
    """Return the request, signed now."""
    timestamp = int(now.timestamp())
    given = sign(secret, _header(request, "id"), timestamp, request.body)
    prefix = next(prefix for prefix in PREFIXES if prefix == PREFIXES[-1] or f"{prefix}id" in request.headers)
    fresh = {f"{prefix}timestamp": str(timestamp), f"{prefix}signature": given}
    return replace(request, headers={**request.headers, **fresh})


def _header(request: Request, name: str) -> str:
    return next((value for prefix in PREFIXES if (value := request.headers.get(prefix + name))), "")
