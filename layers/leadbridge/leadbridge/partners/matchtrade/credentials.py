"""The broker's credentials for a lead provider: the secret `{prefix}/matchtrade`."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from leadbridge.domain.errors.error_codes import ErrorCode, ErrorInfo
from leadbridge.domain.errors.partner_errors import secret_incomplete

_TEXTS = ("base_url", "client_id", "client_secret", "username", "password", "offer_uuid")
_MAX_PARTNER_ID = 10**18
_MAX_OFFERS = 1000
MAX_SHOWN_OFFER = 64  # characters of a lead's offer in the timeline


@dataclass(frozen=True)
class BrokerCredentials:
    """The broker's URL and OAuth client, our login, offer and partner id (0 is valid)."""

    base_url: str
    client_id: str
    client_secret: str
    username: str
    password: str
    offer_uuid: str
    partner_id: int
    offers: Mapping[str, str] = field(default_factory=dict)  # uuids by name, casefolded

    @classmethod
    def of(cls, secret: dict[str, Any], partner: str = "matchtrade") -> BrokerCredentials:
        """Read the secret of a partner. Raises Misconfigured with the names of the wrong keys, without values."""
        wrong = [name for name in _TEXTS if not _is_text(secret.get(name))]
        if "client_id" not in wrong and ":" in secret["client_id"]:
            wrong.append("client_id")
        partner_id = _whole_number(secret.get("partner_id"))
        if partner_id is None:
            wrong.append("partner_id")
        offers = _offers(secret.get("offers", {}))
        if offers is None:
            wrong.append("offers")
        if wrong or partner_id is None or offers is None:
            raise secret_incomplete(partner, "token", wrong)
        return cls(**{name: secret[name] for name in _TEXTS}, partner_id=partner_id, offers=offers)

    def offer_for(self, name: str | None) -> str:
        """Return the uuid of the offer with this name, `offer_uuid` if there is none."""
        return self.offers.get(_offer_key(name), self.offer_uuid)

    def offer_warning(self, name: str | None) -> ErrorInfo | None:
        """Return a warning about a name that is none of the secret's offers; None if the secret names no offers."""
        if not self.offers or not _offer_key(name) or _offer_key(name) in self.offers:
            return None
        text = "the secret has no offer of this name, so the lead is sent to the default offer"
        return ErrorInfo(ErrorCode.OFFER_UNKNOWN, text, {"offer": (name or "").strip()[:MAX_SHOWN_OFFER]})

    @property
    def basic(self) -> str:
        """The `Authorization` header of the OAuth client."""
        return f"Basic {base64.b64encode(f'{self.client_id}:{self.client_secret}'.encode()).decode()}"

    def url(self, path: str) -> str:
        """Return the URL of a path at this broker."""
        return f"{self.base_url.rstrip('/')}/{path}"

    def __repr__(self) -> str:
        return "BrokerCredentials(…)"


def _is_text(value: object) -> bool:
    if not isinstance(value, str) or not value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _offers(value: object) -> dict[str, str] | None:
    """Return the uuids by casefolded name; None if it is not an object of texts, or two names are the same."""
    if not isinstance(value, dict) or len(value) > _MAX_OFFERS:
        return None
    offers = {_offer_key(name): uuid for name, uuid in value.items() if name.strip() and _is_text(uuid)}
    return offers if len(offers) == len(value) else None


def _offer_key(name: str | None) -> str:
    return (name or "").strip().casefold()


def _whole_number(value: object) -> int | None:
    """Return a number, also from its digits: Secrets Manager's form makes texts of all values."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < len(str(_MAX_PARTNER_ID)):
        return int(value)
    if type(value) is int and 0 <= value < _MAX_PARTNER_ID:
        return value
    return None
