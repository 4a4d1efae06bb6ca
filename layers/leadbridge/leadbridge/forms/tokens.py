"""Tokens: what proves a builder that signs nothing. The secret itself comes along, in the address or in a header."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import replace

from leadbridge.auth.signatures import SignatureInvalid
from leadbridge.forms.base import Request

PARAMETER = "token"  # in the address: /webhooks/{source}?token=…
HEADER = "x-webhook-token"


def verify_token(request: Request, secrets: Sequence[str], *others: str) -> None:
    """Check the token in the address, in the header, or one of the `others` that a builder sends elsewhere.

    Raises SignatureInvalid.
    """
    verify_secret(secrets, request.query.get(PARAMETER) or "", request.headers.get(HEADER) or "", *others)


def verify_secret(secrets: Sequence[str], *given: str) -> None:
    """Check that one of the given texts is one of the secrets. Raises SignatureInvalid."""
    if not any(given):
        raise SignatureInvalid("the token is missing")
    matches = [_is_same(secret, one) for secret in secrets if secret for one in given]
    if not any(matches):
        raise SignatureInvalid("the token is wrong")


def with_token(request: Request, secret: str) -> Request:
    """The same post with the token in its address, as a builder sends it whose webhook has that address."""
    return replace(request, query={**request.query, PARAMETER: secret})


def _is_same(secret: str, given: str) -> bool:
    return hmac.compare_digest(secret.encode(errors="surrogatepass"), given.encode(errors="surrogatepass"))
