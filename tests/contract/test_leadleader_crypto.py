"""Lead Leader's contract, cryptography: our own functions against the vectors that the partner published."""

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from leadbridge.partners.leadleader import rsa_credentials
from quality.testkit.template import ROOT

VECTORS: dict[str, Any] = json.loads((ROOT / "tests" / "vectors" / "leadleader_auth.json").read_text(encoding="utf-8"))
OAEP = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)


def on_one_line(pem: str) -> str:
    """The PEM with its body on one line, as it gets pasted into a secret."""
    head, *body, foot = pem.strip().splitlines()
    return "\n".join((head, "".join(body), foot))


def decrypted(ciphertext: str) -> str:
    key = serialization.load_pem_private_key(VECTORS["private_key_pem"].encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key.decrypt(base64.b64decode(ciphertext, validate=True), OAEP).decode()


@pytest.mark.parametrize("what", ["email", "password"])
def test_signatures_are_the_published_ones_byte_for_byte(what: str) -> None:
    assert rsa_credentials.sign(VECTORS["private_key_pem"], VECTORS[what]) == VECTORS[f"signed_{what}"]


@pytest.mark.parametrize("what", ["email", "password"])
def test_our_ciphertexts_decrypt_as_the_published_ones_do(what: str) -> None:
    ours = rsa_credentials.encrypt(VECTORS["public_key_pem"], VECTORS[what])
    assert decrypted(ours) == decrypted(VECTORS[f"encrypted_{what}"]) == VECTORS[what]


def test_keys_on_one_line_load() -> None:
    public, private = on_one_line(VECTORS["public_key_pem"]), on_one_line(VECTORS["private_key_pem"])
    assert public.count("\n") == private.count("\n") == 2
    assert rsa_credentials.sign(private, VECTORS["email"]) == VECTORS["signed_email"]
    assert decrypted(rsa_credentials.encrypt(public, VECTORS["email"])) == VECTORS["email"]
