"""The kinds of trackers. Each makes a request from a postback; everything else is the same for all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from leadbridge.auth.secret_forms import is_webhook_secret, webhook_key
from leadbridge.auth.signatures import webhook_signature
from leadbridge.domain.clock import to_text
from leadbridge.partners.feedback.macros import check_macros, fill, ids_of, utm_of, values_of, without_macros
from leadbridge.partners.public_http import HTTPS_PORT, AddressInvalid, PublicUrl, parse_url

if TYPE_CHECKING:
    from leadbridge.domain.feedback.postback import Postback
    from leadbridge.domain.lead import Lead

MIN_KEY = 16  # bytes of a webhook's key
LOOPBACK_SWITCH = "allow_loopback"  # of an entry: the sandbox of the local stack, over http
MAX_PORT = 65_535


@dataclass(frozen=True)
class TrackerRequest:
    """The request of one attempt."""

    method: str
    url: PublicUrl
    headers: dict[str, str]
    body: bytes | None = None


class FeedbackKind(Protocol):
    """A kind of tracker."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of an entry besides `url`."""
        ...

    def check(self, entry: Mapping[str, Any], *, is_local: bool) -> None:
        """Check a tracker's entry. Raises ValueError, whose text quotes no value."""
        ...

    def request(
        self, entry: Mapping[str, Any], postback: Postback, lead: Lead, now: float, *, is_local: bool
    ) -> TrackerRequest:
        """Return the request of an attempt at `now` (Unix seconds). Raises ClickIdMissing, UrlTooLong, ValueError."""
        ...


class UrlKind:
    """A GET request to an address with macros."""

    keys = ("port", LOOPBACK_SWITCH)

    def check(self, entry: Mapping[str, Any], *, is_local: bool) -> None:
        """Check the address and its macros."""
        check_macros(_template(entry))
        _parse(without_macros(_template(entry)), entry, is_local=is_local)

    def request(
        self, entry: Mapping[str, Any], postback: Postback, lead: Lead, now: float, *, is_local: bool
    ) -> TrackerRequest:
        """Return a GET request."""
        del now
        self.check(entry, is_local=is_local)
        address = fill(_template(entry), values_of(postback, lead))
        return TrackerRequest("GET", _parse(address, entry, is_local=is_local), {})


class WebhookKind:
    """A POST request with JSON, signed as Standard Webhooks requires."""

    keys = ("secret", "port", LOOPBACK_SWITCH)

    def check(self, entry: Mapping[str, Any], *, is_local: bool) -> None:
        """Check the address, its macros and the secret."""
        UrlKind().check(entry, is_local=is_local)
        secret = entry.get("secret")
        if not isinstance(secret, str) or not is_webhook_secret(secret) or len(webhook_key(secret)) < MIN_KEY:
            raise ValueError(f"secret must be whsec_ and at least {MIN_KEY} bytes in base64")

    def request(
        self, entry: Mapping[str, Any], postback: Postback, lead: Lead, now: float, *, is_local: bool
    ) -> TrackerRequest:
        """Return a signed POST request. `webhook-id` is the event id at every attempt."""
        self.check(entry, is_local=is_local)
        address = fill(_template(entry), values_of(postback, lead))
        about = {
            **{name: getattr(postback, name) for name in ("lead_id", "event_id", "source", "partner", "status")},
            "outcome": postback.event,
            "payout": postback.payout,
            "ids": ids_of(lead),
            "utm": utm_of(lead),
        }
        content = {"type": f"lead.{postback.event}", "timestamp": to_text(postback.created_at), "data": about}
        body = json.dumps(content, ensure_ascii=False).encode()
        headers = {
            "Content-Type": "application/json",
            "webhook-id": postback.event_id,
            "webhook-timestamp": str(int(now)),
            "webhook-signature": webhook_signature(str(entry["secret"]), postback.event_id, int(now), body),
        }
        return TrackerRequest("POST", _parse(address, entry, is_local=is_local), headers, body)


KINDS: Mapping[str, FeedbackKind] = {"url": UrlKind(), "webhook": WebhookKind()}


def check_entry(entry: object, *, kind: str | None, is_local: bool) -> None:
    """Check a tracker's entry of the secret. Raises ValueError, whose text quotes no value.

    Without a `kind`, which the configuration has, an entry with a `secret` is a webhook's.
    """
    if not isinstance(entry, Mapping):
        raise ValueError('it must be an object such as {"url": "https://…"}')
    name = kind or ("webhook" if "secret" in entry else "url")
    if unknown := sorted(set(entry) - {"url", *KINDS[name].keys}):
        raise ValueError(f"it has unknown keys: {', '.join(unknown)}")
    KINDS[name].check(entry, is_local=is_local)


def _template(entry: Mapping[str, Any]) -> str:
    url = entry.get("url")
    if not isinstance(url, str) or not url:
        raise ValueError("it lacks url")
    return url


def _parse(url: str, entry: Mapping[str, Any], *, is_local: bool) -> PublicUrl:
    port, switch = entry.get("port", HTTPS_PORT), entry.get(LOOPBACK_SWITCH, False)
    if type(port) is not int or not 0 < port <= MAX_PORT:
        raise ValueError("port must be a number")
    if type(switch) is not bool or (switch and not is_local):
        raise ValueError(f"{LOOPBACK_SWITCH} is for the local stack only")
    try:
        return parse_url(url, port=port, allow_loopback=switch)
    except AddressInvalid as error:
        raise ValueError(f"url: {error}") from None
