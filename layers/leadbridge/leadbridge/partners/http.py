"""The one transport to all partners: a single try, bounded in time and size, that says whether the request went out.

It retries nothing, follows no redirect and keeps no cookie. Whether to come again is the queue's business.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from socket import SHUT_RDWR, socket
from typing import Any

import simplejson
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.partner_errors import Misconfigured, RateLimited, Rejected, Unavailable, Unknown
from leadbridge.partners.deadline import Deadline
from leadbridge.runtime.budget import Budget
from leadbridge.settings import Timeouts

ANSWER_LIMIT = 1_048_576  # bytes of an answer, where its transport is not told otherwise
CHUNK = 65_536
OWN_MACHINE = {"127.0.0.1", "localhost", "[::1]"}
IDLE = 20.0  # seconds after which a kept connection is not trusted: while Lambda slept, its other end may have gone


@dataclass
class _Exchange:
    """One request and its answer: whether the partner may have heard of it, and the socket to cut when time is up."""

    went_out: bool = False
    is_over: bool = False
    socket: socket | None = None

    def begin(self, connection: HTTPConnection) -> None:
        """The connection stands and the first byte is about to go out."""
        if self.is_over:
            raise TimeoutError("no time is left")
        # http.client forgets the socket once it has read the headers of a last answer, so it is kept here.
        self.socket, self.went_out = connection.sock, True

    def cut_off(self) -> None:
        """Time is up: whoever waits for this socket, header by header or byte by byte, is woken by its end."""
        self.is_over = True
        if self.socket is not None:
            with suppress(OSError):
                self.socket.shutdown(SHUT_RDWR)


_exchange: ContextVar[_Exchange] = ContextVar("exchange")
_clock = Deadline()


class _Connection(HTTPConnection):
    """Tells the exchange of the moment from which the partner may have heard of the request."""

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        _exchange.get().begin(self)
        super().send(data)


class _SecureConnection(HTTPSConnection):
    """The same over TLS: a failed handshake still counts as not sent."""

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        _exchange.get().begin(self)
        super().send(data)


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


@dataclass(frozen=True)
class Answer:
    """What a partner answered: any HTTP status at all, with the body's bytes."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON with exact decimals; None where it is not JSON."""
        try:
            return simplejson.loads(self.body, use_decimal=True)
        except (ValueError, ArithmeticError, RecursionError):
            return None

    @property
    def retry_after(self) -> float | None:
        """The seconds that `Retry-After` asks us to wait, given as seconds or as a date; None without one."""
        value = self.headers.get("retry-after", "").strip()
        if value.isascii() and value.isdigit():
            return float(value[:9])
        try:
            return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
        except (ValueError, OverflowError):
            return None


def asked_to_wait(partner: str, operation: str, answer: Answer) -> RateLimited | None:
    """The error for an answer that asks us to slow down: 429, or 503 with Retry-After; None for any other."""
    if answer.status == 429 or (answer.status == 503 and "retry-after" in answer.headers):
        text = f"the partner asked us to wait (HTTP {answer.status})"
        data = {"http_status": answer.status}
        return RateLimited(partner, operation, text, data=data, retry_after=answer.retry_after)
    return None


# These 4xx do not say whether the request was processed: a proxy waited for the partner in vain.
TIMED_OUT = frozenset({408, 499})


def intercepted(partner: str, operation: str, answer: Answer) -> Unavailable:
    """Return the error for a 4xx that is not the partner's own: a proxy or a firewall blocked the request."""
    text = f"something in front of the partner answered instead (HTTP {answer.status})"
    error = Unavailable(partner, operation, text, code=ErrorCode.PROXY_PAGE, data={"http_status": answer.status})
    error.is_intercepted = True
    return error


def refused(partner: str, operation: str, answer: Answer, fields: Iterable[str] = ()) -> Rejected:
    """Return the error for a refusal of the partner's own. `fields` are those that it is about, in our words."""
    about = sorted(fields)
    data: dict[str, Any] = {"http_status": answer.status, **({"fields": about} if about else {})}
    match about:
        case []:
            code = ErrorCode.REJECTED
        case ["tax_number"]:
            code = ErrorCode.TAX_NUMBER_INVALID
        case _:
            code = ErrorCode.FIELDS_REJECTED
    named = f", about {', '.join(about)}" if about else ""
    return Rejected(partner, operation, f"the partner refused it (HTTP {answer.status}{named})", code=code, data=data)


class CallOutcome(StrEnum):
    """What a call came to, as far as the transport can tell."""

    ANSWERED = "answered"  # with whatever it says, a refusal too
    ASKED_TO_WAIT = "asked_to_wait"
    FAILED = "failed"  # HTTP 5xx
    INTERCEPTED = "intercepted"  # a 4xx that is not the partner's own
    UNREACHABLE = "unreachable"  # the request never went out
    LOST = "lost"  # it did, and no whole answer came back
    NO_ADDRESS = "no_address"


@dataclass(frozen=True)
class Call:
    """One call that is over, and nothing of what was said in it."""

    partner: str
    operation: str
    outcome: CallOutcome
    milliseconds: float

    @property
    def is_error(self) -> bool:
        """Whether the partner was not there to be talked to. What it refuses is no error of its own."""
        return self.outcome is not CallOutcome.ANSWERED


type Observer = Callable[[Call], None]


class Transport:
    """Calls to one partner. Thread-compatible; connections are kept and reused between calls.

    Of an answer `answer_limit` bytes are read at most; a longer one counts as none. The `observer` is told of every
    call; what it does with that, or fails to do, changes nothing for the caller. `is_own` tells the partner's own 4xx
    from those of a proxy in front of it, which count as errors; without it each 4xx is the partner's own.
    """

    def __init__(
        self,
        partner: str,
        timeouts: Timeouts,
        *,
        answer_limit: int = ANSWER_LIMIT,
        observer: Observer | None = None,
        is_own: Callable[[Answer], bool] | None = None,
    ) -> None:
        self._partner = partner
        self._answer_limit = answer_limit
        self._observer = observer
        self._is_own = is_own
        self._connect = timeouts.connect.total_seconds()
        self._read = timeouts.read.total_seconds()
        self._pools = urllib3.PoolManager(num_pools=4, retries=False)
        self._last_call = time.monotonic()
        self._pools.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    @property
    def longest(self) -> float:
        """Seconds that one call can take."""
        return self._connect + self._read

    def call(
        self,
        operation: str,
        method: str,
        url: str,
        *,
        budget: Budget,
        json: Any = None,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Make one request and return whatever was answered.

        `json` is sent as `application/json` with decimals as exact numbers. Raises Unavailable when the request never
        went out, Unknown when it did and no whole answer came back, Misconfigured for an address that is none or not
        https.
        """
        if not is_confidential(url):
            text = "the partner's address is not https"
            raise Misconfigured(self._partner, operation, text, code=ErrorCode.ADDRESS_INVALID)
        sent_headers = {"Accept": "application/json", "User-Agent": "leadbridge", **(headers or {})}
        if json is not None:
            body = simplejson.dumps(json, use_decimal=True, ensure_ascii=False).encode()
            sent_headers["Content-Type"] = "application/json; charset=utf-8"
        if time.monotonic() - self._last_call > IDLE:
            self._pools.clear()
        exchange, outcome, began = _Exchange(), CallOutcome.LOST, time.monotonic()
        token = _exchange.set(exchange)
        try:
            with _clock.after(budget.cut(self.longest), exchange.cut_off):
                response = self._pools.request(
                    method,
                    url,
                    body=body,
                    headers=sent_headers,
                    timeout=urllib3.Timeout(connect=budget.cut(self._connect), read=budget.cut(self._read)),
                    redirect=False,
                    preload_content=False,
                )
                answer = _whole(response, exchange, self._answer_limit)
        except urllib3.exceptions.LocationValueError:
            outcome = CallOutcome.NO_ADDRESS
            text = "the partner's address is not a URL"
            raise Misconfigured(self._partner, operation, text, code=ErrorCode.ADDRESS_INVALID) from None
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            why = "too slow" if exchange.is_over else type(error).__name__
            if exchange.went_out:
                text, code = f"no answer came back ({why})", ErrorCode.REPLY_LOST
                raise Unknown(self._partner, operation, text, code=code, data={"cause": why}) from None
            outcome = CallOutcome.UNREACHABLE
            text, code = f"the partner could not be reached ({why})", ErrorCode.UNREACHABLE
            raise Unavailable(self._partner, operation, text, code=code, data={"cause": why}) from None
        else:
            outcome = self._outcome(operation, answer)
            return answer
        finally:
            self._last_call = time.monotonic()
            _exchange.reset(token)
            self._tell(Call(self._partner, operation, outcome, (self._last_call - began) * 1000))

    def _outcome(self, operation: str, answer: Answer) -> CallOutcome:
        if asked_to_wait(self._partner, operation, answer) is not None:
            return CallOutcome.ASKED_TO_WAIT
        if answer.status >= 500:
            return CallOutcome.FAILED
        if 400 <= answer.status < 500 and answer.status != 401 and self._is_own and not self._is_own(answer):
            return CallOutcome.INTERCEPTED
        return CallOutcome.ANSWERED

    def _tell(self, call: Call) -> None:
        if self._observer is not None:
            with suppress(Exception):  # an answer is never lost for want of somebody to note how long it took
                self._observer(call)


def is_confidential(url: str) -> bool:
    """Whether people's data and credentials may go there: by TLS, or without leaving a developer's machine.

    An address without a host, or of another kind, may pass: it goes nowhere.
    """
    if url.startswith("https://"):
        return True
    try:
        parts = urllib3.util.parse_url(url)
    except urllib3.exceptions.LocationParseError:
        return True
    is_own_machine = parts.host in OWN_MACHINE or os.environ.get("LEADBRIDGE_ENVIRONMENT") == "local"
    is_in_the_clear = parts.host is not None and parts.scheme in {None, "http"}  # no scheme is plain http to urllib3
    return is_own_machine or not is_in_the_clear


def _whole(response: urllib3.BaseHTTPResponse, exchange: _Exchange, limit: int) -> Answer:
    received = bytearray()
    try:
        for chunk in response.stream(CHUNK):
            received += chunk
            if len(received) > limit:
                raise urllib3.exceptions.ProtocolError("an answer without end")
        if exchange.is_over:  # what was cut off may look whole
            raise TimeoutError
    except BaseException:
        response.close()  # what is left unread must not be taken for the answer to the next request
        raise
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status, headers, bytes(received))
