"""A transport that sends nothing to Match-Trade, and a secret for it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import simplejson

from leadbridge.domain.errors.partner_errors import PartnerError, Unavailable
from leadbridge.domain.lead import Lead, Person, Trading
from leadbridge.partners.http import Answer, Transport
from leadbridge.partners.matchtrade.client import MatchTrade
from leadbridge.runtime.budget import Budget
from leadbridge.settings import Timeouts

SECRET: dict[str, Any] = {
    "base_url": "https://broker.invalid/",
    "client_id": "client",
    "client_secret": "client's",
    "username": "provider",
    "password": "password",
    "offer_uuid": "0c5a8a1e-0000-4000-8000-000000000000",
    "partner_id": 0,
}

NAMES = ("offer", "site", "description", "click_id")


def trading(parts: Mapping[str, str | None]) -> Trading:
    """A trading source with exactly these values: none is normalised."""
    return Trading.model_construct(None, **parts)


def lead(**changes: Any) -> Lead:
    person = {"full_name": "Ольга Іванівна Петренко", "phone": "+380501234567", "email": "o@example.com"}
    parts = {name: changes.pop(name, None) for name in NAMES}
    return Lead(
        lead_id="ld_1",
        source="web-trading",
        received_at=datetime(2026, 1, 31, tzinfo=UTC),
        partners=("matchtrade",),
        person=Person(**{**person, **changes}),
        trading=trading(parts),
    )


CONNECT, READ = 1.0, 9.0
REFUSED = Answer(401, {}, b"")


def timeouts() -> Timeouts:
    return Timeouts.model_construct(connect=timedelta(seconds=CONNECT), read=timedelta(seconds=READ))


def answer(status: int, body: object, **headers: str) -> Answer:
    return Answer(status, headers, simplejson.dumps(body).encode())


def token(name: str = "t1", **more: object) -> Answer:
    return answer(200, {"access_token": name, "refresh_token": f"r-{name}", "expires_in": 899, **more})


def rows(*emails: str) -> Answer:
    return answer(200, {"content": [{"uuid": each, "email": each} for each in emails], "totalPages": 1})


@dataclass
class Request:
    """One call as it would have gone out."""

    operation: str
    url: str
    headers: dict[str, str]
    json: Any
    body: bytes | None

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl((self.body or b"").decode(), strict_parsing=True))

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.url).query, strict_parsing=True, keep_blank_values=True)


class Line(Transport):
    """A transport that sends nothing. `answers` are given one after another, the last of them for ever.

    Each call takes `takes` seconds of its own time, and fails where it is granted less.
    """

    def __init__(self, *answers: Answer | PartnerError, takes: float = 0.0) -> None:
        super().__init__("matchtrade", timeouts())
        self.answers = list(answers)
        self.requests: list[Request] = []
        self.takes = takes
        self.now = 0.0

    def call(
        self,
        operation: str,
        method: str,
        url: str,
        *,
        budget: Budget,
        json: Any = None,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        self.requests.append(Request(operation, url, headers or {}, json, body))
        granted = budget.cut(self.max_seconds)
        self.now += min(self.takes, granted)
        if self.takes > granted:
            raise Unavailable("matchtrade", operation, "too slow")
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(found, Exception):
            raise found
        return found

    def budget(self, seconds: float) -> Budget:
        return Budget(self.now + seconds + 3, 3, lambda: self.now)

    @property
    def operations(self) -> list[str]:
        return [request.operation for request in self.requests]


@dataclass
class Vault:
    """The secret: what is kept, and what a refresh finds (None: it was read just now)."""

    kept: dict[str, Any] = field(default_factory=lambda: dict(SECRET))
    current: dict[str, Any] | None = field(default_factory=lambda: dict(SECRET))

    def get(self) -> dict[str, Any]:
        return self.kept

    def refresh(self) -> dict[str, Any] | None:
        self.kept = self.current or self.kept
        return self.current


def budget(seconds: float = 60) -> Budget:
    return Budget(time.monotonic() + seconds + 3, reserve=3)


def client(line: Line, **options: Any) -> MatchTrade:
    return MatchTrade(line, options.pop("vault", None) or Vault(), **options)
