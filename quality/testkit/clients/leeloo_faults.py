"""The fault matrix of Leeloo's client: what the partner does to a call, and what that means to a read and to a send."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from leadbridge.domain.errors.partner_errors import (
    PartnerError,
    RateLimited,
    Rejected,
    Unauthorized,
    Unavailable,
    Unknown,
)
from leadbridge.partners.leeloo import AccountId
from leadbridge.partners.leeloo.answers import NotFound
from leeloo_api import LeelooApi
from quality.testkit.clients.leeloo import EMAIL, PARTNER, PHONE, SHORT, LeelooWorld, budget
from quality.testkit.clients.raw_server import CHUNKED, RawServer, closed_port, never_accepting, with_length

type Meaning = type[PartnerError] | None

type Broken = Callable[[LeelooWorld, str], None]

ENDLESS = 1_048_577  # bytes: one more than is read of any answer

PAUSE = 0.08  # seconds between the pieces of a trickle: each is in time, all together are late

LIMIT_TEXT = "Too many requests, please try again later."

NO_TOKEN = {"status": 0, "error": {"fields": {"authToken": "REQUIRED"}, "code": "FORMAT_ERROR"}}

REFUSAL = {"status": 0, "error": {"fields": {"phone": "WRONG", "Ольга": "+380501234567"}, "code": "FORMAT_ERROR"}}

BROKEN_GZIP = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd"

WHOLE = b'{"status": 1, "data": []}' + b" " * 60

HEADERS = (b"HTTP/1.1 200 OK\r\n", *[b"X-Header: value\r\n"] * 8, b"Content-Length: 2\r\n\r\n", b"{}")

BODY = (with_length(len(WHOLE)), *[WHOLE[start : start + 8] for start in range(0, len(WHOLE), 8)])

CHUNKS = (CHUNKED, *[b"1\r\n \r\n"] * 10)


def fault(kind: str, **fields: Any) -> Broken:
    """The sandbox's fault of this kind."""
    return lambda world, operation: _arm(world, operation, {"kind": kind, **fields})


def answer(status: int, body: object = None, **headers: str) -> Broken:
    """This answer, the call not processed; underscores in header names are hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return fault("answer", status=status, body=body, headers=named)


def bytes_sent(*pieces: bytes, pause: float = 0, linger: float = 0) -> Broken:
    """These bytes for an answer."""

    def begin(world: LeelooWorld, _: str) -> None:
        world.vault.replace(base_url=world.stack.enter_context(RawServer(pieces, pause=pause, linger=linger)).url)

    return begin


def listening(what: Callable[[], AbstractContextManager[str]]) -> Broken:
    """A port that does not take connections."""
    return lambda world, _: world.vault.replace(base_url=world.stack.enter_context(what()))


def slow(broken: Broken) -> Broken:
    """What takes longer than anybody waits."""

    def begin(world: LeelooWorld, operation: str) -> None:
        world.hasty = True
        broken(world, operation)

    return begin


def tls_to_a_plain_port(world: LeelooWorld, _: str) -> None:
    """https where plain HTTP is spoken."""
    world.vault.replace(base_url=world.remote.url.replace("http:", "https:"))


def _arm(world: LeelooWorld, operation: str, order: dict[str, Any]) -> None:
    world.remote.arm(PARTNER, operation, order, times=None)


NOT_SENT = (Unavailable, Unavailable)

LOST = (Unavailable, Unknown)

RATE_LIMITED = (RateLimited, RateLimited)

TOKEN_REFUSED = (Unauthorized, Unauthorized)

REFUSED = (Rejected, Rejected)

# what the partner does, how that is brought about, and its meaning (to a read, to a send)
MATRIX: list[tuple[str, Broken, tuple[Meaning, Meaning]]] = [
    ("refuses the connection", listening(closed_port), NOT_SENT),
    ("never takes the connection", slow(listening(never_accepting)), NOT_SENT),
    ("speaks no TLS", tls_to_a_plain_port, NOT_SENT),
    ("hangs up before processing", fault("drop", when="before"), LOST),
    ("hangs up after processing", fault("drop", when="after"), LOST),
    ("is late, before processing", slow(fault("delay", seconds=2 * SHORT)), LOST),
    ("is late, after processing", slow(fault("delay", seconds=2 * SHORT, when="after")), LOST),
    ("trickles headers", slow(bytes_sent(*HEADERS, pause=PAUSE)), LOST),
    ("trickles its answer", slow(bytes_sent(*BODY, pause=PAUSE)), LOST),
    ("trickles chunks", slow(bytes_sent(*CHUNKS, pause=PAUSE)), LOST),
    ("stops in the middle", slow(bytes_sent(with_length(90), b"{", linger=60)), LOST),
    ("hangs up in the middle", bytes_sent(with_length(90), b"{"), LOST),
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
    ("answers 200 without a status", answer(200, {"data": {}}), LOST),
    ("answers 200 with status true", answer(200, {"status": True, "data": {}}), LOST),
    ("answers a number beyond all bounds", answer(200, '{"status": 1e99999999999999999999}'), LOST),
    ("answers an endless integer", answer(200, '{"status": 1' + "0" * 5000 + "}"), LOST),
    ("answers a bottomless list", answer(200, "[" * 50_000), LOST),
    ("answers 500", answer(500), LOST),
    ("answers 500 with success", answer(500, {"status": 1, "data": {}}), LOST),
    ("answers 503 without Retry-After", answer(503), LOST),
    ("redirects", answer(302, Location="http://127.0.0.1:1/"), LOST),
    ("answers 429", fault("rate_limit"), RATE_LIMITED),
    ("answers 429 with seconds", fault("rate_limit", retry_after=30), RATE_LIMITED),
    ("answers 503 with Retry-After", answer(503, Retry_After="30"), RATE_LIMITED),
    ("limits in plain text at 200", answer(200, LIMIT_TEXT), RATE_LIMITED),
    ("limits in plain text at 429", answer(429, LIMIT_TEXT, Retry_After="30"), RATE_LIMITED),
    ("limits in plain text at 503", answer(503, LIMIT_TEXT), RATE_LIMITED),
    ("answers 401", answer(401), TOKEN_REFUSED),
    ("refuses the token at 200", answer(200, NO_TOKEN), TOKEN_REFUSED),
    ("refuses the token at 400", answer(400, NO_TOKEN), TOKEN_REFUSED),
    ("refuses at 200", answer(200, REFUSAL), REFUSED),
    ("refuses at 400", answer(400, REFUSAL), REFUSED),
    *((f"answers {status} as HTML", fault("html", status=status), NOT_SENT) for status in (403, 404, 405, 413)),
    *((f"answers an empty {status}", fault("empty", status=status), NOT_SENT) for status in (400, 403, 404)),
    ("answers 403 in a firewall's JSON", answer(403, {"message": "Forbidden"}), NOT_SENT),
    ("answers 408 as HTML", fault("html", status=408), LOST),
    ("answers 499", answer(499, {"status": 0, "error": {"code": "x"}}), LOST),
    ("answers 404 as JSON", answer(404, {"status": 0, "error": {"code": "NOT_FOUND"}}), (NotFound, NotFound)),
    ("is slow, but in time", fault("delay", seconds=PAUSE), (None, None)),
    ("answers in pieces, but in time", fault("slow_body", seconds=0.01, chunk=64), (None, None)),
]

OPERATIONS = ("people_list", "person_create", "send_template", "send_message")


def calling(world: LeelooWorld, operation: str) -> Callable[[], object]:
    """The operation, asked for rightly."""
    account_id = AccountId(world.person()["accounts"][0]["account_id"])
    tool_id = world.company["tunnels"][0]["leadgentools"][0]["id"]
    template_id = world.id_of("templates")
    who = {"name": "Іван", "phone": PHONE, "email": EMAIL}
    calls: dict[str, Callable[[LeelooApi], object]] = {
        "people_list": lambda api: list(api.people.list(phone=PHONE, pages=1, budget=budget())),
        "person_create": lambda api: api.people.create(**who, leadgentool_id=tool_id, budget=budget()),
        "send_template": lambda api: api.messages.send_template(account_id, template_id, budget=budget()),
        "send_message": lambda api: api.messages.send_text(account_id, "Вітаю", budget=budget()),
    }
    return lambda: calls[operation](world.api())
