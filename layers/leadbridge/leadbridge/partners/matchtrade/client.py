"""Match-Trade's calls: create an account, look one up, list them. An expired token is replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from urllib.parse import quote, urlencode

from leadbridge.domain.clock import Clock, utc_now
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.partner_errors import Misconfigured, Unauthorized, Unavailable, Unknown
from leadbridge.domain.lead import Lead
from leadbridge.partners.http import Answer, Transport
from leadbridge.partners.kind import SecretSource
from leadbridge.partners.matchtrade.accounts import AccountForm
from leadbridge.partners.matchtrade.answers import RawPage, account_uuid_in, is_own, page_in
from leadbridge.partners.matchtrade.listing import MAX_PAGES, PAGE_SIZE, AccountPage, account_pages
from leadbridge.partners.matchtrade.login import Login, Session
from leadbridge.partners.matchtrade.rows import BrokerAccount
from leadbridge.runtime.budget import Budget

EARLIEST = datetime(2010, 1, 1, tzinfo=UTC)  # no account is older
MAX_CLOCK_DIFFERENCE = timedelta(days=2)  # of the partner's clock and time zone
MAX_LOOKUP_PAGES = 20  # a lookup should find one row or none

type Send = Callable[[Session, Budget], Answer]
type Window = dict[str, str | datetime]


class MatchTrade:
    """The partner's API. Every call raises PartnerError. One token is shared by all calls of an instance.

    Thread-compatible. With `refresh_grant`, tokens are renewed with their refresh tokens, or with the password if that
    fails. `zone` is the time zone of times without an offset.
    """

    def __init__(
        self,
        transport: Transport,
        secret: SecretSource,
        form: AccountForm | None = None,
        *,
        refresh_grant: bool = False,
        zone: tzinfo = UTC,
        clock: Clock = utc_now,
    ) -> None:
        self._transport = transport
        self._form = form or AccountForm()
        self._zone = zone
        self._clock = clock
        self._login = Login(transport, secret, clock=clock, refresh_grant=refresh_grant)

    @property
    def seconds_per_submission(self) -> float:
        """Seconds that authorizing and creating can take together."""
        return self._transport.max_seconds + self.seconds_per_create

    @property
    def seconds_per_create(self) -> float:
        """Seconds that creating alone can take, including a new token."""
        return 2 * self._transport.max_seconds

    @property
    def seconds_per_page(self) -> float:
        """Seconds that one page, or a lookup of one page, can take, including a new token."""
        return 2 * self._transport.max_seconds

    def authorize(self, budget: Budget) -> AccountAuthorization:
        """Get a token, from the cache while it is valid. It creates nothing, so it is always safe to repeat."""
        return AccountAuthorization(self, self._login.session(budget))

    def find(self, email: str, budget: Budget) -> BrokerAccount | None:
        """Return the account with this e-mail address, None if there is none. Safe to repeat.

        Raises Unavailable if the list could not be read to its end, so that an account may have been missed.
        """
        window: Window = {"query": email.strip(), "from": EARLIEST, "to": self._clock() + MAX_CLOCK_DIFFERENCE}

        def read(number: int) -> RawPage:
            if not budget.allows(self.seconds_per_page):
                text = "there was no time left to read all accounts that were found"
                raise Unavailable(self._transport.partner, "list", text, code=ErrorCode.LOOKUP_INCOMPLETE)
            return self._page(window, PAGE_SIZE, number, budget)

        for page in account_pages(read, max_pages=MAX_LOOKUP_PAGES, zone=self._zone):
            for account in page.rows:
                if account.has_email(email):
                    return account
            if page.is_last:
                return None
        text = "the search found too many accounts"
        raise Unavailable(self._transport.partner, "list", text, code=ErrorCode.LOOKUP_INCOMPLETE)

    def pages(
        self,
        since: datetime,
        until: datetime,
        budget: Budget,
        *,
        size: int = PAGE_SIZE,
        first_page: int = 0,
        max_pages: int = MAX_PAGES,
    ) -> Iterator[AccountPage]:
        """Yield the accounts of a time window, page by page.

        The partner does not document whether the window applies to the time of creation or of change. Pages are read
        lazily, so that a caller can store each, or stop. `first_page` continues an earlier listing of the same window
        and size. Both ends are aware datetimes, included, to the second. Raises ValueError for invalid arguments.
        """
        if since.tzinfo is None or until.tzinfo is None or since > until:
            raise ValueError("since and until must be aware datetimes, since not after until")
        if size < 1 or first_page < 0:
            raise ValueError("size must be at least 1 and first_page at least 0")
        window: Window = {"query": "", "from": since, "to": until + timedelta(seconds=1, microseconds=-1)}

        def read(number: int) -> RawPage:
            return self._page(window, size, number, budget)

        return account_pages(read, first_page=first_page, max_pages=max_pages, zone=self._zone)

    def create(self, lead: Lead, session: Session, budget: Budget) -> str | None:
        """`POST accounts`; see AccountAuthorization.create."""

        def send(session: Session, budget: Budget) -> Answer:
            body = self._form.body(lead, session.credentials)
            url = session.credentials.url("proxy/processing/api/accounts")
            return self._transport.call("create", "POST", url, json=body, headers=_bearer(session), budget=budget)

        limited = budget.ending_in(self.seconds_per_create)
        return account_uuid_in(self._with_token("create", send, session, limited))

    def _page(self, window: Window, size: int, number: int, budget: Budget) -> RawPage:
        """`GET partner/{partner_id}/accounts/view/for-lead-provider`. Safe to repeat: a lost reply is Unavailable."""
        parameters = {
            **{name: _formatted(value) for name, value in window.items()},
            "size": str(size),
            "page": str(number),
        }
        query = urlencode(parameters, quote_via=quote, safe="")

        def send(session: Session, budget: Budget) -> Answer:
            credentials = session.credentials
            path = f"proxy/statistic/api/partner/{credentials.partner_id}/accounts/view/for-lead-provider"
            url = credentials.url(f"{path}?{query}")
            return self._transport.call("list", "GET", url, headers=_bearer(session), budget=budget)

        try:
            return page_in(self._with_token("list", send, self._login.session(budget), budget))
        except Unknown as error:
            raise Unavailable.of(error) from None

    def _with_token(self, operation: str, send: Send, session: Session, budget: Budget) -> Answer:
        """Make a call. If the token is rejected, make it once more with a new token.

        The login may use only the time that the second call does not need: a call starts only with its full time.
        """
        answer = send(session, budget)
        if answer.status != 401:
            return answer
        self._login.forget(session)
        call_seconds = self._transport.max_seconds
        try:
            new_session = self._login.session(replace(budget, reserve=budget.reserve + call_seconds))
        except Misconfigured as error:
            if error.certain:
                raise
            wait = error.retry_after
            raise Unauthorized(
                self._transport.partner, operation, error.text, code=error.code, data=error.data, retry_after=wait
            ) from None
        if budget.allows(call_seconds):
            answer = send(new_session, budget)
            if answer.status != 401:
                return answer
            self._login.forget(new_session)
            self._login.refresh_secret()
        refused = Unauthorized(
            self._transport.partner, operation, "the token was refused (HTTP 401)", data={"http_status": 401}
        )
        refused.is_intercepted = not is_own(answer)
        raise refused


@dataclass(frozen=True)
class AccountAuthorization:
    """A token, and the client that can replace it."""

    client: MatchTrade
    session: Session

    def create(self, lead: Lead, budget: Budget) -> str | None:
        """Create an account. Returns its uuid, None if the answer does not contain it.

        Raises PartnerError: Duplicate if the partner has an account with this e-mail, Unknown if the outcome is unknown
        (then `MatchTrade.find` may find the account).
        """
        return self.client.create(lead, self.session, budget)


def _bearer(session: Session) -> dict[str, str]:
    return {"Authorization": f"Bearer {session.access_token}"}


def _formatted(value: str | datetime) -> str:
    """Format a time, truncated to the second: `2019-12-11T00:00:00Z`. Texts are unchanged."""
    return value if isinstance(value, str) else value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
