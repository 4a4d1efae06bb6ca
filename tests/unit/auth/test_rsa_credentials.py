"""Lead Leader's cryptography: what it carries, what it refuses, what it never tells."""

import base64
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from hypothesis import given
from hypothesis import strategies as st

from leadbridge.partners.leadleader import rsa_credentials
from quality.testkit.rsa_keys import ELLIPTIC, KEY, PRIVATE, PUBLIC, private_pem, public_pem

OAEP = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)

short_text = st.text(max_size=43).filter(lambda text: len(text.encode()) <= 86)


def decrypted(ciphertext: str) -> str:
    return KEY.decrypt(base64.b64decode(ciphertext, validate=True), OAEP).decode()


@given(short_text)
def test_what_is_encrypted_can_be_decrypted(text: str) -> None:
    assert decrypted(rsa_credentials.encrypt(PUBLIC, text)) == text


def test_no_two_ciphertexts_are_alike() -> None:
    assert len({rsa_credentials.encrypt(PUBLIC, "text") for _ in range(20)}) == 20


@given(st.text())
def test_signatures_are_deterministic_and_verify(text: str) -> None:
    signature = rsa_credentials.sign(PRIVATE, text)
    assert signature == rsa_credentials.sign(PRIVATE, text)
    assert len(signature) == 128
    KEY.public_key().verify(bytes(signature), text.encode(), padding.PKCS1v15(), hashes.SHA1())


@pytest.mark.parametrize("text", ["a" * 86, "ї" * 43])
def test_a_key_of_1024_bits_carries_86_bytes(text: str) -> None:
    assert decrypted(rsa_credentials.encrypt(PUBLIC, text)) == text


@pytest.mark.parametrize("text", ["a" * 87, "ї" * 44, "😀" * 22])
def test_more_than_86_bytes_are_too_long(text: str) -> None:
    with pytest.raises(rsa_credentials.PlaintextTooLong, match=r"^\d+ bytes; the key encrypts at most 86$"):
        rsa_credentials.encrypt(PUBLIC, text)


@pytest.mark.parametrize("kind", [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL])
def test_private_keys_load_in_either_format(kind: serialization.PrivateFormat) -> None:
    assert rsa_credentials.sign(private_pem(KEY, kind), "text") == rsa_credentials.sign(PRIVATE, "text")


@pytest.mark.parametrize("change", ["\n{}\n\n", "{} ", "\r\n{}"])
def test_white_space_around_a_key_does_no_harm(change: str) -> None:
    assert rsa_credentials.sign(change.format(PRIVATE), "text") == rsa_credentials.sign(PRIVATE, "text")
    assert decrypted(rsa_credentials.encrypt(change.format(PUBLIC), "text")) == "text"


def test_windows_line_ends_in_a_key_do_no_harm() -> None:
    assert rsa_credentials.sign(PRIVATE.replace("\n", "\r\n"), "text") == rsa_credentials.sign(PRIVATE, "text")


@pytest.mark.parametrize(
    "pem",
    [
        pytest.param("", id="nothing"),
        pytest.param("ключ", id="no key"),
        pytest.param(PUBLIC, id="the public key"),
        pytest.param(PRIVATE[:-200], id="half a key"),
        pytest.param(private_pem(ELLIPTIC), id="an elliptic key"),
        pytest.param(private_pem(KEY, password=b"password"), id="a locked key"),
    ],
)
def test_a_private_key_that_cannot_sign_is_unusable(pem: str) -> None:
    with pytest.raises(rsa_credentials.UnusableKey):
        rsa_credentials.sign(pem, "text")


@pytest.mark.parametrize(
    "pem",
    [
        pytest.param("", id="nothing"),
        pytest.param("ключ", id="no key"),
        pytest.param(PRIVATE, id="the private key"),
        pytest.param(PUBLIC[:-80], id="half a key"),
        pytest.param(public_pem(ELLIPTIC), id="an elliptic key"),
    ],
)
def test_a_public_key_that_cannot_encrypt_is_unusable(pem: str) -> None:
    with pytest.raises(rsa_credentials.UnusableKey):
        rsa_credentials.encrypt(pem, "text")


@given(st.text(max_size=2000))
def test_any_text_in_place_of_a_key_is_unusable_and_not_quoted(pem: str) -> None:
    with pytest.raises(rsa_credentials.UnusableKey, match=r"^the private key cannot be read$") as caught:
        rsa_credentials.sign(pem, "text")
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("pem", ["\ud800", "-----BEGIN PRIVATE KEY-----\n\ud800"])
def test_lone_surrogates_in_place_of_a_key_are_unusable(pem: str) -> None:
    with pytest.raises(rsa_credentials.UnusableKey):
        rsa_credentials.sign(pem, "text")


@given(st.integers(0, len(PRIVATE) - 1), st.characters(codec="ascii"))
def test_a_damaged_key_raises_a_value_error_or_signs_otherwise(place: int, letter: str) -> None:
    damaged = PRIVATE[:place] + letter + PRIVATE[place + 1 :]
    with suppress(ValueError):
        rsa_credentials.sign(damaged, "text")
