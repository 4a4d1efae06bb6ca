"""An alert as a webhook, signed as Standard Webhooks require (standardwebhooks.com).

The body is `{"type", "timestamp", "data"}`. The `webhook-id` is the same in each attempt, so a receiver can ignore
repetitions.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import simplejson

from leadbridge.auth.secret_forms import webhook_key
from leadbridge.domain.errors.partner_errors import Rejected, Unavailable
from leadbridge.partners.http import rate_limit_error

if TYPE_CHECKING:
    from leadbridge.partners.public_http import PublicClient, PublicUrl
    from leadbridge.runtime.budget import Budget
    from leadbridge.services.ports.alerts import OutgoingMessage

RETRIED = frozenset({408, 425, 429})  # statuses below 500 that a retry may change


@dataclass(frozen=True)
class AlertWebhook:
    """The address of one receiver."""

    http: PublicClient
    label: str
    url: PublicUrl
    secret: str

    @property
    def name(self) -> str:
        """The name of the webhook among the targets."""
        return f"webhook {self.label}"

    def send(self, message: OutgoingMessage, budget: Budget) -> str:
        """Post an event. Returns an empty id. Raises Rejected, Misconfigured, RateLimited, Unavailable, Unknown."""
        event = {**message.event, "data": {"text": message.text, **message.event.get("data", {})}}
        body = simplejson.dumps(event, ensure_ascii=False).encode()
        webhook_id = f"alert_{hashlib.sha256(message.event_id.encode()).hexdigest()[:32]}"
        headers = {"Content-Type": "application/json", **self._signature(webhook_id, str(int(time.time())), body)}
        answer = self.http.call(self.name, "alert", "POST", self.url, headers=headers, body=body, budget=budget)
        if 200 <= answer.status < 300:
            return ""
        if limited := rate_limit_error(self.name, "alert", answer):
            raise limited
        data = {"http_status": answer.status}
        if answer.status >= 500 or answer.status in RETRIED:
            raise Unavailable(self.name, "alert", f"the receiver failed (HTTP {answer.status})", data=data)
        raise Rejected(self.name, "alert", f"the receiver rejects alerts (HTTP {answer.status})", data=data)

    def _signature(self, webhook_id: str, timestamp: str, body: bytes) -> dict[str, str]:
        signed = f"{webhook_id}.{timestamp}.".encode() + body
        digest = hmac.digest(webhook_key(self.secret), signed, hashlib.sha256)
        return {
            "webhook-id": webhook_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
        }
