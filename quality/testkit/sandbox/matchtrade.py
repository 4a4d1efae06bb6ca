"""Match-Trade's client as a test needs it: able to do everything wrong. Written apart from the product's own."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlencode

from devstack.sandbox.server import Sandbox
from quality.testkit.sandbox.client import Reply, call

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ALWAYS = {"from": "2019-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"}

type Change = Callable[[dict[str, Any]], object]


@dataclass(frozen=True)
class Provider:
    base_url: str
    client_id: str
    client_secret: str
    username: str
    password: str
    offer_uuid: str
    partner_id: int

    @classmethod
    def of(cls, sandbox: Sandbox) -> Self:
        return cls(**sandbox.secrets()["matchtrade"])

    @property
    def basic(self) -> str:
        return "Basic " + base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()

    def ask_token(self, headers: dict[str, str] | None = None, **fields: str) -> Reply:
        """A password grant with other fields where given; an empty one is left out."""
        form = {"grant_type": "password", "username": self.username, "password": self.password} | fields
        body = urlencode({name: value for name, value in form.items() if value}).encode()
        headers = FORM | {"Authorization": self.basic} | (headers or {})
        return call(f"{self.base_url}/proxy/auth/oauth/token", body, headers=headers)

    def refresh(self, token: str) -> Reply:
        return self.ask_token(grant_type="refresh_token", refresh_token=token, username="", password="")

    def token(self) -> str:
        token: str = self.ask_token().json["access_token"]
        return token

    def create(self, change: Change = lambda _body: None, token: str | None = None, **headers: str) -> Reply:
        body = self.body()
        change(body)
        return self.post(body, token, **headers)

    def post(self, body: object, token: str | None = None, **headers: str) -> Reply:
        headers = {"Authorization": f"Bearer {token or self.token()}"} | headers
        return call(f"{self.base_url}/proxy/processing/api/accounts", body, headers=headers)

    def pull(self, *, token: str | None = None, partner_id: object = None, **query: object) -> Reply:
        """A list of all there is, with other parameters where given; None leaves one out."""
        asked = {"query": "", "size": 1000, "page": 0} | ALWAYS | query
        pairs = urlencode({name: value for name, value in asked.items() if value is not None})
        partner = self.partner_id if partner_id is None else partner_id
        return call(
            f"{self.base_url}/proxy/statistic/api/partner/{partner}/accounts/view/for-lead-provider?{pairs}",
            b"",
            method="GET",
            headers={"Authorization": f"Bearer {token or self.token()}"},
        )

    def rows(self, **query: Any) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.pull(**query).json["content"]
        return rows

    def body(self) -> dict[str, Any]:
        return {
            "offerUuid": self.offer_uuid,
            "account": {
                "partnerId": self.partner_id,
                "email": "olha@example.com",
                "name": "Ольга",
                "surname": "Мар'яненко",
                "phone": "380501234567",
                "leadInfo": {"leadSource": "Test Offer|testoffer.com|Test Description |a12dd0a66a"},
            },
        }


def account(**fields: object) -> Change:
    """Other fields of `account`; None leaves one out."""

    def change(body: dict[str, Any]) -> None:
        changed = {**body["account"], **fields}
        body["account"] = {name: value for name, value in changed.items() if value is not None}

    return change


def message(reply: Reply) -> str:
    """The message of an error, whose shape is held to."""
    error = reply.json
    assert error.keys() == {"status", "timestamp", "message", "printableMessage"}
    assert error["status"] == reply.status
    text: str = error["message"]
    return text
