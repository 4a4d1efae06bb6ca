"""Leeloo's client as a test needs it: able to do everything wrong. Written apart from the product's own."""

import json
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlencode

from devstack.sandbox.remote import Remote
from quality.testkit.sandbox.client import Reply, call

UNKNOWN_ID = "0" * 24
"""An id of the right form that nothing has."""


@dataclass(frozen=True)
class LeelooClient:
    base_url: str
    token: str

    @classmethod
    def of(cls, secret: dict[str, str]) -> Self:
        return cls(secret["base_url"], secret["token"])

    def get(self, path: str, *pairs: tuple[str, object]) -> Reply:
        return self.ask("GET", f"{path}?{urlencode(pairs)}" if pairs else path, b"")

    def post(self, path: str, body: object) -> Reply:
        return self.ask("POST", path, body)

    def put(self, path: str, body: object) -> Reply:
        return self.ask("PUT", path, body)

    def ask(self, method: str, path: str, body: object, content_type: str = "application/json") -> Reply:
        headers = {"X-Leeloo-AuthToken": self.token, "Content-Type": content_type}
        return call(f"{self.base_url}/{path}", body, method=method, headers=headers)

    def urlencoded(self, method: str, path: str, body: dict[str, str]) -> Reply:
        return self.ask(method, path, urlencode(body).encode(), "application/x-www-form-urlencoded")

    def multipart(self, method: str, path: str, body: dict[str, str]) -> Reply:
        parts = "".join(
            f'--limit\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in body.items()
        )
        return self.ask(method, path, f"{parts}--limit--\r\n".encode(), "multipart/form-data; boundary=limit")

    def send(self, account_id: str, text: str) -> Reply:
        return self.post("messages/send-message", {"account_id": account_id, "text": text})


@dataclass(frozen=True)
class Office:
    """What is set up, by name, and one person with a TELEGRAM channel."""

    categories: dict[str, str]
    connections: dict[str, str]
    templates: dict[str, str]
    tags: dict[str, str]
    users: dict[str, str]
    offers: dict[str, str]
    payments: dict[str, str]
    tunnel_id: str
    block_id: str
    tool_id: str
    person_id: str
    account_id: str

    @classmethod
    def of(cls, remote: Remote) -> Self:
        company = remote.get("leeloo/company")
        tunnel = company["tunnels"][0]
        person = remote.post(
            "leeloo/people",
            {"name": "Ольга", "phone": "+380501234567", "email": "olha@example.com", "accounts": ["TELEGRAM"]},
        )

        def ids(kind: str, name: str) -> dict[str, str]:
            return {each[name]: each["id"] for each in company[kind]}

        return cls(
            categories=ids("categories", "name"),
            connections=ids("connections", "type"),
            templates=ids("templates", "message_name"),
            tags=ids("tags", "name"),
            users=ids("users", "name"),
            offers=ids("offers", "title"),
            payments=ids("payment_credits", "name"),
            tunnel_id=tunnel["id"],
            block_id=tunnel["blocks"][0]["id"],
            tool_id=tunnel["leadgentools"][0]["id"],
            person_id=person["id"],
            account_id=person["accounts"][0]["account_id"],
        )

    @property
    def user_id(self) -> str:
        return self.users["Олена Коваль"]

    def person(self, **changes: object) -> dict[str, Any]:
        """A good body for a new person."""
        return {
            "name": "Іван",
            "email": "ivan@example.com",
            "phone": "+380671112233",
            "leadgentool_id": self.tool_id,
        } | changes

    def sms(self, **changes: object) -> dict[str, Any]:
        """A good body for an import."""
        return {
            "data": [{"name": "Іван", "email": "ivan@example.com", "phone": "+380671112233"}],
            "connection_id": self.connections["SMS"],
            "leadgentool_id": self.tool_id,
            "tags": [self.tags["лід"]],
        } | changes

    def order(self, **changes: object) -> dict[str, Any]:
        """A good body for an order."""
        return {
            "paymentCreditsId": self.payments["Оплата вручну"],
            "email": "olha@example.com",
            "phone": "+380501234567",
            "transactionDate": "2026-01-31T09:30:00.123Z",
            "offerId": self.offers["Курс трейдингу"],
            "isNotifyAccount": "true",
            "personId": self.person_id,
        } | changes

    def call(self, **changes: str) -> dict[str, str]:
        """A good body for a call, fit for a form too."""
        return {
            "user_id": self.user_id,
            "from": "606",
            "to": "+380501234567",
            "date": "2026-01-31T09:30:00.123Z",
            "account_id": self.account_id,
            "record_link": "NOT_DEFINED",
            "status": "NO_ANSWER",
            "duration": "100",
            "type": "OUTBOUND",
        } | changes


def wrong(reply: Reply) -> dict[str, str]:
    """The fields of an error, whose shape is held to."""
    error = json.loads(reply.raw)
    assert error.keys() == {"status", "error"}
    assert error["status"] == 0
    assert error["error"].keys() == {"fields", "code"}
    fields: dict[str, str] = error["error"]["fields"]
    return fields
