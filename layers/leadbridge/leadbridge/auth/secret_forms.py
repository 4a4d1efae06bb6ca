"""Secrets as people store them: with the quotes, prefixes or line breaks of the place they were copied from."""

from __future__ import annotations

import base64
import binascii
import re

STANDARD_WEBHOOKS_PREFIX = "whsec_"  # base64 follows
VERSION_PREFIXES = ("v1,", "v1=")  # of a signature, which some providers also show before the secret
QUOTES = "\"'`"

_PEM = re.compile(r"(-----BEGIN [A-Z0-9 ]{1,40}-----)(.*?)(-----END [A-Z0-9 ]{1,40}-----)", re.DOTALL)


def forms_of(secret: str) -> tuple[str, ...]:
    """Return a secret as it is stored, and without white space and quotes around it if it has them."""
    plain = unquoted(secret)
    return (secret,) if plain == secret or not plain else (secret, plain)


def unquoted(secret: str) -> str:
    """Return a secret without white space and one pair of quotes around it."""
    plain = secret.strip()
    if len(plain) > 1 and plain[0] == plain[-1] and plain[0] in QUOTES:
        plain = plain[1:-1].strip()
    return plain


def webhook_key(secret: str) -> bytes:
    """Return the key of a Standard Webhooks secret: `whsec_` and base64; empty if it is not base64.

    The prefix, the padding, and the alphabet for URLs are optional, as are quotes, line breaks, and `v1,` in front.
    """
    plain = "".join(unquoted(secret).splitlines())
    for prefix in VERSION_PREFIXES:
        plain = plain.removeprefix(prefix)
    plain = plain.removeprefix(STANDARD_WEBHOOKS_PREFIX).translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def is_webhook_secret(secret: str) -> bool:
    """Return whether a secret says that it is one of Standard Webhooks."""
    plain = unquoted(secret)
    return plain.startswith((STANDARD_WEBHOOKS_PREFIX, *(f"{p}{STANDARD_WEBHOOKS_PREFIX}" for p in VERSION_PREFIXES)))


def pem(text: str) -> str:
    """Return a PEM key with its line breaks, which JSON and environment files often turn into `\\n` or spaces."""
    plain = unquoted(text).replace("\\r", "").replace("\\n", "\n")
    found = _PEM.search(plain)
    if found is None:
        return text
    begin, body, end = found.groups()
    return "\n".join((begin, *body.split(), end, "")) if ":" not in body else text
