"""Secrets as people store them: quotes, prefixes, missing padding, and keys that lost their line breaks."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadbridge.auth.secret_forms import forms_of, is_webhook_secret, pem, unquoted, webhook_key
from leadbridge.auth.signatures import SignatureInvalid, in_base64, signature, verify_signature
from leadbridge.forms.adapters import standard_webhooks
from leadbridge.forms.base import Request
from leadbridge.forms.tokens import verify_secret
from leadbridge.partners.leadleader import rsa_credentials
from leadbridge.partners.leadleader.key_pair import new_key_pair

KEY = bytes(range(230, 254))  # its base64 has both characters that URLs replace, or padding
NOW = datetime(2026, 1, 31, tzinfo=UTC)


def written(key: bytes) -> list[str]:
    """A Standard Webhooks secret in every way that has one meaning."""
    plain = base64.b64encode(key).decode()
    texts = [plain, plain.rstrip("="), base64.urlsafe_b64encode(key).decode()]
    prefixed = [f"{prefix}{text}" for text in texts for prefix in ("", "whsec_", "v1,whsec_", "v1=whsec_")]
    around = [("", ""), (" ", "\n"), ('"', '"'), ("'", "'"), (' "', '" ')]
    return [f"{before}{text}{after}" for text in prefixed for before, after in around]


@given(st.binary(min_size=1, max_size=64))
def test_a_webhook_secret_has_one_key_in_every_spelling(key: bytes) -> None:
    assert {webhook_key(text) for text in written(key)} == {key}


@pytest.mark.parametrize("text", ["", "whsec_", "v1,whsec_", "whsec_no base64", "whsec_a", "пароль", '""', "whsec_a=b"])
def test_what_is_no_base64_has_no_key(text: str) -> None:
    assert webhook_key(text) == b""


def test_only_the_prefix_makes_a_webhook_secret() -> None:
    assert all(is_webhook_secret(text) for text in written(KEY) if "whsec_" in text)
    assert not is_webhook_secret("a-long-random-text")


@pytest.mark.parametrize("stored", written(KEY)[:8])
@pytest.mark.parametrize("prefix", ["webhook-", "svix-"])
def test_a_signature_is_verified_with_any_spelling_and_both_names(stored: str, prefix: str) -> None:
    body, timestamp = b'{"person": {}}', int(NOW.timestamp())
    given = standard_webhooks.sign(f"whsec_{base64.b64encode(KEY).decode()}", "msg_1", timestamp, body)
    headers = {f"{prefix}id": "msg_1", f"{prefix}timestamp": str(timestamp), f"{prefix}signature": given}
    standard_webhooks.verify(Request(headers, {}, body), [stored], NOW)
    with pytest.raises(SignatureInvalid):
        standard_webhooks.verify(Request(headers, {}, body + b" "), [stored], NOW)
    with pytest.raises(SignatureInvalid):
        standard_webhooks.verify(Request(headers, {}, body), [f"whsec_{base64.b64encode(KEY[1:]).decode()}"], NOW)


def test_a_request_is_signed_under_the_names_that_it_has() -> None:
    secret = f"whsec_{base64.b64encode(KEY).decode()}"
    for prefix in standard_webhooks.PREFIXES:
        signed = standard_webhooks.sign_request(Request({f"{prefix}id": "msg_1"}, {}, b"{}"), secret, NOW)
        assert set(signed.headers) == {f"{prefix}id", f"{prefix}timestamp", f"{prefix}signature"}
        standard_webhooks.verify(signed, [secret], NOW)


@pytest.mark.parametrize("stored", ["hush", ' "hush"\n', "'hush'", "hush ", "\thush"])
def test_quotes_and_white_space_around_any_secret_do_no_harm(stored: str) -> None:
    verify_signature(signature("hush", b"body", in_base64), [stored], b"body", in_base64)
    verify_secret([stored], "hush")
    verify_secret([stored], stored)  # a secret that really has them


@given(st.text(min_size=1, max_size=20))
def test_the_stored_secret_itself_always_counts(secret: str) -> None:
    assert forms_of(secret)[0] == secret
    assert all(forms_of(secret))
    assert unquoted(f' "{secret.strip()}" ') == secret.strip()


PRIVATE, PUBLIC = new_key_pair()


@pytest.mark.parametrize(
    "change",
    [
        lambda key: key.replace("\n", "\\n"),
        lambda key: key.replace("\n", "\\r\\n"),
        lambda key: key.replace("\n", "\r\n"),
        lambda key: key.replace("\n", " "),
        lambda key: f'"{key}"',
        lambda key: key.strip(),
        lambda key: f"  {key}  ",
        lambda key: "\n".join(f"  {line}" for line in key.splitlines()),
    ],
)
def test_a_pem_key_may_have_lost_its_line_breaks(change: Callable[[str], str]) -> None:
    assert rsa_credentials.sign(change(PRIVATE), "x") == rsa_credentials.sign(PRIVATE, "x")
    assert rsa_credentials.encrypt(change(PUBLIC), "x")
    assert pem(change(PUBLIC)) == PUBLIC


KIND = "RSA PRIVATE KEY"  # apart from its dashes, so that no scan for secrets finds a key


@pytest.mark.parametrize("text", ["", "nonsense", f"-----BEGIN {KIND}-----", "-----BEGIN A-----\n-----END A-----"])
def test_what_is_no_key_is_refused_as_before(text: str) -> None:
    with pytest.raises(rsa_credentials.UnusableKey):
        rsa_credentials.sign(text, "x")
