"""What differs from broker to broker: settings, credentials, tokens, and the words of its refusals."""

import base64
import secrets
import time
import uuid
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from devstack.sandbox.partner import Answer, Clock, Incoming, Order, Refusal, Rows, digest, rfc3339, same
from leadbridge.settings.sections import Zone

FORM = "application/x-www-form-urlencoded"
REFRESH_SECONDS = 3600

type FieldPath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]+(\.[A-Za-z]+)?$")]


class Broker(Order):
    """The settings, of which many are missing in the document. The README describes them."""

    expires_in: Annotated[int, Field(ge=0)] = 899
    required: tuple[FieldPath, ...] = ("email", "name", "surname", "phone")
    column_length: Annotated[int, Field(ge=1)] = 255
    plus_in_phone: bool = False
    create_status: Annotated[int, Field(ge=200, le=299)] = 200
    create_uuid: bool = True
    filter_by: Literal["created", "updated"] = "created"
    lead_source: Literal["flat", "nested", "mixed"] = "flat"
    page_shape: Literal["full", "minimal"] = "full"
    max_size: Annotated[int, Field(ge=1, le=1000)] = 1000
    words: dict[str, str] = {}
    offers: tuple[str, ...] = ()
    time_zone: Zone | None = None


@dataclass(frozen=True, slots=True)
class Credentials:
    """The OAuth client, the provider's login, the offer, and the partner's number, of which 0 is a valid one."""

    client_id: str = field(default_factory=lambda: f"provider-{secrets.token_hex(4)}")
    client_secret: str = field(default_factory=partial(secrets.token_urlsafe, 24))
    username: str = field(default_factory=lambda: f"provider-{secrets.token_hex(4)}@example.com")
    password: str = field(default_factory=partial(secrets.token_urlsafe, 24))
    offer_uuid: str = field(default_factory=lambda: str(uuid.uuid4()))
    partner_id: int = 0


class Tokens:
    """Access tokens with a lifetime, and refresh tokens that are valid for one exchange."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._access = Rows[str, float]()
        self._refresh = Rows[str, float]()

    def admits(self, access: str) -> bool:
        return self._clock() < self._access.get(access, 0)

    def expire(self) -> None:
        """End all tokens now."""
        self._access.clear()
        self._refresh.clear()

    def grant(self, incoming: Incoming, broker: Broker, credentials: Credentials) -> Answer:
        """OAuth's password and refresh grants, urlencoded, with the client in the Basic header."""
        client = base64.b64encode(f"{credentials.client_id}:{credentials.client_secret}".encode()).decode()
        if not same(incoming.headers.get("Authorization", ""), f"Basic {client}"):
            raise _token_refusal(401, "unauthorized", "Authentication error", "client")
        fields = form_of(incoming)
        match fields.get("grant_type"):
            case "password":
                is_user = same(fields.get("username", ""), credentials.username)
                is_valid = is_user & same(fields.get("password", ""), credentials.password)
            case "refresh_token":
                is_valid = self._clock() < self._refresh.pop(fields.get("refresh_token", ""), 0)
            case _:
                raise _token_refusal(400, "unsupported_grant_type", "Unsupported or missing grant type", "grant_type")
        if not is_valid:
            raise _token_refusal(401, "unauthorized", "Authentication error", f"{fields['grant_type']} grant")
        access, refresh, now = secrets.token_urlsafe(48), secrets.token_urlsafe(48), self._clock()
        self._access.add(access, now + broker.expires_in)
        self._refresh.add(refresh, now + REFRESH_SECONDS)
        tokens = {
            "access_token": access,
            "refresh_token": refresh,
            "token_type": "bearer",
            "jti": secrets.token_hex(16),
        }
        whose = {"partnerId": credentials.partner_id, "email": credentials.username, "manager_scope": "LEAD_PROVIDER"}
        account_uuid = str(uuid.uuid5(uuid.NAMESPACE_DNS, credentials.username))
        granted = {**tokens, **whose, "expires_in": broker.expires_in, "account_uuid": account_uuid}
        return Answer.of(200, granted, access_token_sha256=digest(access))


def form_of(incoming: Incoming) -> dict[str, str]:
    """The fields of the form; empty for another encoding, a malformed form, or one that names a field twice."""
    try:
        pairs = incoming.form if incoming.content_type == FORM else []
    except ValueError:
        pairs = []
    return dict(pairs) if len(dict(pairs)) == len(pairs) else {}


def refusal(status: int, message: str, reason: object = None) -> Refusal:
    """`{"status", "timestamp", "message", "printableMessage"}`. `reason` is for the call log only."""
    body = {"status": status, "timestamp": rfc3339(time.time()), "message": message, "printableMessage": message}
    return Refusal(Answer.of(status, body, refused=message if reason is None else reason))


def _token_refusal(status: int, error: str, description: str, reason: str) -> Refusal:
    """A refused token, with OAuth's two fields instead of the four."""
    return Refusal(Answer.of(status, {"error": error, "error_description": description}, refused=reason))
