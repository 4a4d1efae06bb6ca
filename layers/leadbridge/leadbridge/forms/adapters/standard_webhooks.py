"""Standard Webhooks (standardwebhooks.com): the default for your own senders.

Headers `webhook-id`, `webhook-timestamp` (Unix seconds) and `webhook-signature`: `v1,<base64>` of the HMAC-SHA256 over
`id.timestamp.body`; several are separated by spaces. A secret is `whsec_` and base64. The body contains a lead's
`person`, `loan`, `trading`, `utm` and `consent`. `"test": true` makes it a test ping.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from leadbridge.auth.signatures import SignatureInvalid
from leadbridge.forms.base import Request, Submission
from leadbridge.forms.mapping import SECTIONS
from leadbridge.forms.parsing.bodies import as_text
from leadbridge.forms.parsing.json_body import read_object
from leadbridge.settings import Source

MAX_CLOCK_SKEW = 300  # seconds, in either direction
MAX_SIGNATURES = 10  # more than any rotation needs

content_types = ("application/json",)


def verify(request: Request, secrets: Sequence[str], now: datetime) -> None:
    """Check the signature over the raw bytes, then the time. Raises SignatureInvalid."""
    message_id = request.headers.get("webhook-id", "")
    timestamp = request.headers.get("webhook-timestamp", "")
    if not re.fullmatch(r"[\x21-\x7e]{1,256}", message_id) or not re.fullmatch(r"[0-9]{1,12}", timestamp):
        raise SignatureInvalid("webhook-id or webhook-timestamp is missing or malformed")
    signed = f"{message_id}.{timestamp}.".encode() + request.body
    header = request.headers.get("webhook-signature", "").encode(errors="surrogatepass")
    expected = [_signature(key, signed).encode() for key in map(_key, secrets) if key]
    matches = [hmac.compare_digest(ours, given) for ours in expected for given in header.split(b" ")[:MAX_SIGNATURES]]
    if not any(matches):
        raise SignatureInvalid("no signature matches")
    if abs(now.timestamp() - int(timestamp)) > MAX_CLOCK_SKEW:
        raise SignatureInvalid("the timestamp is too far from now")


def parse(request: Request, source: Source) -> tuple[Submission, ...]:
    """Parse a body that has the structure of a lead. Raises Unreadable."""
    content = read_object(request.body)
    values = {section: content.get(section) or {} for section in SECTIONS}
    submission = Submission(
        values=values,
        delivery_id=request.headers["webhook-id"],
        is_test=content.get("test") is True,
        content={
            f"{section}.{name}": as_text(value)
            for section, members in values.items()
            if isinstance(members, dict)
            for name, value in members.items()
        },
    )
    return (submission,)


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the `webhook-signature` header of a body, for senders and tests."""
    return _signature(_key(secret), f"{message_id}.{timestamp}.".encode() + body)


def sign_request(request: Request, secret: str, now: datetime) -> Request:
    """Return the request, signed now."""
    timestamp = int(now.timestamp())
    given = sign(secret, request.headers["webhook-id"], timestamp, request.body)
    fresh = {"webhook-timestamp": str(timestamp), "webhook-signature": given}
    return replace(request, headers={**request.headers, **fresh})


def _signature(key: bytes, signed: bytes) -> str:
    return f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return b""
