"""What differs from broker to broker: settings, credentials, and the words of its refusals."""

import base64
import secrets
import time
import uuid
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from devstack.sandbox.partner import Answer, Order, Refusal, rfc3339, same
from leadbridge.settings.sections import Zone

BAD_TOKEN = "java.nio.charset.MalformedInputException: Input length = 1"
UNKNOWN_OFFER = "Entity not found: [status 404 reading OfferClient#findOne(UUID)]"
INVALID_MODEL = "Register Account Model is not valid"

type FieldPath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]+(\.[A-Za-z]+)?$")]


class Broker(Order):
    """The settings, of which many are missing in the document.

    `required` are fields of `account` (`leadInfo.leadSource` too). The partner id and the offer are always required.
    `words` are this broker's texts of statuses, `offers` the names of its further offers. With a `time_zone` the list's
    times are local and have no offset.
    """

    expires_in: Annotated[int, Field(ge=0)] = 899
    refresh_expires_in: Annotated[int, Field(ge=0)] = 3600
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


def _uuid() -> str:
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True)
class Credentials:
    """The OAuth client, the provider's login, the offer, and the partner's number, of which 0 is a valid one."""

    client_id: str = field(default_factory=lambda: f"provider-{secrets.token_hex(4)}")
    client_secret: str = field(default_factory=partial(secrets.token_urlsafe, 24))
    username: str = field(default_factory=lambda: f"provider-{secrets.token_hex(4)}@example.com")
    password: str = field(default_factory=partial(secrets.token_urlsafe, 24))
    offer_uuid: str = field(default_factory=_uuid)
    partner_id: int = 0
    manager_uuid: str = field(default_factory=_uuid)

    def admits_client(self, authorization: str) -> bool:
        basic = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        return same(authorization, f"Basic {basic}")

    def admits(self, username: str, password: str) -> bool:
        return same(username, self.username) & same(password, self.password)


def refusal(status: int, message: str, reason: object = None) -> Refusal:
    """`{"status", "timestamp", "message", "printableMessage"}`. `reason` is for the call log only."""
    body = {"status": status, "timestamp": rfc3339(time.time()), "message": message, "printableMessage": message}
    return Refusal(Answer.of(status, body, refused=message if reason is None else reason))


def token_refusal(status: int, error: str, description: str, reason: str) -> Refusal:
    """A refused token, with OAuth's two fields instead of the four."""
    return Refusal(Answer.of(status, {"error": error, "error_description": description}, refused=reason))
