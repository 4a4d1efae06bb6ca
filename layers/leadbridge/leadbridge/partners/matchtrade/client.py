"""Match-Trade's calls: make an account, look one up, list them all. A token that ends meanwhile is renewed."""

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
from leadbridge.partners.matchtrade.answers import Listed, account_uuid_in, page_in
from leadbridge.partners.matchtrade.credentials import PARTNER
from leadbridge.partners.matchtrade.listing import PAGE_CAP, PAGE_SIZE, AccountPage, listed
from leadbridge.partners.matchtrade.login import Login, Session
from leadbridge.partners.matchtrade.rows import BrokerAccount
from leadbridge.runtime.budget import Budget

EARLIEST = datetime(2010, 1, 1, tzinfo=UTC)  # no account is older
AHEAD = timedelta(days=2)  # by which the partner's clock and zone may differ from ours

LOOKED_THROUGH = 20  # pages that a look-up reads at most; it should find one row or none

type Ask = Callable[[Session, Budget], Answer]
type Window = dict[str, str | datetime]


class MatchTrade:
    """The partner's API. Every call raises PartnerError; one token serves them all, as long as the object lives.

    Thread-compatible. `refresh_grant` renews tokens with their refresh tokens, and with the password where that fails.
    `zone` is that of times that come without their offset.
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
        return self._transport.longest + self.seconds_per_create

    @property
    def seconds_per_create(self) -> float:
        """Seconds that creating alone can take, a new token included."""
        return 2 * self._transport.longest

    @property
    def seconds_per_page(self) -> float:
        """Seconds that one page, or a look-up of one page, can take, a new token included."""
        return 2 * self._transport.longest

    def authorize(self, budget: Budget) -> AccountAuthorization:
        """Get a token, the kept one where it is still good. Nothing is created, so it is always safe to repeat."""
        return AccountAuthorization(self, self._login.session(budget))

    def find(self, email: str, budget: Budget) -> BrokerAccount | None:
        """The account of this address, None where the partner has none. Safe to repeat.

        Raises Unavailable where the list could not be read to its end: then nobody can tell that there is none.
        """
        window: Window = {"query": email.strip(), "from": EARLIEST, "to": self._clock() + AHEAD}

        def read(number: int) -> Listed:
            if not budget.allows(self.seconds_per_page):
                text = "there was no time to look through all that was found"
                raise Unavailable(PARTNER, "list", text, code=ErrorCode.LOOKUP_INCOMPLETE)
            return self._page(window, PAGE_SIZE, number, budget)

        for page in listed(read, page_cap=LOOKED_THROUGH, zone=self._zone):
            for account in page.rows:
                if account.has_email(email):
                    return account
            if page.is_last:
                return None
        text = "too many accounts were found to look through"
        raise Unavailable(PARTNER, "list", text, code=ErrorCode.LOOKUP_INCOMPLETE)

    def pages(
        self,
        since: datetime,
        until: datetime,
        budget: Budget,
        *,
        size: int = PAGE_SIZE,
        first_page: int = 0,
        page_cap: int = PAGE_CAP,
    ) -> Iterator[AccountPage]:
        """All accounts of a window, page by page; whether it is of their making or of their change is not documented.

        Each page is asked for when the one before has been taken, so that a caller may store it, or stop, in between;
        `first_page` goes on where an earlier listing of the same window and size stopped. Both ends are aware and
        included, to the second. Raises ValueError for a window, a size or a page that is none.
        """
        if since.tzinfo is None or until.tzinfo is None or since > until:
            raise ValueError("a window is two aware times, the earlier one first")
        if size < 1 or first_page < 0:
            raise ValueError("a page has at least one row, and pages are numbered from 0")
        window: Window = {"query": "", "from": since, "to": until + timedelta(seconds=1, microseconds=-1)}

        def read(number: int) -> Listed:
            return self._page(window, size, number, budget)

        return listed(read, first_page=first_page, page_cap=page_cap, zone=self._zone)

    def create(self, lead: Lead, session: Session, budget: Budget) -> str | None:
        """`POST accounts`; see Authorized.create."""

        def ask(session: Session, budget: Budget) -> Answer:
            body = self._form.body(lead, session.credentials)
            url = session.credentials.url("proxy/processing/api/accounts")
            return self._transport.call("create", "POST", url, json=body, headers=_bearer(session), budget=budget)

        granted = min(budget.deadline, budget.monotonic() + self.seconds_per_create + budget.reserve)
        return account_uuid_in(self._with_token("create", ask, session, replace(budget, deadline=granted)))

    def _page(self, window: Window, size: int, number: int, budget: Budget) -> Listed:
        """`GET partner/{partner_id}/accounts/view/for-lead-provider`. A lost reply costs nothing but the time."""
        asked = {**{name: _written(value) for name, value in window.items()}, "size": str(size), "page": str(number)}
        query = urlencode(asked, quote_via=quote, safe="")

        def ask(session: Session, budget: Budget) -> Answer:
            credentials = session.credentials
            path = f"proxy/statistic/api/partner/{credentials.partner_id}/accounts/view/for-lead-provider"
            url = credentials.url(f"{path}?{query}")
            return self._transport.call("list", "GET", url, headers=_bearer(session), budget=budget)

        try:
            return page_in(self._with_token("list", ask, self._login.session(budget), budget))
        except Unknown as error:
            raise Unavailable.of(error) from None

    def _with_token(self, operation: str, ask: Ask, session: Session, budget: Budget) -> Answer:
        """The answer to a call; where its token is refused, the call is made once more with a new one.

        The login gets the time that the second call does not need: a call is not begun without its full time.
        """
        answer = ask(session, budget)
        if answer.status != 401:
            return answer
        self._login.forget(session)
        longest = self._transport.longest
        try:
            renewed = self._login.session(replace(budget, reserve=budget.reserve + longest))
        except Misconfigured as error:
            if error.certain:
                raise
            wait = error.retry_after
            raise Unauthorized(
                PARTNER, operation, error.text, code=error.code, data=error.data, retry_after=wait
            ) from None
        if budget.allows(longest):
            answer = ask(renewed, budget)
            if answer.status != 401:
                return answer
            self._login.forget(renewed)
            self._login.doubt()
        raise Unauthorized(PARTNER, operation, "the token was refused (HTTP 401)", data={"http_status": 401})


@dataclass(frozen=True)
class AccountAuthorization:
    """A token, and the client that knows how to get another."""

    client: MatchTrade
    session: Session

    def create(self, lead: Lead, budget: Budget) -> str | None:
        """Make an account of the lead; returns its uuid, None where it was made and its uuid is not told.

        Raises PartnerError: Duplicate where the partner has an account of this e-mail, Unknown where nobody can tell,
        which `MatchTrade.find` may settle.
        """
        return self.client.create(lead, self.session, budget)


def _bearer(session: Session) -> dict[str, str]:
    return {"Authorization": f"Bearer {session.access_token}"}


def _written(value: str | datetime) -> str:
    """A text as it is, a time to the second below: `2019-12-11T00:00:00Z`."""
    return value if isinstance(value, str) else value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
