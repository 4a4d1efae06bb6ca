"""Alerts as webhooks: what is posted, that it is signed, and which answers are retried."""

import json
import time
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from leadbridge.domain.errors.partner_errors import PartnerError, RateLimited, Rejected, Unavailable
from leadbridge.forms.adapters import standard_webhooks
from leadbridge.forms.base import Request
from leadbridge.partners.alerts.webhook import AlertWebhook
from leadbridge.partners.http import Answer
from leadbridge.partners.public_http import PublicClient, PublicUrl, parse_url
from leadbridge.runtime.budget import Budget
from leadbridge.services.ports.alerts import OutgoingMessage

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EVENT = {"type": "alert.triggered", "timestamp": "2026-03-01T12:00:00.000Z", "data": {"group": "unknown"}}


class Receiver:
    """A transport that answers with one status."""

    def __init__(self, status: int = 204, headers: dict[str, str] | None = None) -> None:
        self.status, self.headers = status, headers or {}
        self.posts: list[tuple[str, dict[str, str], bytes]] = []

    def call(
        self,
        name: str,
        operation: str,
        method: str,
        url: PublicUrl,
        *,
        headers: dict[str, str],
        body: bytes,
        budget: Any,
    ) -> Any:
        self.posts.append((f"https://{url.host}{url.target}", headers, body))
        return Answer(self.status, self.headers, b"")


def post(receiver: Receiver, event_id: str = "ALERT#unknown 1") -> str:
    webhook = AlertWebhook(cast("PublicClient", receiver), "ops", parse_url("https://example.com/x"), SECRET)
    return webhook.send(OutgoingMessage("🔴 Тривога", event_id, event=EVENT), Budget(time.monotonic() + 30))


def test_an_event_is_signed_as_the_standard_requires() -> None:
    receiver = Receiver()
    assert post(receiver) == ""
    ((url, headers, body),) = receiver.posts
    assert url == "https://example.com/x"
    assert json.loads(body) == {**EVENT, "data": {"text": "🔴 Тривога", "group": "unknown"}}
    request = Request(headers, {}, body)
    standard_webhooks.verify(request, [SECRET], datetime.now(UTC))


def test_an_attempt_that_is_repeated_has_the_same_id() -> None:
    receiver = Receiver()
    for event_id in ("a 1", "a 1", "a 2"):
        post(receiver, event_id)
    ids = [headers["webhook-id"] for _, headers, _ in receiver.posts]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize(
    ("status", "headers", "error"),
    [
        (500, {}, Unavailable),
        (503, {"retry-after": "7"}, RateLimited),
        (429, {}, RateLimited),
        (408, {}, Unavailable),
        (301, {}, Rejected),
        (400, {}, Rejected),
        (410, {}, Rejected),
    ],
)
def test_only_answers_that_may_change_are_retried(
    status: int, headers: dict[str, str], error: type[PartnerError]
) -> None:
    with pytest.raises(error) as raised:
        post(Receiver(status, headers))
    assert type(raised.value) is error
