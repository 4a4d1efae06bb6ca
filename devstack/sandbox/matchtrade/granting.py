"""Tokens: OAuth's password and refresh grants, urlencoded, with the client in the Basic header."""

import secrets
from collections.abc import Mapping
from urllib.parse import parse_qsl

from devstack.sandbox.matchtrade.credentials import Credentials
from devstack.sandbox.matchtrade.refusals import NoToken, unauthorized
from devstack.sandbox.matchtrade.state import State
from devstack.sandbox.partner import Answer, Incoming, digest

FORM = "application/x-www-form-urlencoded"
FIELDS_AT_MOST = 20


def grant(incoming: Incoming, state: State, credentials: Credentials) -> Answer:
    """Raises `NoToken`: 401 for a wrong client, password or refresh token, 400 for a malformed grant."""
    if not credentials.admits_client(incoming.headers.get("Authorization", "")):
        raise unauthorized("client")
    fields = fields_of(incoming)
    match fields.get("grant_type"):
        case "password":
            if not credentials.admits(fields.get("username", ""), fields.get("password", "")):
                raise unauthorized("username or password")
        case "refresh_token":
            if not state.tokens.exchange(fields.get("refresh_token", "")):
                raise unauthorized("refresh token")
        case None:
            raise NoToken(400, "invalid_request", "Missing grant type", "grant_type")
        case _:
            raise NoToken(400, "unsupported_grant_type", "Unsupported grant type", "grant_type")
    return _granted(state, credentials)


def fields_of(incoming: Incoming) -> Mapping[str, str]:
    """The fields of the form. The query is ignored. Raises `NoToken`."""
    if incoming.content_type != FORM:
        raise NoToken(400, "invalid_request", f"Content type '{incoming.content_type}' not supported", "media type")
    try:
        pairs = parse_qsl(incoming.raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=FIELDS_AT_MOST)
    except ValueError as error:
        raise NoToken(400, "invalid_request", "Malformed form", "form") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise NoToken(400, "invalid_request", "Repeated parameter", "form")
    return fields


def _granted(state: State, credentials: Credentials) -> Answer:
    broker = state.broker
    pair = state.tokens.issue(broker.expires_in, broker.refresh_expires_in)
    return Answer.of(
        200,
        {
            "access_token": pair.access,
            "token_type": "bearer",
            "refresh_token": pair.refresh,
            "expires_in": broker.expires_in,
            "account_uuid": credentials.manager_uuid,
            "manager_scope": "LEAD_PROVIDER",
            "partnerId": credentials.partner_id,
            "email": credentials.username,
            "jti": secrets.token_hex(16),
        },
        access_token_sha256=digest(pair.access),
    )
