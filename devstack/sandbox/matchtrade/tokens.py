"""Tokens: OAuth's password and refresh grants, urlencoded, with the client in the Basic header."""

import secrets

from devstack.sandbox.matchtrade.broker import Broker, Credentials, token_refusal
from devstack.sandbox.partner import Answer, Clock, Incoming, Rows, digest

FORM = "application/x-www-form-urlencoded"


class Tokens:
    """Access tokens with a lifetime, and refresh tokens that are valid for one exchange."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._access = Rows[str, float]()
        self._refresh = Rows[str, float]()

    def admits(self, access: str) -> bool:
        return self._clock() < self._access.get(access, 0)

    def expire(self, *, refresh: bool = True) -> dict[str, int]:
        """End every access token now, by default the refresh tokens too. Returns how many access tokens were valid."""
        valid = sum(map(self.admits, self._access))
        self._access.clear()
        if refresh:
            self._refresh.clear()
        return {"expired": valid}

    def grant(self, incoming: Incoming, broker: Broker, credentials: Credentials) -> Answer:
        """Raises `Refusal`: 401 for a wrong client, password or refresh token, 400 for a malformed grant."""
        if not credentials.admits_client(incoming.headers.get("Authorization", "")):
            raise token_refusal(401, "unauthorized", "Authentication error", "client")
        fields = fields_of(incoming)
        match fields.get("grant_type"):
            case "password":
                is_valid = credentials.admits(fields.get("username", ""), fields.get("password", ""))
            case "refresh_token":
                is_valid = self._clock() < self._refresh.pop(fields.get("refresh_token", ""), 0)
            case None:
                raise token_refusal(400, "invalid_request", "Missing grant type", "grant_type")
            case _:
                raise token_refusal(400, "unsupported_grant_type", "Unsupported grant type", "grant_type")
        if not is_valid:
            raise token_refusal(401, "unauthorized", "Authentication error", f"{fields['grant_type']} grant")
        access, refresh, now = secrets.token_urlsafe(48), secrets.token_urlsafe(48), self._clock()
        self._access.add(access, now + broker.expires_in)
        self._refresh.add(refresh, now + broker.refresh_expires_in)
        granted = {
            "access_token": access,
            "token_type": "bearer",
            "refresh_token": refresh,
            "expires_in": broker.expires_in,
            "account_uuid": credentials.manager_uuid,
            "manager_scope": "LEAD_PROVIDER",
            "partnerId": credentials.partner_id,
            "email": credentials.username,
            "jti": secrets.token_hex(16),
        }
        return Answer.of(200, granted, access_token_sha256=digest(access))


def fields_of(incoming: Incoming) -> dict[str, str]:
    """The fields of the form. The query is ignored. Raises `Refusal`."""
    if incoming.content_type != FORM:
        description = f"Content type '{incoming.content_type}' not supported"
        raise token_refusal(400, "invalid_request", description, "media type")
    try:
        pairs = incoming.form
    except ValueError as error:
        raise token_refusal(400, "invalid_request", "Malformed form", "form") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise token_refusal(400, "invalid_request", "Repeated parameter", "form")
    return fields
