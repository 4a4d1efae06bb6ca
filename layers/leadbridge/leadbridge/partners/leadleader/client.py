"""Lead Leader's three calls. Tokens are one-time: every create and every status call authorizes first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from leadbridge.auth.secrets import MIN_REFRESH_SECONDS
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.partner_errors import (
    Misconfigured,
    Unauthorized,
    Unavailable,
    Unknown,
    secret_incomplete,
)
from leadbridge.domain.fields import is_ukrainian
from leadbridge.domain.lead import Lead
from leadbridge.partners.http import Answer, Transport
from leadbridge.partners.kind import SecretSource
from leadbridge.partners.leadleader import rsa_credentials
from leadbridge.partners.leadleader.answers import Tokens, deal_id_in, status_in, tokens_in
from leadbridge.runtime.budget import Budget


@dataclass(frozen=True)
class LeadLeaderCredentials:
    """The secret `{prefix}/leadleader`. The keys are PEM, on one line or several."""

    auth_url: str
    base_url: str
    email: str
    password: str
    partner_public_key: str
    private_key: str
    status_method: Literal["GET", "POST"] | None = None

    @classmethod
    def of(cls, secret: dict[str, Any], partner: str = "leadleader") -> LeadLeaderCredentials:
        """Read the secret of a partner. Raises Misconfigured with the names of the wrong keys, without values."""
        wanted = ("auth_url", "base_url", "email", "password", "partner_public_key", "private_key")
        wrong = [name for name in wanted if not isinstance(secret.get(name), str) or not secret[name]]
        method = secret.get("status_method")
        if method not in (None, "GET", "POST"):
            wrong.append("status_method")
        if wrong:
            raise secret_incomplete(partner, "authorize", wrong)
        return cls(**{name: secret[name] for name in wanted}, status_method=method)

    def __repr__(self) -> str:
        return "LeadLeaderCredentials(…)"


class LeadLeader:
    """The partner API. Every method raises PartnerError."""

    def __init__(self, transport: Transport, secret: SecretSource, *, status_method: Literal["GET", "POST"]) -> None:
        self._transport = transport
        self._secret = secret
        self._status_method = status_method

    @property
    def seconds_per_submission(self) -> float:
        """Seconds that authorizing and creating can take together."""
        return 2 * self._transport.max_seconds

    @property
    def seconds_per_create(self) -> float:
        """Seconds that creating alone can take."""
        return self._transport.max_seconds

    @property
    def seconds_per_check(self) -> float:
        """Seconds that authorizing and reading a status can take together."""
        return 2 * self._transport.max_seconds

    def authorize(self, budget: Budget) -> DealAuthorization:
        """Get one pair of one-time tokens.

        After a rejection the secret is read again once: it may have been rotated. If it was read a moment ago, another
        thread may have done that since this call began. Nothing is created here, so a lost answer is Unavailable, never
        Unknown.
        """
        secret = self._secret.get()
        try:
            credentials, tokens = self._log_in(secret, budget)
        except Misconfigured as error:
            refreshed = self._secret.refresh()
            if refreshed is None and (current := self._secret.get()) != secret:
                refreshed = current
            if refreshed is None:
                raise Misconfigured(
                    self._transport.partner,
                    "authorize",
                    error.text,
                    code=error.code,
                    data=error.data,
                    retry_after=MIN_REFRESH_SECONDS,
                    certain=False,
                ) from None
            if refreshed == secret:
                raise
            credentials, tokens = self._log_in(refreshed, budget)
        return DealAuthorization(self._transport, credentials, tokens, on_rejected=self._secret.refresh)

    def status(self, deal_id: int, budget: Budget) -> str:
        """Return the deal's status, as the partner writes it."""
        return self.authorize(budget).status(deal_id, self._status_method, budget)

    def _log_in(self, secret: dict[str, Any], budget: Budget) -> tuple[LeadLeaderCredentials, Tokens]:
        credentials = LeadLeaderCredentials.of(secret, self._transport.partner)
        try:
            body = authorization(credentials)
        except ValueError as error:
            raise Misconfigured(self._transport.partner, "authorize", str(error), code=ErrorCode.KEY_INVALID) from None
        try:
            answer = self._transport.call("authorize", "POST", credentials.auth_url, json=body, budget=budget)
        except Unknown as error:
            raise Unavailable.of(error) from None
        if answer.status == 401:
            with suppress(Unavailable):
                self._secret.refresh()
        return credentials, tokens_in(answer)


@dataclass(frozen=True)
class DealAuthorization:
    """One pair of tokens, valid for one call. `on_rejected` is called if the partner rejects them."""

    transport: Transport
    credentials: LeadLeaderCredentials
    tokens: Tokens
    on_rejected: Callable[[], object]

    def create(self, lead: Lead, budget: Budget) -> int:
        """`POST create-short-deal/`; returns the deal's id. Raises PartnerError; Unknown for a lost reply."""
        answer = self._call("create", "POST", "create-short-deal/", short_deal(lead), budget)
        with self._reporting_rejection():
            return deal_id_in(answer)

    def status(self, deal_id: int, method: Literal["GET", "POST"], budget: Budget) -> str:
        """`check-status/`; returns the status. It is safe to repeat, so a lost answer is Unavailable."""
        method = self.credentials.status_method or method
        try:
            answer = self._call("status", method, "check-status/", {"deal_id": deal_id}, budget)
        except Unknown as error:
            raise Unavailable.of(error) from None
        with self._reporting_rejection():
            return status_in(answer)

    @contextmanager
    def _reporting_rejection(self) -> Iterator[None]:
        try:
            yield
        except Unauthorized:
            self.on_rejected()
            raise

    def _call(self, operation: str, method: str, path: str, body: dict[str, Any], budget: Budget) -> Answer:
        url = f"{self.credentials.base_url.rstrip('/')}/{path}"
        headers = {"Authorization": f"Bearer {self.tokens.access}"}
        json = {**body, "security_token": self.tokens.security}
        return self.transport.call(operation, method, url, json=json, headers=headers, budget=budget)


def authorization(credentials: LeadLeaderCredentials) -> dict[str, Any]:
    """Return the body of an authorization: both credentials encrypted, and the signatures of their plain texts.

    Raises ValueError: rsa_credentials.UnusableKey, rsa_credentials.PlaintextTooLong.
    """
    return {
        "encrypted_email": rsa_credentials.encrypt(credentials.partner_public_key, credentials.email),
        "encrypted_password": rsa_credentials.encrypt(credentials.partner_public_key, credentials.password),
        "signed_email": rsa_credentials.sign(credentials.private_key, credentials.email),
        "signed_password": rsa_credentials.sign(credentials.private_key, credentials.password),
    }


def short_deal(lead: Lead) -> dict[str, Any]:
    """Return the body of create-short-deal without the security token. `summa` is a Decimal, sent exactly."""
    person = lead.person
    phone = person.phone or ""
    client = {
        "PIB": person.full_name,
        "telephone": phone.removeprefix("+38") if is_ukrainian(phone) else phone,
        "stateCode": person.tax_number,
        "activity": person.activity,
        "email": person.email,
        "city": person.city,
        "region": person.region,
    }
    amount: Decimal | None = lead.loan.amount
    return {
        "clientInfo": {name: value for name, value in client.items() if value is not None},
        "termin": lead.loan.term,
        "summa": amount,
    }
