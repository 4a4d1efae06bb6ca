"""Lead Leader's contract, authorization."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from devstack.sandbox.remote import Remote
from devstack.sandbox.server import Sandbox
from quality.testkit.sandbox.client import Client, call
from quality.testkit.template import ROOT

VECTORS = ROOT / "tests" / "vectors" / "leadleader_auth.json"
EXAMPLE: dict[str, Any] = json.loads(VECTORS.read_bytes())
FIELDS = ("encrypted_email", "encrypted_password", "signed_email", "signed_password")

DECRYPTION = "Виникла помилка під час дешифрування"
SIGNATURE = "Виникла помилка під час перевірки підпису"
MISMATCH = "Зашифровані та/або підписані дані надано невірно. Перевірте правильність наданих даних"
UNKNOWN_USER = "Такого користувача не існує"
WRONG_PASSWORD = "Пароль невірний"

type Changes = Callable[[Client], dict[str, object]]


def test_the_documents_worked_example_is_authorized(tmp_path: Path) -> None:
    kept = {
        "email": EXAMPLE["email"],
        "password": EXAMPLE["password"],
        "partner_private_key": EXAMPLE["private_key_pem"],
        "private_key": EXAMPLE["private_key_pem"],
    }
    (tmp_path / "leadleader.json").write_text(json.dumps(kept))
    with Sandbox(tmp_path) as sandbox:
        secret = sandbox.secrets()["leadleader"]
        answer = call(secret["auth_url"], {name: EXAMPLE[name] for name in FIELDS})
    assert answer.status == 200
    assert secret["partner_public_key"] == EXAMPLE["public_key_pem"]
    assert secret["private_key"] == EXAMPLE["private_key_pem"]


def test_a_good_authorization_answers_with_both_tokens(client: Client) -> None:
    answer = call(client.auth_url, client.credentials())
    assert answer.status == 200
    assert answer.json.keys() == {"message", "access_token", "security_token"}
    assert answer.json["message"] == "Токени отримано"
    assert len(answer.json["security_token"]) == 32
    claims = answer.json["access_token"].split(".")[1]
    decoded = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    assert decoded.keys() == {"token_type", "exp", "iat", "jti", "user_id"}
    assert decoded["token_type"] == "access"
    assert decoded["exp"] - decoded["iat"] == 24 * 3600


def test_the_create_url_authorizes_too(client: Client) -> None:
    answer = call(f"{client.base_url}create-short-deal/", client.credentials())
    assert answer.json["message"] == "Токени отримано"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        pytest.param(lambda _: {"encrypted_email": "no base64!"}, DECRYPTION, id="not base64"),
        pytest.param(lambda _: {"encrypted_email": "AAAA"}, DECRYPTION, id="not a block"),
        pytest.param(lambda _: {"encrypted_password": None}, DECRYPTION, id="not a string"),
        pytest.param(
            lambda c: {"encrypted_email": _encrypted_for_another(c), "signed_email": []},
            DECRYPTION,
            id="wrong public key, before the signature is looked at",
        ),
        pytest.param(lambda c: {"signed_email": c.signed(c.email)[:-1]}, SIGNATURE, id="127 numbers"),
        pytest.param(lambda c: {"signed_email": [256, *c.signed(c.email)[1:]]}, SIGNATURE, id="no byte"),
        pytest.param(lambda c: {"signed_email": [True, *c.signed(c.email)[1:]]}, SIGNATURE, id="a boolean"),
        pytest.param(lambda c: {"signed_password": _base64(c.signed(c.password))}, SIGNATURE, id="base64"),
        pytest.param(lambda c: {"signed_email": c.signed(c.password)}, MISMATCH, id="another text"),
        pytest.param(lambda c: {"signed_email": _signed_by_another(c)}, MISMATCH, id="another key"),
        pytest.param(
            lambda c: {"encrypted_email": (block := c.encrypted(c.email)), "signed_email": c.signed(block)},
            MISMATCH,
            id="over the ciphertext",
        ),
        pytest.param(
            lambda c: {"encrypted_email": c.encrypted("a@example.com"), "signed_email": c.signed("a@example.com")},
            UNKNOWN_USER,
            id="unknown email",
        ),
        pytest.param(
            lambda c: {"encrypted_password": c.encrypted("Wrong"), "signed_password": c.signed("Wrong")},
            WRONG_PASSWORD,
            id="wrong password",
        ),
    ],
)
def test_each_refusal_has_its_own_text_and_nothing_else(client: Client, changes: Changes, text: str) -> None:
    answer = call(client.auth_url, client.credentials(**changes(client)))
    assert answer.status == 400
    assert answer.json == {"error": text}


@pytest.mark.parametrize(("missing", "text"), [("encrypted_email", DECRYPTION), ("signed_password", SIGNATURE)])
def test_a_missing_field_is_a_malformed_one(client: Client, missing: str, text: str) -> None:
    credentials = client.credentials()
    del credentials[missing]
    assert call(client.auth_url, credentials).json == {"error": text}


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"encrypted_email": 1, "encrypted_email": 1}', "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"[" * 50_000, "application/json", 400),
        (b'{"a": 1e99999999999999999999}', "application/json", 400),
        (b'{"a": "\\ud800"}', "application/json", 400),
        (b"[]", "application/json", 400),
        (b"{}", "text/plain", 415),
        (b" " * 70_000, "application/json", 413),
    ],
)
def test_rubbish_is_refused(client: Client, body: bytes, content_type: str, status: int) -> None:
    assert call(client.auth_url, body, headers={"Content-Type": content_type}).status == status


def test_a_fifth_field_is_refused(client: Client) -> None:
    answer = call(client.auth_url, client.credentials(email=client.email))
    assert answer.status == 400
    assert answer.json.keys() == {"email"}


def test_unknown_paths_and_methods_are_refused_and_logged(client: Client, remote: Remote) -> None:
    assert call(client.auth_url.rstrip("/"), {}).status == 404
    assert call(client.auth_url, {}, method="PUT").headers["Allow"] == "POST"
    assert [(each["status"], each["operation"]) for each in remote.calls()] == [(404, None), (405, None)]


def test_a_new_password_is_the_only_one_that_works(tmp_path: Path) -> None:
    with Sandbox(tmp_path) as sandbox:
        before = Client.of(sandbox.secrets()["leadleader"])
        rotated = Remote(sandbox.url).rotate("leadleader", "password")
        assert sandbox.secrets()["leadleader"] == rotated
        assert call(before.auth_url, before.credentials()).json == {"error": WRONG_PASSWORD}
        assert Client.of(rotated).authorize()
    with Sandbox(tmp_path) as sandbox:
        assert sandbox.secrets()["leadleader"]["password"] == rotated["password"]


def test_new_keys_make_old_signatures_worthless(tmp_path: Path) -> None:
    with Sandbox(tmp_path) as sandbox:
        before = Client.of(sandbox.secrets()["leadleader"])
        rotated = Remote(sandbox.url).rotate("leadleader", "private_key")
        assert call(before.auth_url, before.credentials()).json == {"error": MISMATCH}
        assert Client.of(rotated).authorize()


def _base64(numbers: list[int]) -> str:
    return base64.b64encode(bytes(numbers)).decode()


def _another(client: Client) -> Client:
    key = rsa.generate_private_key(65537, 1024)
    return Client(client.auth_url, client.base_url, client.email, client.password, key.public_key(), key)


def _encrypted_for_another(client: Client) -> str:
    return _another(client).encrypted(client.email)


def _signed_by_another(client: Client) -> list[int]:
    return _another(client).signed(client.email)
