"""The fault matrix: what a partner may do to a call, and what that means for each of the three operations.

An authorization creates nothing, so it can always be repeated; a create with an unknown result is never repeated; a
status call can always be repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from email.utils import formatdate
from time import time
from typing import Any

import pytest
from _pytest.mark import ParameterSet

from leadbridge.domain.errors.partner_errors import (
    PartnerError,
    RateLimited,
    Rejected,
    Unauthorized,
    Unavailable,
    Unknown,
)
from quality.testkit.clients.leadleader import SHORT, Operation, World
from quality.testkit.clients.raw_server import CHUNKED, RawServer, closed_port, never_accepting, with_length

type Meaning = type[PartnerError] | None

ENDLESS = 1_048_577  # bytes: one more than is read of any answer
PAUSE = 0.08  # seconds between the pieces of a trickle: each is in time, all together are late


@dataclass(frozen=True)
class Broken:
    """Something that is wrong, for one operation, until `repair`; `slow` outlasts short timeouts."""

    what: Callable[[World, Operation], None]
    slow: bool = False

    def begin(self, world: World, operation: Operation) -> None:
        world.hasty = self.slow
        self.what(world, operation)


def slow(broken: Broken) -> Broken:
    """What takes longer than anybody waits."""
    return Broken(broken.what, slow=True)


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
    world.remote.arm(world.partner, operation, order, times=None)


def _point(world: World, operation: Operation, server: RawServer) -> None:
    world.point(operation, world.stack.enter_context(server).url)


REFUSED_TOKEN = {"detail": "Given token not valid for any token type", "code": "token_not_valid"}
A_FIELD_MAP = {"clientInfo": {"stateCode": ["Потрібно 10 цифр."]}}
AN_ERROR = {"error": "Щось пішло не так"}
A_DETAIL = {"detail": "Дані не прийнято", "code": "invalid"}
INTERCEPTED = (400, 403, 404, 405, 407, 409, 413, 421, 423, 425, 451)  # with these a proxy or a firewall turns us away
HALF = b'{"message": "'
BROKEN_GZIP = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd"

WHOLE = (
    b'{"message": "", "access_token": "a.b.c", "security_token": "0123456789abcdef0123456789abcdef", "deal_id": 24,'
    b' "status": "new"}'
)
HEADERS = (b"HTTP/1.1 200 OK\r\n", *[b"X-Header: value\r\n"] * 8, b"Content-Length: 2\r\n\r\n", b"{}")
BODY = (with_length(len(WHOLE)), *[WHOLE[start : start + 16] for start in range(0, len(WHOLE), 16)])
CHUNKS = (CHUNKED, *[b"1\r\n \r\n"] * 10)
OTHER_TYPES = {"deal_id": "24", "status": 1, "access_token": 1, "security_token": "s"}

NOT_SENT = (Unavailable, Unavailable, Unavailable)
LOST = (Unavailable, Unknown, Unavailable)
RATE_LIMITED = (RateLimited, RateLimited, RateLimited)
TOKEN_REFUSED = (Unavailable, Unauthorized, Unauthorized)
REFUSED = (Unavailable, Rejected, Rejected)
FINE = (None, None, None)

# what the partner does, how that is brought about, and its meaning (to an authorization, a create, a status call)
MATRIX: list[tuple[str, Broken, tuple[Meaning, Meaning, Meaning]]] = [
    ("refuses the connection", listening(closed_port), NOT_SENT),
    ("never takes the connection", slow(listening(never_accepting)), NOT_SENT),
    ("has no address", address("https://partner.invalid"), NOT_SENT),
    ("speaks no TLS", tls_to_a_plain_port(), NOT_SENT),
    ("never ends the TLS handshake", slow(tls_that_stalls()), NOT_SENT),
    ("hangs up before processing", fault("drop", when="before"), LOST),
    ("hangs up after processing", fault("drop", when="after"), LOST),
    ("is late, before processing", slow(fault("delay", seconds=2 * SHORT, when="before")), LOST),
    ("is late, after processing", slow(fault("delay", seconds=2 * SHORT, when="after")), LOST),
    ("trickles headers", slow(bytes_sent(*HEADERS, pause=PAUSE)), LOST),
    ("trickles its answer", slow(bytes_sent(*BODY, pause=PAUSE)), LOST),
    ("trickles chunks", slow(bytes_sent(*CHUNKS, pause=PAUSE)), LOST),
    ("stops in the middle", slow(bytes_sent(with_length(90), HALF, linger=60)), LOST),
    ("hangs up in the middle", bytes_sent(with_length(90), HALF), LOST),
    ("hangs up without a byte", bytes_sent(), LOST),
    ("answers without end", bytes_sent(with_length(ENDLESS), b" " * ENDLESS), LOST),
    ("answers garbage", bytes_sent(b"\x16\x03\x01\x02\x00garbage\r\n\r\n"), LOST),
    ("answers broken gzip", bytes_sent(BROKEN_GZIP), LOST),
    ("answers HTML 502", fault("html", status=502), LOST),
    ("answers HTML 502, processed", fault("html", status=502, processed=True), LOST),
    ("answers HTML 200", fault("html", status=200), LOST),
    ("answers an empty 200", fault("empty", status=200), LOST),
    ("answers an empty 200, processed", fault("empty", processed=True), LOST),
    ("answers 200 with a list", answer(200, [1]), LOST),
    ("answers 200 without its fields", answer(200, {"message": "ok"}), LOST),
    ("answers fields of other types", answer(200, OTHER_TYPES), LOST),
    ("answers a boolean for an id", answer(200, {"deal_id": True}), LOST),
    ("answers a number beyond all bounds", answer(200, '{"deal_id": 1e99999999999999999999}'), LOST),
    ("answers an endless integer", answer(200, '{"deal_id": 1' + "0" * 5000 + "}"), LOST),
    ("answers a bottomless list", answer(200, "[" * 50_000), LOST),
    ("answers bytes that are no text", bytes_sent(with_length(4), b"\xff\xfe\x00{"), LOST),
    ("answers 500", answer(500), LOST),
    ("answers 503 without Retry-After", answer(503), LOST),
    ("answers 504 as JSON", answer(504, {"message": "Gateway timeout"}), LOST),
    ("redirects", answer(302, Location="http://127.0.0.1:1/"), LOST),
    ("answers 429", fault("rate_limit"), RATE_LIMITED),
    ("answers 429 with seconds", fault("rate_limit", retry_after=30), RATE_LIMITED),
    ("answers 429 with a date", retry_at(30), RATE_LIMITED),
    ("answers 503 with Retry-After", answer(503, Retry_After="30"), RATE_LIMITED),
    ("answers 401", answer(401, {"detail": "no"}), TOKEN_REFUSED),
    ("answers 403 to a token", answer(403, REFUSED_TOKEN), TOKEN_REFUSED),
    ("answers 400 with an error", answer(400, AN_ERROR), REFUSED),
    ("answers 200 with an error", answer(200, AN_ERROR), REFUSED),
    ("answers 400 with a field map", answer(400, A_FIELD_MAP), REFUSED),
    ("answers 422 with a detail and a code", answer(422, A_DETAIL), REFUSED),
    ("answers 409 with a detail", answer(409, {"detail": "Вже існує"}), REFUSED),
    ("answers 400 about all fields", answer(400, {"non_field_errors": ["Ні."]}), REFUSED),
    ("answers 404 with an error", answer(404, AN_ERROR), REFUSED),
    ("answers 500 with an error", answer(500, AN_ERROR), REFUSED),
    *((f"answers {status} as HTML", fault("html", status=status), NOT_SENT) for status in INTERCEPTED),
    *((f"answers an empty {status}", fault("empty", status=status), NOT_SENT) for status in INTERCEPTED),
    ("answers 403 in a firewall's JSON", answer(403, {"message": "Forbidden"}), NOT_SENT),
    ("answers 403 in a gateway's JSON", answer(403, {"error": "Forbidden"}), NOT_SENT),
    ("answers 404 in a router's JSON", answer(404, {"detail": "Not found."}), NOT_SENT),
    ("answers 400 with a list", answer(400, [AN_ERROR]), NOT_SENT),
    *((f"answers {status} as HTML", fault("html", status=status), LOST) for status in (408, 499, 500)),
    ("answers 408 with an error", answer(408, AN_ERROR), LOST),
    ("answers 502 with an error", answer(502, AN_ERROR), LOST),
    ("answers 400 with an id", answer(400, {"deal_id": 24}), (Unavailable, Unknown, Unavailable)),
    ("is slow, but in time", fault("delay", seconds=PAUSE), FINE),
    ("is slow after processing, but in time", fault("delay", seconds=PAUSE, when="after"), FINE),
    ("answers in pieces, but in time", fault("slow_body", seconds=0.01, chunk=64), FINE),
]


def rows(*operations: Operation) -> list[ParameterSet]:
    """The matrix for some of the operations, as `operation, broken, meaning` for pytest."""
    columns: tuple[Operation, ...] = ("authorize", "create", "status")
    return [
        pytest.param(operation, broken, meanings[columns.index(operation)], id=f"{operation}: {what}")
        for operation in operations
        for what, broken, meanings in MATRIX
    ]
