"""What the transport tells of a call to whoever watches: how it ended, how long it took, and not what was said."""

from __future__ import annotations

from contextlib import AbstractContextManager, suppress

import pytest

from leadbridge.domain.errors.partner_errors import PartnerError
from leadbridge.partners.http import Call, CallOutcome, Transport
from quality.testkit.clients.leadleader import SHORT, budget, short
from quality.testkit.clients.raw_server import RawServer, closed_port, with_length

PATIENT = 5.0  # seconds


def answering(head: str) -> AbstractContextManager[RawServer]:
    return RawServer([f"HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n".encode()])


def observed(url: str, timeout: float = PATIENT) -> Call:
    """What is told of one call."""
    calls: list[Call] = []
    transport = Transport("lender", short(timeout, timeout), observer=calls.append)
    with suppress(PartnerError):
        transport.call("create", "POST", f"{url}/deals", json={"phone": "+380500000001"}, budget=budget())
    (call,) = calls
    return call


@pytest.mark.parametrize(
    ("head", "outcome", "is_error"),
    [
        ("200 OK", CallOutcome.ANSWERED, False),
        ("401 Unauthorized", CallOutcome.ANSWERED, False),
        ("422 Unprocessable Entity", CallOutcome.ANSWERED, False),
        ("429 Too Many Requests", CallOutcome.RATE_LIMITED, True),
        ("503 Service Unavailable\r\nRetry-After: 5", CallOutcome.RATE_LIMITED, True),
        ("503 Service Unavailable", CallOutcome.FAILED, True),
        ("500 Internal Server Error", CallOutcome.FAILED, True),
    ],
)
def test_an_answer_is_reported_by_its_class(head: str, outcome: CallOutcome, is_error: bool) -> None:
    with answering(head) as server:
        call = observed(server.url)
    assert (call.partner, call.operation, call.outcome, call.is_error) == ("lender", "create", outcome, is_error)


def test_a_4xx_that_is_not_the_partners_own_counts_as_an_error() -> None:
    for is_own, outcome in ((True, CallOutcome.ANSWERED), (False, CallOutcome.INTERCEPTED)):
        calls: list[Call] = []
        with answering("403 Forbidden") as server:
            transport = Transport("lender", short(5, 5), observer=calls.append, is_own=lambda _, own=is_own: own)  # type: ignore[misc]
            transport.call("create", "POST", server.url, budget=budget())
        assert [(call.outcome, call.is_error) for call in calls] == [(outcome, not is_own)]


def test_a_partner_that_is_not_there_is_unreachable() -> None:
    with closed_port() as url:
        assert observed(url).outcome is CallOutcome.UNREACHABLE


def test_an_answer_that_breaks_off_is_lost() -> None:
    with RawServer([with_length(100) + b"{"]) as server:
        assert observed(server.url).outcome is CallOutcome.LOST


def test_an_invalid_address_is_reported_too() -> None:
    assert observed("https://").outcome is CallOutcome.NO_ADDRESS


def test_an_unanswered_call_is_measured_with_its_whole_wait() -> None:
    with RawServer([b"late"], pause=PATIENT) as server:
        call = observed(server.url, timeout=SHORT)
    assert call.outcome is CallOutcome.LOST
    assert SHORT * 1000 <= call.milliseconds < PATIENT * 1000


@pytest.mark.parametrize("status", ["200 OK", "500 Internal Server Error"])
def test_an_answer_is_not_lost_for_an_observer_that_fails(status: str) -> None:
    def clumsy(_: Call) -> None:
        raise OSError("nowhere to write")

    with answering(status) as server:
        transport = Transport("lender", short(PATIENT, PATIENT), observer=clumsy)
        assert transport.call("create", "POST", server.url, budget=budget()).status == int(status[:3])


def test_a_call_tells_nothing_of_what_was_said() -> None:
    with answering("200 OK") as server:
        assert "380500000001" not in repr(observed(server.url))
