"""Lead Leader's client as a test needs it: able to do everything wrong. Written apart from the product's own."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any, Self
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

OAEP = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)


@dataclass(frozen=True)
class Reply:
    status: int
    raw: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.raw)


def call(
    url: str, body: object = None, *, method: str = "POST", headers: dict[str, str] | None = None, timeout: float = 10
) -> Reply:
    """One request; bytes go as they are, anything else as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = Request(url, data, {"Content-Type": "application/json"} | (headers or {}), method=method)
    try:
        with urlopen(request, timeout=timeout) as response:
            return _reply(response)
    except HTTPError as error:
        with error:
            return _reply(error)


def _reply(response: HTTPResponse | HTTPError) -> Reply:
    return Reply(response.status or 0, response.read(), dict(response.headers.items()))


@dataclass(frozen=True)
class Tokens:
    access: str
    security: str


@dataclass(frozen=True)
class Client:
    auth_url: str
    base_url: str
    email: str
    password: str
    partner_key: rsa.RSAPublicKey
    private_key: rsa.RSAPrivateKey

    @classmethod
    def of(cls, secret: dict[str, str]) -> Self:
        partner_key = serialization.load_pem_public_key(secret["partner_public_key"].encode())
        private_key = serialization.load_pem_private_key(secret["private_key"].encode(), None)
        assert isinstance(partner_key, rsa.RSAPublicKey)
        assert isinstance(private_key, rsa.RSAPrivateKey)
        return cls(
            secret["auth_url"], secret["base_url"], secret["email"], secret["password"], partner_key, private_key
        )

    def encrypted(self, text: str) -> str:
        return base64.b64encode(self.partner_key.encrypt(text.encode(), OAEP)).decode()

    def signed(self, text: str) -> list[int]:
        return list(self.private_key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA1()))

    def credentials(self, **changes: object) -> dict[str, Any]:
        return {
            "encrypted_email": self.encrypted(self.email),
            "encrypted_password": self.encrypted(self.password),
            "signed_email": self.signed(self.email),
            "signed_password": self.signed(self.password),
        } | changes

    def authorize(self) -> Tokens:
        answer = call(self.auth_url, self.credentials()).json
        return Tokens(answer["access_token"], answer["security_token"])

    def create(self, body: dict[str, Any] | None = None, tokens: Tokens | None = None, *, timeout: float = 10) -> Reply:
        return self._ask("create-short-deal/", application() if body is None else body, tokens, "POST", timeout)

    def create_raw(self, text: str) -> Reply:
        """A create whose JSON is written by hand; `TOKEN` stands for the security token."""
        tokens = self.authorize()
        body = text.replace("TOKEN", json.dumps(tokens.security)).encode()
        return call(f"{self.base_url}create-short-deal/", body, headers=bearer(tokens))

    def status(self, deal_id: object, tokens: Tokens | None = None, *, method: str = "POST") -> Reply:
        return self._ask("check-status/", {"deal_id": deal_id}, tokens, method, 10)

    def _ask(self, path: str, body: dict[str, Any], tokens: Tokens | None, method: str, timeout: float) -> Reply:
        tokens = tokens or self.authorize()
        body = {"security_token": tokens.security} | body
        return call(f"{self.base_url}{path}", body, method=method, headers=bearer(tokens), timeout=timeout)


def bearer(tokens: Tokens) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens.access}"}


def application(change: Callable[[dict[str, Any]], object] = lambda _body: None) -> dict[str, Any]:
    """A good create body (without its token), changed in place by `change`."""
    body: dict[str, Any] = {
        "clientInfo": {
            "PIB": "Мар'яненко Ольга Петрівна",
            "telephone": "0501234567",
            "stateCode": "3652504575",
            "activity": "Вчителька",
        },
        "termin": 12,
        "summa": 6000,
    }
    change(body)
    return body
