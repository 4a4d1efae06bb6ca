"""Sends postbacks to trackers, as `config/sources.toml` and the secret `feedback` say."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.partner_errors import (
    Misconfigured,
    PartnerError,
    RateLimited,
    Rejected,
    Unavailable,
)
from leadbridge.domain.errors.secret_errors import SecretMissing
from leadbridge.partners.feedback.kinds import KINDS, TrackerRequest
from leadbridge.partners.feedback.macros import UrlTooLong
from leadbridge.partners.public_http import MAX_SECONDS, MAX_URL, PublicClient
from leadbridge.runtime.environment import is_local

if TYPE_CHECKING:
    from leadbridge.domain.feedback.postback import Postback
    from leadbridge.domain.lead import Lead
    from leadbridge.partners.http import Answer
    from leadbridge.runtime.budget import Budget

SECRET = "feedback"  # noqa: S105 - a name
OPERATION = "postback"
GONE = 410
TOO_MANY = 429


@dataclass(frozen=True)
class TrackerClient:
    """Sends postbacks. `read_secret` returns the secret `feedback`. Raises SecretMissing while it has no value."""

    read_secret: Callable[[], dict[str, Any]]
    http: PublicClient
    clock: Callable[[], float] = time.time

    @property
    def seconds_per_postback(self) -> float:
        """The longest time of one attempt, in seconds."""
        return MAX_SECONDS

    def load(self) -> None:
        """Read the secret, so that no attempt has to wait for it."""
        with suppress(SecretMissing):
            self.read_secret()

    def send(self, postback: Postback, lead: Lead, kind: str, budget: Budget) -> None:
        """Make one attempt. A 2xx is success; a redirect is a failure, and a 410 a permanent one.

        Raises ClickIdMissing, PartnerError.
        """
        name = postback.tracker
        request = self._request(postback, lead, kind)
        answer = self.http.call(
            name, OPERATION, request.method, request.url, headers=request.headers, body=request.body, budget=budget
        )
        if not 200 <= answer.status < 300:
            raise _error(name, answer)

    def _request(self, postback: Postback, lead: Lead, kind: str) -> TrackerRequest:
        name = postback.tracker
        try:
            entry = self.read_secret().get(name)
        except SecretMissing:
            entry = None
        if entry is None:
            text = f"the secret {SECRET} has no entry of this tracker"
            raise Misconfigured(name, OPERATION, text, code=ErrorCode.SECRET_MISSING)
        try:
            if not isinstance(entry, dict):
                raise ValueError("it must be an object")
            return KINDS[kind].request(entry, postback, lead, self.clock(), is_local=is_local())
        except UrlTooLong:
            text = f"the address has over {MAX_URL} characters with the values of this lead"
            raise Rejected(name, OPERATION, text, code=ErrorCode.URL_TOO_LONG) from None
        except ValueError as error:
            text = f"the tracker's entry in the secret {SECRET} is not usable: {error}"
            raise Misconfigured(name, OPERATION, text, code=ErrorCode.ADDRESS_INVALID) from None


def _error(name: str, answer: Answer) -> PartnerError:
    data = {"http_status": answer.status}
    if answer.status == GONE:
        text = "the tracker answered that the address is gone (HTTP 410)"
        return Rejected(name, OPERATION, text, code=ErrorCode.TRACKER_GONE, data=data)
    text = f"the tracker did not accept the postback (HTTP {answer.status})"
    kind = RateLimited if answer.status == TOO_MANY else Unavailable
    return kind(name, OPERATION, text, code=ErrorCode.NOT_ACCEPTED, data=data, retry_after=answer.retry_after)
