"""The token: asked for with the password, believed for as long as it says less a margin, shared by all calls."""

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
from leadbridge.partners.matchtrade.credentials import PARTNER, BrokerCredentials
from leadbridge.runtime.budget import Budget

MARGIN = 60.0  # seconds before its end from which a token is not used any more


@dataclass(frozen=True)
class Session:
    """A token and the credentials that it was given for: it is no good for any others."""

    credentials: BrokerCredentials
    access_token: str
    refresh_token: str | None
    good_until: datetime

    def __repr__(self) -> str:
        return "Session(…)"


class Login:
    """The one session of a worker. Thread-compatible: at worst two threads log in where one would do.

    Nothing is created here, so a lost answer is Unavailable and never Unknown.
    """

    def __init__(self, transport: Transport, secret: SecretSource, *, clock: Clock, refresh_grant: bool) -> None:
        self._transport = transport
        self._secret = secret
        self._clock = clock
        self._refresh_grant = refresh_grant
        self._kept: Session | None = None

    def session(self, budget: Budget) -> Session:
        """The session, a new one where there is none or it ends within the margin.

        A token that does not outlive the margin is good for the call it was asked for. Credentials that are refused
        are read anew once, for they may just have been rotated. Raises PartnerError.
        """
        used = self._secret.get()
        try:
            return self._session_for(used, budget)
        except Misconfigured as error:
            renewed = self._secret.refresh()
            if renewed is None:
                raise Misconfigured(
                    PARTNER,
                    "token",
                    error.text,
                    code=error.code,
                    data=error.data,
                    retry_after=MIN_REFRESH_SECONDS,
                    certain=False,
                ) from None
            if renewed == used:
                raise
        return self._session_for(renewed, budget)

    def forget(self, session: Session) -> None:
        """Its token was refused: it is not to be used again, nor to be renewed."""
        if self._kept is session:
            self._kept = None

    def doubt(self) -> None:
        """A new token was refused too: read the secret anew, for the next call."""
        with suppress(Unavailable):
            self._secret.refresh()

    def _session_for(self, secret: dict[str, Any], budget: Budget) -> Session:
        credentials, kept = BrokerCredentials.of(secret), self._kept
        if kept is None or kept.credentials != credentials:
            return self._with_password(credentials, budget)
        if self._clock() < kept.good_until:
            return kept
        if self._refresh_grant and kept.refresh_token is not None:
            with suppress(Misconfigured, Unavailable):
                return self._ask(credentials, budget, grant_type="refresh_token", refresh_token=kept.refresh_token)
        return self._with_password(credentials, budget)

    def _with_password(self, credentials: BrokerCredentials, budget: Budget) -> Session:
        username, password = credentials.username, credentials.password
        return self._ask(credentials, budget, grant_type="password", username=username, password=password)

    def _ask(self, credentials: BrokerCredentials, budget: Budget, **form: str) -> Session:
        """`POST /proxy/auth/oauth/token`"""
        asked_at = self._clock()
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
        life = timedelta(seconds=max(0.0, grant.expires_in - MARGIN))
        self._kept = Session(credentials, grant.access_token, grant.refresh_token, asked_at + life)
        return self._kept
