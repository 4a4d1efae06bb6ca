"""Tilda: URL-encoded fields with a token in the URL, or with Tilda's own API key in a header or a field.

`tranid` is Tilda's id of the submission. When a webhook is connected, Tilda posts `test=test` and expects 200.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from leadbridge.auth.signatures import SignatureInvalid
from leadbridge.forms.base import Request, Submission, Unreadable
from leadbridge.forms.mapping import to_sections
from leadbridge.forms.parsing.bodies import URLENCODED, read_fields
from leadbridge.forms.parsing.nested import MAX_FIELDS, Fields
from leadbridge.forms.parsing.percent import unquote_text
from leadbridge.forms.tokens import verify_secret, verify_token, with_token
from leadbridge.forms.tracking import UTM_PREFIX, id_named
from leadbridge.settings import Source

KEY_HEADER, KEY_FIELDS = "x-api-key", ("token", "api_key")
READ_COOKIES = frozenset({"previousUrl", "TILDAUTM"})
MAX_COOKIES = 16_384  # characters of all cookies; browsers send no more
OWN_FIELDS = ("tranid", "formid", "formname", "COOKIES", *KEY_FIELDS)

content_types = (URLENCODED,)


def verify(request: Request, secrets: Sequence[str], now: datetime) -> None:
    """Check the token or the API key, in any of its places. Raises SignatureInvalid."""
    try:
        verify_token(request, secrets, request.headers.get(KEY_HEADER, ""))
    except SignatureInvalid:
        keys = _keys_in_fields(request)
        if not keys:
            raise
        verify_secret(secrets, *keys)


def parse(request: Request, source: Source) -> tuple[Submission, ...]:
    """Parse one submission. Raises Unreadable."""
    fields = read_fields(request, source.files)
    answers = {name: value for name, value in fields.items() if name not in OWN_FIELDS}
    cookies = _cookies(fields)
    from_cookie = {name: tag for name, tag in _tags(cookies).items() if name not in answers}
    consent = {
        "form": fields.get("formname") or fields.get("formid", ""),
        "page_url": cookies.get("previousUrl", ""),
    }
    submission = Submission(
        values=to_sections({**answers, **from_cookie}, source, consent),
        delivery_id=fields.get("tranid") or None,
        is_test={name: value.lower() for name, value in answers.items() if value} == {"test": "test"},
        answers=answers,
    )
    return (submission,)


def sign_request(request: Request, secret: str, now: datetime) -> Request:
    """Return the request as Tilda sends it: with the token in the URL."""
    return with_token(request, secret)


def _keys_in_fields(request: Request) -> list[str]:
    try:
        fields = read_fields(request)
    except Unreadable:
        return []
    return [fields[name] for name in KEY_FIELDS if fields.get(name)]


def _cookies(fields: Fields) -> dict[str, str]:
    cookies = fields.get("COOKIES", "")[:MAX_COOKIES].split(";", MAX_FIELDS)
    pairs = (cookie.strip().partition("=") for cookie in cookies)
    return {name: unquote_text(value) for name, _, value in pairs if name in READ_COOKIES}


def _tags(cookies: dict[str, str]) -> dict[str, str]:
    """Return the UTM tags and ids of the address at which the visitor arrived, which Tilda stores in a cookie."""
    pairs = (tag.partition("=") for tag in cookies.get("TILDAUTM", "").split("|||", MAX_FIELDS))
    return {name: value for name, _, value in pairs if name.startswith(UTM_PREFIX) or id_named(name.lower())}
