"""The fault matrix of Match-Trade's client: faults of the partner, and what they mean to a token, a create, a list."""

from __future__ import annotations

import pytest

from leadbridge.domain.errors.partner_errors import (
    Duplicate,
    Misconfigured,
    PartnerError,
    RateLimited,
    Rejected,
    Unauthorized,
    Unavailable,
    Unknown,
)
from quality.testkit.clients.matchtrade import (
    EMAIL,
    PARTNER,
    SHORT,
    Broken,
    MatchTradeWorld,
    Operation,
    answer,
    bytes_sent,
    fault,
    listening,
    slow,
    tls_to_a_plain_port,
)
from quality.testkit.clients.raw_server import CHUNKED, closed_port, never_accepting, with_length

type Meaning = type[PartnerError] | None

ENDLESS = 8_388_609  # bytes: more than is read of any answer

PAUSE = 0.08  # seconds between the pieces of a trickle: each is in time, all together are late

WHOLE = b'{"access_token": "a", "expires_in": 899, "content": [], "totalPages": 0}' + b" " * 60

HEADERS = (b"HTTP/1.1 200 OK\r\n", *[b"X-Header: value\r\n"] * 8, b"Content-Length: 2\r\n\r\n", b"{}")

BODY = (with_length(len(WHOLE)), *[WHOLE[start : start + 16] for start in range(0, len(WHOLE), 16)])

CHUNKS = (CHUNKED, *[b"1\r\n \r\n"] * 10)

BROKEN_GZIP = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd"

SQL = f"could not execute batch; SQL [insert into account (email) values ('{EMAIL}')]"

NO_OFFER = "Entity not found: [status 404 reading OfferClient#findOne(UUID)]"


def refusal(status: int, message: str) -> Broken:
    """An error as the partner words its own."""
    body = {"status": status, "timestamp": "2026-01-31T09:30:00Z", "message": message, "printableMessage": message}
    return answer(status, body)


NOT_SENT = (Unavailable, Unavailable, Unavailable)

LOST = (Unavailable, Unknown, Unavailable)

NO_TOKEN = (Unavailable, None, Unavailable)

RATE_LIMITED = (RateLimited, RateLimited, RateLimited)

REFUSED = (Unavailable, Rejected, Rejected)

NOT_FOR_US = (Unavailable, Misconfigured, Misconfigured)

FINE = (None, None, None)

# what the partner does, how that is brought about, and its meaning (to a token, a create, a list)
MATRIX: list[tuple[str, Broken, tuple[Meaning, Meaning, Meaning]]] = [
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
    ("answers HTML 200", fault("html", status=200), LOST),
    ("answers HTML 401", fault("html", status=401), (Unavailable, Unauthorized, Unauthorized)),
    ("answers HTML 403", fault("html", status=403), LOST),
    ("answers HTML 404", fault("html", status=404), LOST),
    ("answers HTML 409", fault("html", status=409), LOST),
    ("answers HTML 500", fault("html", status=500), LOST),
    ("answers HTML 502", fault("html", status=502), LOST),
    ("answers HTML 502, processed", fault("html", status=502, processed=True), LOST),
    ("answers an unnamed page", answer(502, "<html>Bad Gateway</html>"), LOST),
    ("answers an empty 500", fault("empty", status=500), LOST),
    ("answers an empty 502, processed", fault("empty", status=502, processed=True), LOST),
    ("answers 500 in other words", refusal(500, f"Internal error about {EMAIL}"), LOST),
    ("answers 503 without Retry-After", answer(503), LOST),
    ("answers 504", refusal(504, "Gateway timeout"), LOST),
    ("redirects", answer(302, Location="http://127.0.0.1:1/"), LOST),
    ("answers 204", answer(204), NO_TOKEN),
    ("answers an empty 200", fault("empty", status=200), NO_TOKEN),
    ("answers 202 with nothing in it", answer(202, {}), NO_TOKEN),
    ("answers 200 with a list of numbers", answer(200, [1]), (Unavailable, None, None)),
    ("answers fields of other types", answer(200, {"uuid": 1, "access_token": 1, "content": {}}), NO_TOKEN),
    ("answers an endless integer", answer(200, '{"uuid": 1' + "0" * 5000 + "}"), NO_TOKEN),
    ("answers a bottomless list", answer(200, "[" * 50_000), NO_TOKEN),
    ("answers a token that is no header", answer(200, {"access_token": "a\r\nb", "expires_in": 9}), NO_TOKEN),
    ("answers 429", fault("rate_limit"), RATE_LIMITED),
    ("answers 429 with seconds", fault("rate_limit", retry_after=30), RATE_LIMITED),
    ("answers 503 with Retry-After", answer(503, Retry_After="30"), RATE_LIMITED),
    ("answers HTML 503 with Retry-After", answer(503, "<html>", Retry_After="30"), RATE_LIMITED),
    ("refuses the credentials", answer(401, {"error": "unauthorized"}), (Misconfigured, Unauthorized, Unauthorized)),
    ("refuses the grant at 400", answer(400, {"error": "invalid_grant"}), (Misconfigured, Rejected, Rejected)),
    ("answers an empty 401", answer(401), (Unavailable, Unauthorized, Unauthorized)),
    ("has no column for it", refusal(400, SQL), REFUSED),
    ("does not know the offer", refusal(404, NO_OFFER), NOT_FOR_US),
    ("forbids it", refusal(403, "Access is denied"), NOT_FOR_US),
    ("answers 404 in other words", refusal(404, "No such path"), NOT_FOR_US),
    *((f"answers an empty {status}", fault("empty", status=status), LOST) for status in (400, 403, 404, 405, 409, 413)),
    ("answers 403 in a firewall's JSON", answer(403, {"message": "Forbidden"}), LOST),
    (
        "answers 401 in a firewall's JSON",
        answer(401, {"message": "Forbidden"}),
        (Unavailable, Unauthorized, Unauthorized),
    ),
    ("answers 408", refusal(408, "Request Timeout"), LOST),
    ("answers 499", refusal(499, "Client Closed Request"), LOST),
    ("answers 405", refusal(405, "Request method is not supported"), REFUSED),
    ("has it", refusal(409, f"Account [{EMAIL}:0] already exists"), (Unavailable, Duplicate, Rejected)),
    ("finds it invalid", refusal(500, "Register Account Model is not valid"), (Unavailable, Rejected, Unavailable)),
    ("is slow, but in time", fault("delay", seconds=PAUSE), FINE),
    ("is slow after processing, but in time", fault("delay", seconds=PAUSE, when="after"), FINE),
    ("answers in pieces, but in time", fault("slow_body", seconds=0.01, chunk=200), FINE),
]

COLUMNS: tuple[Operation, ...] = ("token", "create", "list")

BROKERS = (PARTNER, "broker-b")
"""Two brokers. Each has the faults of every second row, while the other one has none."""

ROWS = [
    pytest.param(BROKERS[number % 2], operation, broken, meanings[column], id=f"{operation}: {what}")
    for column, operation in enumerate(COLUMNS)
    for number, (what, broken, meanings) in enumerate(MATRIX, column)
]


def try_it(world: MatchTradeWorld, operation: Operation) -> None:
    """The operation, asked for rightly."""
    if operation == "list":
        world.listed()
    else:
        world.create()
