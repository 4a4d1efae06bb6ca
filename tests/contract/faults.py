"""The fault matrix: what a partner may do to a call, and what that means for each of the three operations.

The table is `contracts`' own: an authorization makes nothing, so whatever goes wrong with it may be repeated; a create
whose fate nobody can tell is never repeated; a status call may be repeated always.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from email.utils import formatdate
from time import time
from typing import Any

from leadbridge.errors import PartnerError, RateLimited, Rejected, Unauthorized, Unavailable, Unknown
from tests.contract.raw_server import CHUNKED, RawServer, never_accepting, nobody_listening, with_length
from tests.contract.world import PARTNER, READ, Operation, World

type Meaning = type[PartnerError] | None

ENDLESS = 1_048_577  # bytes: one more than is read of any answer
PAUSE = 0.1  # seconds between the pieces of a trickle: none is late by itself, all together are


@dataclass(frozen=True)
class Broken:
    """Something that is wrong, for one operation, until the world is mended."""

    begin: Callable[[World, Operation], None]


def fault(kind: str, **fields: Any) -> Broken:
    """The sandbox's fault of this kind."""
    return Broken(lambda world, operation: _arm(world, operation, {"kind": kind, **fields}))


def answer(status: int, body: object = None, **headers: str) -> Broken:
    """This answer, the call not processed; underscores in header names are hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return fault("answer", status=status, body=body, headers=named)


def retry_at(seconds: float) -> Broken:
    """429 with a date in Retry-After."""
    return Broken(
        lambda world, operation: _arm(
            world,
            operation,
            {"kind": "answer", "status": 429, "headers": {"Retry-After": formatdate(time() + seconds, usegmt=True)}},
        )
    )


def bytes_sent(*pieces: bytes, pause: float = 0, linger: float = 0) -> Broken:
    """These bytes for an answer."""
    return Broken(lambda world, operation: _point(world, operation, RawServer(pieces, pause=pause, linger=linger)))


def address(url: str) -> Broken:
    """A partner at this address."""
    return Broken(lambda world, operation: world.point(operation, url))


def tls_to_a_plain_port() -> Broken:
    """https where plain HTTP is spoken."""
    return Broken(lambda world, operation: world.point(operation, world.remote.url.replace("http:", "https:")))


def tls_that_stalls() -> Broken:
    """https where the handshake is never answered."""

    def begin(world: World, operation: Operation) -> None:
        server = world.stack.enter_context(RawServer(linger=60))
        world.point(operation, server.url.replace("http:", "https:"))

    return Broken(begin)


def listening(what: Callable[[], AbstractContextManager[str]]) -> Broken:
    """A port that does not take connections."""
    return Broken(lambda world, operation: world.point(operation, world.stack.enter_context(what())))


def _arm(world: World, operation: Operation, order: dict[str, Any]) -> None:
    world.remote.arm(PARTNER, operation, order, times=None)


def _point(world: World, operation: Operation, server: RawServer) -> None:
    world.point(operation, world.stack.enter_context(server).url)


REFUSED_TOKEN = {"detail": "Given token not valid for any token type", "code": "token_not_valid"}
A_FIELD_MAP = {"clientInfo": {"stateCode": ["Потрібно 10 цифр."]}}
AN_ERROR = {"error": "Щось пішло не так"}
HALF = b'{"message": "'
BROKEN_GZIP = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd"
BARE_HUGE_EXPONENT = '{"deal_id": 1e99999999999999999999}'

MATRIX: list[tuple[str, Broken, Meaning, Meaning, Meaning]] = [
    # what the partner does                                         to authorize  to create     to status
    # --- the request never went out
    ("refuses the connection", listening(nobody_listening), Unavailable, Unavailable, Unavailable),
    ("never takes the connection", listening(never_accepting), Unavailable, Unavailable, Unavailable),
    ("has no address", address("http://partner.invalid"), Unavailable, Unavailable, Unavailable),
    ("speaks no TLS", tls_to_a_plain_port(), Unavailable, Unavailable, Unavailable),
    ("never ends the TLS handshake", tls_that_stalls(), Unavailable, Unavailable, Unavailable),
    # --- the request went out, no whole answer came back
    ("hangs up before processing", fault("drop", when="before"), Unavailable, Unknown, Unavailable),
    ("hangs up after processing", fault("drop", when="after"), Unavailable, Unknown, Unavailable),
    ("is late, before processing", fault("delay", seconds=READ * 2, when="before"), Unavailable, Unknown, Unavailable),
    ("is late, after processing", fault("delay", seconds=READ * 2, when="after"), Unavailable, Unknown, Unavailable),
    ("trickles its answer", fault("slow_body", seconds=PAUSE, chunk=4), Unavailable, Unknown, Unavailable),
    ("trickles chunks", bytes_sent(CHUNKED, *[b"1\r\n \r\n"] * 30, pause=PAUSE), Unavailable, Unknown, Unavailable),
    ("trickles headers", bytes_sent(*b"HTTP/1.1 200 OK\r\nA: b" and [b"H"] * 30, pause=PAUSE), Unavailable, Unknown,
     Unavailable),
    ("stops in the middle", bytes_sent(with_length(90), HALF, linger=1), Unavailable, Unknown, Unavailable),
    ("hangs up in the middle", bytes_sent(with_length(90), HALF), Unavailable, Unknown, Unavailable),
    ("hangs up without a byte", bytes_sent(), Unavailable, Unknown, Unavailable),
    ("answers without end", bytes_sent(with_length(ENDLESS), b" " * ENDLESS), Unavailable, Unknown, Unavailable),
    ("answers garbage", bytes_sent(b"\x16\x03\x01\x02\x00garbage\r\n\r\n"), Unavailable, Unknown, Unavailable),
    ("answers broken gzip", bytes_sent(BROKEN_GZIP), Unavailable, Unknown, Unavailable),
    # --- an answer that tells nothing
    ("answers HTML 502", fault("html", status=502), Unavailable, Unknown, Unavailable),
    ("answers HTML 502, processed", fault("html", status=502, processed=True), Unavailable, Unknown, Unavailable),
    ("answers HTML 200", fault("html", status=200), Unavailable, Unknown, Unavailable),
    ("answers an empty 200", fault("empty", status=200), Unavailable, Unknown, Unavailable),
    ("answers an empty 200, processed", fault("empty", processed=True), Unavailable, Unknown, Unavailable),
    ("answers 200 with a list", answer(200, [1]), Unavailable, Unknown, Unavailable),
    ("answers 200 without its fields", answer(200, {"message": "ok"}), Unavailable, Unknown, Unavailable),
    ("answers fields of other types",
     answer(200, {"deal_id": "24", "status": 1, "access_token": 1, "security_token": "s"}),
     Unavailable, Unknown, Unavailable),
    ("answers a boolean for an id", answer(200, {"deal_id": True}), Unavailable, Unknown, Unavailable),
    ("answers a number beyond all bounds", answer(200, BARE_HUGE_EXPONENT), Unavailable, Unknown, Unavailable),
    ("answers an endless integer", answer(200, '{"deal_id": 1' + "0" * 5000 + "}"), Unavailable, Unknown, Unavailable),
    ("answers a bottomless list", answer(200, "[" * 50_000), Unavailable, Unknown, Unavailable),
    ("answers 500", answer(500), Unavailable, Unknown, Unavailable),
    ("answers 503 without Retry-After", answer(503), Unavailable, Unknown, Unavailable),
    ("answers 504 as JSON", answer(504, {"message": "Gateway timeout"}), Unavailable, Unknown, Unavailable),
    ("redirects", answer(302, Location="http://127.0.0.1:1/"), Unavailable, Unknown, Unavailable),
    # --- not processed, and we are told so
    ("answers 429", fault("rate_limit"), RateLimited, RateLimited, RateLimited),
    ("answers 429 with seconds", fault("rate_limit", retry_after=30), RateLimited, RateLimited, RateLimited),
    ("answers 429 with a date", retry_at(30), RateLimited, RateLimited, RateLimited),
    ("answers 503 with Retry-After", answer(503, Retry_After="30"), RateLimited, RateLimited, RateLimited),
    ("answers 401", answer(401, {"detail": "no"}), Unavailable, Unauthorized, Unauthorized),
    ("answers 403 to a token", answer(403, REFUSED_TOKEN), Unavailable, Unauthorized, Unauthorized),
    # --- refused
    ("answers 400 with an error", answer(400, AN_ERROR), Unavailable, Rejected, Rejected),
    ("answers 200 with an error", answer(200, AN_ERROR), Unavailable, Rejected, Rejected),
    ("answers 400 with a field map", answer(400, A_FIELD_MAP), Unavailable, Rejected, Rejected),
    ("answers 404 as HTML", fault("html", status=404), Unavailable, Rejected, Rejected),
    # --- nothing is wrong
    ("is slow, but in time", fault("delay", seconds=READ / 4), None, None, None),
    ("answers in pieces, but in time", fault("slow_body", seconds=0.01, chunk=100), None, None, None),
    ("is slow after processing, but in time", fault("delay", seconds=READ / 4, when="after"), None, None, None),
]


def rows(operation: Operation) -> list[tuple[str, Broken, Meaning]]:
    """The matrix for one operation."""
    column = ("authorize", "create", "status").index(operation)
    return [(row[0], row[1], row[2 + column]) for row in MATRIX]  # type: ignore[misc]
