"""Tokens, for form builders that do not sign: the secret itself, in the URL or in a header."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import replace

from leadbridge.auth.secret_forms import forms_of
from leadbridge.auth.signatures import SignatureInvalid
from leadbridge.forms.base import Request

PARAMETER = "token"  # in the URL: /webhooks/{source}?token=…
HEADER = "x-webhook-token"


def verify_token(request: Request, secrets: Sequence[str], *others: str) -> None:
    """Check the token in the URL or in the header, or one of the `others` from another place.

    Raises SignatureInvalid.
    """
    verify_secret(secrets, request.query.get(PARAMETER) or "", request.headers.get(HEADER) or "", *others)


def verify_secret(secrets: Sequence[str], *given: str) -> None:
    """Check that one of the given texts is one of the secrets. Raises SignatureInvalid."""
    if not any(given):
        raise SignatureInvalid("the token is missing")
    matches = [_is_same(form, one) for secret in secrets if secret for form in forms_of(secret) for one in given]
    if not any(matches):
        raise SignatureInvalid("the token is wrong")


def with_token(request: Request, secret: str) -> Request:
    """Return the request with the token in its URL."""
    return replace(request, query={**request.query, PARAMETER: secret})


def _is_same(secret: str, given: str) -> bool:
    return hmac.compare_digest(secret.encode(errors="surrogatepass"), given.encode(errors="surrogatepass"))
