"""What the transport makes of an answer: its JSON, and how long it asks us to wait."""

import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime, formatdate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.partner_errors import Misconfigured, Unavailable, shows_outage
from leadbridge.partners.http import Answer, Transport, is_confidential, rate_limit_error
from leadbridge.runtime.budget import Budget
from leadbridge.settings import Timeouts

TIMEOUTS = Timeouts.model_validate({"connect": "1s", "read": "1s"})
RUBBISH_DATES = st.text(alphabet="MonJanGMT 0123456789:,+-().", max_size=40)


def waiting(value: str, status: int = 429) -> Answer:
    return Answer(status, {"retry-after": value}, b"")


@given(st.integers(0, 604_800))
def test_retry_after_in_seconds(seconds: int) -> None:
    assert waiting(f" {seconds} ").retry_after == seconds


@given(st.integers(10, 604_700))
def test_retry_after_as_a_date_is_counted_from_now(seconds: int) -> None:
    answer = waiting(formatdate(time.time() + seconds, usegmt=True))
    assert answer.retry_after == pytest.approx(seconds, abs=5)


def test_retry_after_as_a_date_in_another_zone() -> None:
    zone = datetime.now(UTC).astimezone().tzinfo
    moment = datetime.now(zone) + timedelta(minutes=10)
    assert waiting(format_datetime(moment)).retry_after == pytest.approx(600, abs=5)


@pytest.mark.parametrize("date", ["Sun, 06 Nov 1994 08:49:37 GMT", "Mon, 01 Jan 0001 00:00:00 GMT"])
def test_a_date_that_is_past_asks_for_no_wait(date: str) -> None:
    assert waiting(date).retry_after == 0


@pytest.mark.parametrize("date", ["Sun Nov  6 08:49:37 2094", "Sunday, 06-Nov-94 08:49:37 GMT"])
def test_old_ways_to_write_a_date_do_no_harm(date: str) -> None:
    assert (waiting(date).retry_after or 0) >= 0


@pytest.mark.parametrize(
    "value",
    ["", " ", "soon", "-1", "1.5", "1e3", "١٢", "²", "0x10", "Mon", ",", "Mon, 99 Jan 2026 99:99:99 GMT", "\x00"],
)
def test_rubbish_asks_for_nothing(value: str) -> None:
    assert waiting(value).retry_after is None


@given(st.integers(604_801) | st.integers(604_900, 10**9).map(lambda seconds: formatdate(time.time() + seconds)))
def test_a_wait_of_more_than_a_week_is_none(value: int | str) -> None:
    assert waiting(str(value)).retry_after is None


def test_a_unix_time_is_no_wait() -> None:
    error = rate_limit_error("partner", "create", waiting(str(int(time.time()) + 7)))
    assert error is not None
    assert (error.retry_after, error.data) == (None, {"http_status": 429})


def test_an_endless_number_is_not_read() -> None:
    assert waiting("9" * 5000).retry_after is None


@example(value="Mon, 01 Jan 9999 00:00:00 -2359")
@example(value="Fri, 31 Dec 9999 23:59:59 -0000")
@example(value="Mon, 01 Jan 0001 00:00:00 +2359")
@example(value="1 Jan 99999999999 00:00:00")
@example(value="1 Jan 2026 00:00:00 +99999999999999")
@given(value=RUBBISH_DATES | st.text(alphabet=st.characters(max_codepoint=255), max_size=40))
def test_no_value_of_retry_after_raises(value: str) -> None:
    wait = waiting(value).retry_after
    assert wait is None or timedelta(seconds=wait) >= timedelta()


@pytest.mark.parametrize(("status", "headers"), [(429, {}), (429, {"retry-after": "1"}), (503, {"retry-after": "x"})])
def test_who_asks_us_to_wait(status: int, headers: dict[str, str]) -> None:
    assert rate_limit_error("partner", "operation", Answer(status, headers, b"")) is not None


@pytest.mark.parametrize(("status", "headers"), [(503, {}), (200, {"retry-after": "1"}), (500, {"retry-after": "1"})])
def test_who_does_not(status: int, headers: dict[str, str]) -> None:
    assert rate_limit_error("partner", "operation", Answer(status, headers, b"")) is None


def test_json_has_exact_decimals() -> None:
    assert Answer(200, {}, b'{"summa": 12345678901234.56}').json() == {"summa": Decimal("12345678901234.56")}


@example(body=b'{"deal_id": 1e99999999999999999999}')
@example(body=b"9" * 10_000)
@example(body=b"[" * 100_000)
@example(body=b"\xff")
@given(body=st.binary(max_size=100) | st.text(alphabet='{}[]":,0123456789eE+-. ', max_size=60).map(str.encode))
def test_no_body_raises(body: bytes) -> None:
    Answer(200, {}, body).json()


@pytest.mark.parametrize("body", [b"", b"<html></html>", b"{", b"NaN", b'{"a": NaN}', b"{} {}", "{}".encode("utf-16")])
def test_what_is_no_json_is_none(body: bytes) -> None:
    assert Answer(200, {}, body).json() is None


@pytest.mark.parametrize(
    "address",
    [
        "http://partner.example/api",
        "HTTP://partner.example",
        "partner.example/api",
        "//partner.example",
        "http://127.0.0.1.partner.example",
        "http://127.0.0.1@partner.example/",
    ],
)
def test_nothing_goes_to_a_partner_in_the_clear(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEADBRIDGE_ENVIRONMENT", raising=False)
    assert not is_confidential(address)
    with pytest.raises(Misconfigured, match="not https"):
        Transport("partner", TIMEOUTS).call("create", "POST", address, budget=Budget(time.monotonic() + 9), json={})
    monkeypatch.setenv("LEADBRIDGE_ENVIRONMENT", "local")
    assert is_confidential(address)


def test_without_time_nothing_is_sent() -> None:
    ended = Budget(9.0, reserve=3.0, monotonic=lambda: 6.0)
    with pytest.raises(Unavailable) as raised:
        Transport("partner", TIMEOUTS).call("create", "POST", "https://partner.example/api", budget=ended, json={})
    assert raised.value.code is ErrorCode.OUT_OF_TIME
    assert not shows_outage(raised.value)


@pytest.mark.parametrize("address", ["https://partner.example/api", "http://127.0.0.1:8080/", "http://localhost:1/"])
def test_tls_and_ones_own_machine_are_confidential(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADBRIDGE_ENVIRONMENT", "prod")
    assert is_confidential(address)
