"""The HTTP transport to all partners: one attempt, bounded in time and size.

It reports whether the request was sent. It retries nothing, follows no redirect and keeps no cookie: retries are the
queue's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from socket import SHUT_RDWR, socket
from threading import Lock
from typing import Any, Protocol, cast

import simplejson
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.partner_errors import Misconfigured, RateLimited, Rejected, Unavailable, Unknown
from leadbridge.partners.deadline import Deadline
from leadbridge.runtime.budget import Budget
from leadbridge.runtime.environment import is_local
from leadbridge.settings import Timeouts

MAX_ANSWER_BYTES = 1_048_576  # the default of a transport
CHUNK_BYTES = 65_536
LOCAL_HOSTS = {"127.0.0.1", "localhost", "[::1]"}
MAX_RETRY_AFTER_LENGTH = 64  # characters of the header
MAX_RETRY_AFTER_SECONDS = 604_800.0  # a week, the longest retry window
MAX_IDLE_SECONDS = 20.0  # kept connections are closed after that: while Lambda was frozen, the peer may have gone


@dataclass
class _Exchange:
    """One request and its answer: whether the request was sent, and the socket to shut down on timeout."""

    is_sent: bool = False
    is_timed_out: bool = False
    socket: socket | None = None

    def begin(self, connection: HTTPConnection) -> None:
        """Record that the first byte is about to be sent. Raises TimeoutError if it is too late."""
        if self.is_timed_out:
            raise TimeoutError("no time is left")
        # http.client drops its socket after the headers of a last answer, so the exchange keeps it.
        self.socket, self.is_sent = connection.sock, True

    def time_out(self) -> None:
        """Shut down the socket. It ends a read that receives one byte at a time and never times out."""
        self.is_timed_out = True
        if self.socket is not None:
            with suppress(OSError):
                self.socket.shutdown(SHUT_RDWR)


_exchange: ContextVar[_Exchange] = ContextVar("exchange")


class _Connection(HTTPConnection):
    """Records in the exchange that the request is being sent."""

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        _exchange.get().begin(self)
        super().send(data)


class _SecureConnection(HTTPSConnection):
    """The same over TLS. After a failed handshake the request is not sent."""

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        _exchange.get().begin(self)
        super().send(data)


class PlainPool(urllib3.HTTPConnectionPool):
    """Connections that record in the exchange that a request is being sent."""

    ConnectionCls = _Connection


class SecurePool(urllib3.HTTPSConnectionPool):
    """The same over TLS."""

    ConnectionCls = _SecureConnection


class Pools(Protocol):
    """What a transport sends its requests with; a PoolManager is one."""

    def request(self, method: str, url: str, /, *, headers: dict[str, str], **options: Any) -> Any:
        """Send a request; return the answer before its body is read."""
        ...

    def clear(self) -> None:
        """Close all connections."""
        ...


@dataclass(frozen=True)
class Answer:
    """A partner's answer: any HTTP status, and the bytes of the body. `partner` is the name in the configuration."""

    status: int
    headers: dict[str, str]
    body: bytes
    partner: str = ""

    def json(self) -> Any:
        """Return the body as JSON with exact decimals; None if it is not JSON."""
        try:
            return simplejson.loads(self.body, use_decimal=True)
        except (ValueError, ArithmeticError, RecursionError):
            return None

    @property
    def retry_after(self) -> float | None:
        """The seconds of `Retry-After`, which may be a number or a date; None without a usable one.

        What is longer than a week is no wait but a mistake, such as a Unix time, and is ignored.
        """
        value = self.headers.get("retry-after", "").strip()
        if len(value) > MAX_RETRY_AFTER_LENGTH:
            return None
        if value.isascii() and value.isdigit():
            seconds = float(value)
        else:
            try:
                seconds = max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
            except (ValueError, OverflowError):
                return None
        return seconds if seconds <= MAX_RETRY_AFTER_SECONDS else None


def rate_limit_error(partner: str, operation: str, answer: Answer) -> RateLimited | None:
    """Return the error for a 429, or a 503 with Retry-After; None for any other answer."""
    if answer.status == 429 or (answer.status == 503 and "retry-after" in answer.headers):
        text = f"the partner limits the rate of calls (HTTP {answer.status})"
        data = {"http_status": answer.status}
        return RateLimited(partner, operation, text, data=data, retry_after=answer.retry_after)
    return None


# A proxy or a load balancer gave up waiting for the partner. The request may have been processed.
TIMEOUT_STATUSES = frozenset({408, 460, 499})


def interception_error(partner: str, operation: str, answer: Answer) -> Unavailable:
    """Return the error for a 4xx from a proxy or a firewall, which blocked the request."""
    text = f"a proxy or firewall in front of the partner answered (HTTP {answer.status})"
    error = Unavailable(partner, operation, text, code=ErrorCode.PROXY_PAGE, data={"http_status": answer.status})
    error.is_intercepted = True
    return error


def unclear_error[E: Unavailable | Unknown](
    kind: type[E], partner: str, operation: str, answer: Answer, text: str, code: ErrorCode | None = None
) -> E:
    """Return the error for an answer that does not show the result of the request.

    A 4xx among them is not the partner's own: a proxy gave up waiting.
    """
    error = kind(partner, operation, f"{text} (HTTP {answer.status})", code=code, data={"http_status": answer.status})
    error.is_intercepted = 400 <= answer.status < 500
    return error


def rejection_error(partner: str, operation: str, answer: Answer, fields: Iterable[str] = ()) -> Rejected:
    """Return the error for the partner's own rejection. `fields` are our names of the rejected fields."""
    rejected = sorted(fields)
    data: dict[str, Any] = {"http_status": answer.status, **({"fields": rejected} if rejected else {})}
    match rejected:
        case []:
            code = ErrorCode.REJECTED
        case ["tax_number"]:
            code = ErrorCode.TAX_NUMBER_INVALID
        case _:
            code = ErrorCode.FIELDS_REJECTED
    named = f": {', '.join(rejected)}" if rejected else ""
    return Rejected(
        partner, operation, f"the partner rejected the request (HTTP {answer.status}{named})", code=code, data=data
    )


class CallOutcome(StrEnum):
    """The outcome of a call, as far as the transport can tell."""

    ANSWERED = "answered"  # including rejections
    RATE_LIMITED = "rate_limited"
    FAILED = "failed"  # HTTP 5xx
    INTERCEPTED = "intercepted"  # a 4xx that is not the partner's own
    UNREACHABLE = "unreachable"  # the request was not sent
    LOST = "lost"  # the request was sent, and no complete answer was received
    NO_ADDRESS = "no_address"


@dataclass(frozen=True)
class Call:
    """A completed call, without its content."""

    partner: str
    operation: str
    outcome: CallOutcome
    milliseconds: float

    @property
    def is_error(self) -> bool:
        """Whether the partner was unavailable. A rejection is not an error."""
        return self.outcome is not CallOutcome.ANSWERED


type Observer = Callable[[Call], None]


def _pool_manager(connections: int) -> Pools:
    pools = urllib3.PoolManager(num_pools=4, maxsize=connections, retries=False)
    pools.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}
    return cast("Pools", pools)


class Transport:
    """Calls to one partner. Thread-safe; connections are reused between calls, `connections` of them are kept.

    An answer longer than `max_answer_bytes` counts as lost; with 0 nothing of the body is read. `pools` send the
    requests instead of a PoolManager. The `observer` receives every completed call; its
    exceptions are suppressed. `is_own` returns whether a 4xx is the partner's own; one of a proxy counts as an error.
    Without it each 4xx is the partner's own.
    """

    def __init__(
        self,
        partner: str,
        timeouts: Timeouts,
        *,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        observer: Observer | None = None,
        is_own: Callable[[Answer], bool] | None = None,
        connections: int = 1,
        pools: Pools | None = None,
    ) -> None:
        self._partner = partner
        self._max_answer_bytes = max_answer_bytes
        self._observer = observer
        self._is_own = is_own
        self._connect = timeouts.connect.total_seconds()
        self._read = timeouts.read.total_seconds()
        self._pools = pools or _pool_manager(connections)
        self._last_call, self._running, self._lock = time.monotonic(), 0, Lock()

    @property
    def partner(self) -> str:
        """The partner's name in the configuration."""
        return self._partner

    @property
    def max_seconds(self) -> float:
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
        """Make one request and return the answer, whatever its status.

        `json` is sent as `application/json` with decimals as exact numbers. Raises Unavailable if the request was not
        sent, also because the budget has no time left, Unknown if it was sent and no complete answer was received,
        Misconfigured if the address is not a URL or not https.
        """
        if not is_confidential(url):
            text = "the partner's address is not https"
            raise Misconfigured(self._partner, operation, text, code=ErrorCode.ADDRESS_INVALID)
        sent_headers = {"Accept": "application/json", "User-Agent": "leadbridge", **(headers or {})}
        if json is not None:
            body = simplejson.dumps(json, use_decimal=True, ensure_ascii=False).encode()
            sent_headers["Content-Type"] = "application/json; charset=utf-8"
        if budget.left <= 0:  # as late as possible: after a pause of the process another worker may have the item
            text = "no time was left for the call"
            raise Unavailable(self._partner, operation, text, code=ErrorCode.OUT_OF_TIME)
        with self._lock:
            if not self._running and time.monotonic() - self._last_call > MAX_IDLE_SECONDS:
                self._pools.clear()
            self._running += 1
        exchange, outcome, began = _Exchange(), CallOutcome.LOST, time.monotonic()
        token = _exchange.set(exchange)
        try:
            with Deadline(budget.cut(self.max_seconds), exchange.time_out):
                response = self._pools.request(
                    method,
                    url,
                    body=body,
                    headers=sent_headers,
                    timeout=urllib3.Timeout(connect=budget.cut(self._connect), read=budget.cut(self._read)),
                    redirect=False,
                    preload_content=False,
                )
                answer = _read_answer(self._partner, response, exchange, self._max_answer_bytes)
        except urllib3.exceptions.LocationValueError:
            outcome = CallOutcome.NO_ADDRESS
            text = "the partner's address is not a URL"
            raise Misconfigured(self._partner, operation, text, code=ErrorCode.ADDRESS_INVALID) from None
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            cause = "timeout" if exchange.is_timed_out else type(error).__name__
            if exchange.is_sent:
                text, code = f"no complete answer was received ({cause})", ErrorCode.REPLY_LOST
                raise Unknown(self._partner, operation, text, code=code, data={"cause": cause}) from None
            outcome = CallOutcome.UNREACHABLE
            text, code = f"the partner could not be reached ({cause})", ErrorCode.UNREACHABLE
            raise Unavailable(self._partner, operation, text, code=code, data={"cause": cause}) from None
        else:
            outcome = self._outcome(operation, answer)
            return answer
        finally:
            ended = time.monotonic()
            with self._lock:
                self._last_call, self._running = ended, self._running - 1
            _exchange.reset(token)
            self._observe(Call(self._partner, operation, outcome, (ended - began) * 1000))

    def _outcome(self, operation: str, answer: Answer) -> CallOutcome:
        if rate_limit_error(self._partner, operation, answer) is not None:
            return CallOutcome.RATE_LIMITED
        if answer.status >= 500:
            return CallOutcome.FAILED
        if 400 <= answer.status < 500 and answer.status != 401 and self._is_own and not self._is_own(answer):
            return CallOutcome.INTERCEPTED
        return CallOutcome.ANSWERED

    def _observe(self, call: Call) -> None:
        if self._observer is not None:
            with suppress(Exception):  # a failed measurement must not lose the answer
                self._observer(call)


def is_confidential(url: str) -> bool:
    """Return whether personal data and credentials may be sent to the URL: over TLS, or within a developer's machine.

    A URL without a host, or with another scheme, passes: nothing can be sent to it.
    """
    if url.startswith("https://"):
        return True
    try:
        parts = urllib3.util.parse_url(url)
    except urllib3.exceptions.LocationParseError:
        return True
    is_plain_http = parts.host is not None and parts.scheme in {None, "http"}  # urllib3's default scheme is http
    return parts.host in LOCAL_HOSTS or not is_plain_http or is_local()


def _read_answer(partner: str, response: urllib3.BaseHTTPResponse, exchange: _Exchange, limit: int) -> Answer:
    received = bytearray()
    try:
        for chunk in response.stream(CHUNK_BYTES) if limit else ():
            received += chunk
            if len(received) > limit:
                raise urllib3.exceptions.ProtocolError("the answer is too long")
        if exchange.is_timed_out:  # a truncated body may look complete
            raise TimeoutError
    except BaseException:
        response.close()  # its unread bytes must not become the answer to the next request
        raise
    if not limit:
        response.close()
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status, headers, bytes(received), partner)
