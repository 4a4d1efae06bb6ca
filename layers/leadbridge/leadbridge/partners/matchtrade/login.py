"""The OAuth token: obtained with the password, cached until shortly before it expires, shared by all calls."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from leadbridge.auth.secrets import MIN_REFRESH_SECONDS
from leadbridge.domain.clock import Clock
from leadbridge.domain.errors.partner_errors import Misconfigured, Unavailable, Unknown
from leadbridge.partners.http import Transport
from leadbridge.partners.kind import SecretSource
from leadbridge.partners.matchtrade.answers import grant_in
from leadbridge.partners.matchtrade.credentials import BrokerCredentials
from leadbridge.runtime.budget import Budget

EXPIRY_MARGIN = 60.0  # seconds before its expiry, a token is replaced


@dataclass(frozen=True)
class Session:
    """A token and the credentials that it was issued for."""

    credentials: BrokerCredentials
    access_token: str
    refresh_token: str | None
    valid_until: datetime

    def __repr__(self) -> str:
        return "Session(…)"


class Login:
    """The session of a worker. Thread-compatible: at worst, two threads log in at the same time.

    Nothing is created here, so a lost answer is Unavailable, never Unknown.
    """

    def __init__(self, transport: Transport, secret: SecretSource, *, clock: Clock, refresh_grant: bool) -> None:
        self._transport = transport
        self._secret = secret
        self._clock = clock
        self._refresh_grant = refresh_grant
        self._kept: Session | None = None

    def session(self, budget: Budget) -> Session:
        """Return the session, a new one if there is none or it expires within the margin.

        A token whose lifetime is shorter than the margin is used for one call. After a rejection the secret is read
        again once: it may have been rotated. Raises PartnerError.
        """
        secret = self._secret.get()
        try:
            return self._session_for(secret, budget)
        except Misconfigured as error:
            refreshed = self._secret.refresh()
            if refreshed is None:
                raise Misconfigured(
                    self._transport.partner,
                    "token",
                    error.text,
                    code=error.code,
                    data=error.data,
                    retry_after=MIN_REFRESH_SECONDS,
                    certain=False,
                ) from None
            if refreshed == secret:
                raise
        return self._session_for(refreshed, budget)

    def forget(self, session: Session) -> None:
        """Discard a session whose token was rejected, with its refresh token."""
        if self._kept is session:
            self._kept = None

    def refresh_secret(self) -> None:
        """Read the secret again for the next call, after a new token was rejected too."""
        with suppress(Unavailable):
            self._secret.refresh()

    def _session_for(self, secret: dict[str, Any], budget: Budget) -> Session:
        credentials, kept = BrokerCredentials.of(secret, self._transport.partner), self._kept
        if kept is None or kept.credentials != credentials:
            return self._password_grant(credentials, budget)
        if self._clock() < kept.valid_until:
            return kept
        if self._refresh_grant and kept.refresh_token is not None:
            with suppress(Misconfigured, Unavailable):
                return self._request_token(
                    credentials, budget, grant_type="refresh_token", refresh_token=kept.refresh_token
                )
        return self._password_grant(credentials, budget)

    def _password_grant(self, credentials: BrokerCredentials, budget: Budget) -> Session:
        username, password = credentials.username, credentials.password
        return self._request_token(credentials, budget, grant_type="password", username=username, password=password)

    def _request_token(self, credentials: BrokerCredentials, budget: Budget, **form: str) -> Session:
        """`POST /proxy/auth/oauth/token`"""
        requested_at = self._clock()
        try:
            answer = self._transport.call(
                "token",
                "POST",
                credentials.url("proxy/auth/oauth/token"),
                body=urlencode(form).encode(),
                headers={"Authorization": credentials.basic, "Content-Type": "application/x-www-form-urlencoded"},
                budget=budget,
            )
        except Unknown as error:
            raise Unavailable.of(error) from None
        grant = grant_in(answer)
        lifetime = timedelta(seconds=max(0.0, grant.expires_in - EXPIRY_MARGIN))
        self._kept = Session(credentials, grant.access_token, grant.refresh_token, requested_at + lifetime)
        return self._kept
