"""Calls to addresses that other people choose: over TLS, and to the public internet only.

The name is resolved once. If one of its addresses is not public, nothing is sent. Otherwise the connection goes to a
checked address, and TLS verifies the name there. A name that resolves to another address a moment later has no effect.
No redirect is followed, no proxy of the environment is used, and nothing of an answer's body is read.
"""

from __future__ import annotations

import random
import re
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from threading import Thread
from typing import Any

import urllib3

from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.partner_errors import Misconfigured, Unavailable
from leadbridge.partners.http import Answer, Observer, PlainPool, SecurePool, Transport
from leadbridge.runtime.budget import Budget
from leadbridge.runtime.environment import is_local
from leadbridge.settings import Timeouts

HTTPS_PORT = 443
MAX_SECONDS = 10.0  # of one call, with the resolution of the name
RESOLVE_SECONDS = 3.0
MAX_ADDRESSES = 32  # of one name that are checked; a name with more is refused
MAX_URL = 8000  # characters
LOOPBACK = "127.0.0.1"  # where the local stack's sandbox listens

# One grammar for checking and for calling, so that two parsers cannot read one address differently. It has no user, no
# fragment, no backslash, no white space and no IPv6 literal.
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9.-]{1,253})(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<target>(?:/[!-~]*)?(?:\?[!-~]*)?)"
)
_NAME = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])")
# What `ip_address.is_global` counts as global although no tracker is there: the relays of 6to4, and 6to4 itself.
_RELAYS_4 = IPv4Network((0xC0586300, 24))  # 192.88.99/24
_UNICAST_6 = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))

type Resolve = Callable[[str, int], list[str]]
"""Returns the addresses of a name. Raises OSError."""


class AddressInvalid(ValueError):
    """The address must not be called. The message names no part of it."""


@dataclass(frozen=True)
class PublicUrl:
    """A checked URL; `target` is the path with the query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def is_loopback(self) -> bool:
        """Whether it is the local stack's sandbox."""
        return self.scheme == "http"


def parse_url(url: str, *, port: int = HTTPS_PORT, allow_loopback: bool = False) -> PublicUrl:
    """Check a URL without resolving its name. `port` is the one allowed. Raises AddressInvalid.

    `allow_loopback`: http to 127.0.0.1 is allowed, too. Only the stage `local` may set it.
    """
    found = _URL.fullmatch(url) if len(url) <= MAX_URL else None
    if found is None or "#" in url or "\\" in url:
        raise AddressInvalid("it must be a URL such as https://tracker.example/postback, in ASCII, without a user")
    scheme, host, target = found["scheme"], found["host"].lower(), found["target"]
    target = target if target.startswith("/") else f"/{target}"
    if scheme == "http":
        if allow_loopback and host == LOOPBACK and found["port"]:
            return PublicUrl(scheme, host, int(found["port"]), target)
        raise AddressInvalid("it must begin with https://")
    if not _NAME.fullmatch(host):
        raise AddressInvalid("it must have a domain name of the public internet, not an IP address")
    given = int(found["port"] or HTTPS_PORT)
    if given != port:
        raise AddressInvalid(f"the port must be {port}; the key port of the entry allows another one")
    return PublicUrl(scheme, host, given, target)


def is_public(address: str) -> bool:
    """Return whether an address is one of the public internet that a server can have.

    Private, shared, loopback, link-local, multicast, documentation and reserved ones are not, nor is any IPv6 form of
    an IPv4 address: mapped, translated, 6to4, NAT64 or Teredo.
    """
    try:
        found = ip_address(address)
    except ValueError:
        return False  # an IPv6 address with a zone, for example
    if not found.is_global or found.is_multicast or found.is_reserved or found.is_unspecified:
        return False
    match found:
        case IPv4Address():
            return found not in _RELAYS_4
        case IPv6Address():
            return found in _UNICAST_6 and not any(found in network for network in _NOT_PUBLIC_6)


def system_resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a name from the system's resolver. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(frozen=True)
class PublicClient:
    """Calls public addresses of other people. `ssl_context` verifies their certificates; None for the system's."""

    observer: Observer | None = None
    resolve: Resolve = system_resolve
    ssl_context: ssl.SSLContext | None = None
    seconds: float = MAX_SECONDS

    def call(
        self,
        name: str,
        operation: str,
        method: str,
        url: PublicUrl,
        *,
        headers: dict[str, str],
        body: bytes | None,
        budget: Budget,
    ) -> Answer:
        """Make one request; return its status and headers, within `seconds` in total. `name` is for errors and metrics.

        Raises Misconfigured if the name has an address that is not public, Unavailable if the request was not sent,
        Unknown if it was sent and no answer arrived.
        """
        if url.is_loopback and not is_local():
            raise Misconfigured(name, operation, "the address must begin with https://", code=ErrorCode.ADDRESS_REFUSED)
        until = Budget(time.monotonic() + min(self.seconds, budget.left), 0.0)
        address = LOOPBACK if url.is_loopback else self._public_address(name, operation, url, until)
        left = timedelta(seconds=until.left)
        context = None if url.is_loopback else (self.ssl_context or _ssl_context())
        transport = Transport(
            name,
            Timeouts.model_construct(connect=left, read=left),
            max_answer_bytes=0,
            observer=self.observer,
            pools=_PinnedPool(url, address, context),
        )
        shown = f"{url.scheme}://{url.host}"  # the pool has the target
        return transport.call(operation, method, shown, budget=until, body=body, headers=headers)

    def _public_address(self, name: str, operation: str, url: PublicUrl, until: Budget) -> str:
        try:
            found = _resolve_within(self.resolve, url, until.cut(RESOLVE_SECONDS))
        except (OSError, UnicodeError) as error:
            cause = type(error).__name__
            text = f"the tracker's name could not be resolved ({cause})"
            raise Unavailable(name, operation, text, code=ErrorCode.UNREACHABLE, data={"cause": cause}) from None
        if not found or len(found) > MAX_ADDRESSES or not all(map(is_public, found)):
            text = "the name does not have only addresses of the public internet"
            raise Misconfigured(name, operation, text, code=ErrorCode.ADDRESS_REFUSED)
        version_4 = [address for address in found if ":" not in address]
        return random.choice(version_4 or found)  # noqa: S311 - an attempt after a failure may get another one


@lru_cache
def _ssl_context() -> ssl.SSLContext:
    return ssl.create_default_context()


def _resolve_within(resolve: Resolve, url: PublicUrl, seconds: float) -> list[str]:
    """Resolve a name in a thread, because the system's resolver has no timeout. Raises TimeoutError, OSError."""
    found: list[list[str]] = []
    failed: list[Exception] = []

    def run() -> None:
        try:
            found.append(resolve(url.host, url.port))
        except Exception as error:  # noqa: BLE001 - the caller raises it
            failed.append(error)

    thread = Thread(target=run, name="resolve", daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise OSError("the name could not be resolved") from failed[0]
    if not found:
        raise TimeoutError("no time is left")
    return found[0]


class _PinnedPool:
    """The pools of a transport: one connection to a checked address, in the name of the URL's host."""

    def __init__(self, url: PublicUrl, address: str, context: ssl.SSLContext | None) -> None:
        self._url, self._address, self._context = url, address, context

    def request(self, method: str, _shown: str, /, *, headers: dict[str, str], **options: Any) -> Any:
        """Send a request to the target of the checked URL."""
        url = self._url
        default = HTTPS_PORT if url.scheme == "https" else None
        host = url.host if url.port == default else f"{url.host}:{url.port}"
        pool: urllib3.HTTPConnectionPool
        if url.is_loopback:
            pool = PlainPool(self._address, url.port, maxsize=1, retries=False)
        else:
            pool = SecurePool(
                self._address,
                url.port,
                maxsize=1,
                retries=False,
                ssl_context=self._context,
                server_hostname=url.host,
            )
        sent = {**headers, "Host": host, "Connection": "close"}
        return pool.urlopen(method, url.target, headers=sent, retries=False, **options)

    def clear(self) -> None:
        """Do nothing: no connection is kept."""
