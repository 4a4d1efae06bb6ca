"""Faults on demand, and the log that proves what they did."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import Any

import pytest

from devstack.sandbox.remote import ControlError, Remote
from quality.testkit.sandbox.client import Client, application, call
from quality.testkit.sandbox.clock import eventually


def _arm(remote: Remote, fault: dict[str, Any], operation: str = "create", **options: Any) -> str:
    return remote.arm("leadleader", operation, fault, **options)


def _last(remote: Remote) -> dict[str, Any]:
    return remote.calls(operation="create")[-1]


@pytest.mark.parametrize("processed", [False, True])
@pytest.mark.parametrize(
    ("fault", "status", "content_type", "body"),
    [
        ({"kind": "answer", "status": 503, "body": {"detail": "x"}}, 503, "application/json", b'{"detail": "x"}'),
        ({"kind": "answer", "status": 200, "body": "hm"}, 200, "text/plain; charset=utf-8", b"hm"),
        ({"kind": "answer", "body": "{", "content_type": "application/json"}, 200, "application/json", b"{"),
        ({"kind": "html"}, 502, "text/html", None),
        ({"kind": "empty"}, 200, "application/json", b""),
    ],
)
def test_an_answer_in_place_of_the_true_one(
    client: Client,
    remote: Remote,
    fault: dict[str, Any],
    status: int,
    content_type: str,
    body: bytes | None,
    processed: bool,
) -> None:
    fault_id = _arm(remote, fault | {"processed": processed})
    answer = client.create()
    assert (answer.status, answer.headers["Content-Type"]) == (status, content_type)
    assert body is None or answer.raw == body
    assert len(remote.rows("leadleader/deals")) == processed
    logged = _last(remote)
    assert (logged["status"], logged["processed"]) == (status, processed)
    assert logged["fault"] == {"id": fault_id, "kind": fault["kind"]}
    assert ("deal_id" in logged) is processed


def test_an_answer_with_headers(client: Client, remote: Remote) -> None:
    _arm(remote, {"kind": "answer", "status": 503, "headers": {"Retry-After": "7"}})
    assert client.create().headers["Retry-After"] == "7"


@pytest.mark.parametrize("retry_after", [None, 3])
def test_rate_limiting_processes_nothing(client: Client, remote: Remote, retry_after: int | None) -> None:
    _arm(remote, {"kind": "rate_limit", "retry_after": retry_after})
    answer = client.create()
    assert answer.status == 429
    assert answer.headers.get("Retry-After") == (None if retry_after is None else "3")
    assert remote.rows("leadleader/deals") == []


def test_a_proxy_can_limit_the_rate_until_a_date(client: Client, remote: Remote) -> None:
    _arm(remote, {"kind": "rate_limit", "retry_after": "date", "by": "proxy"})
    answer = client.create()
    wait = parsedate_to_datetime(answer.headers["Retry-After"]).timestamp() - time.time()
    assert (answer.status, answer.headers["Content-Type"]) == (429, "text/html")
    assert 0 <= wait <= 3


@pytest.mark.parametrize(("when", "deals"), [("before", 0), ("after", 1)])
def test_a_dropped_connection(client: Client, remote: Remote, when: str, deals: int) -> None:
    _arm(remote, {"kind": "drop", "when": when})
    with pytest.raises((HTTPException, OSError)):
        client.create()
    assert len(remote.rows("leadleader/deals")) == deals
    logged = _last(remote)
    assert (logged["status"], logged["outcome"], logged["processed"]) == (None, "dropped", bool(deals))
    assert logged["telephone"] == "0501234567"


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_delay_holds_back_the_true_answer(client: Client, remote: Remote, when: str) -> None:
    _arm(remote, {"kind": "delay", "seconds": 0.1, "when": when})
    tokens = client.authorize()
    started = time.monotonic()
    assert client.create(tokens=tokens).status == 200
    assert time.monotonic() - started >= 0.1


def test_a_delay_after_processing_keeps_the_deal_of_a_client_that_has_gone(client: Client, remote: Remote) -> None:
    _arm(remote, {"kind": "delay", "seconds": 0.3, "when": "after"})
    with pytest.raises(TimeoutError):
        client.create(timeout=0.1)
    assert len(remote.rows("leadleader/deals")) == 1
    eventually(lambda: _last(remote)["outcome"] == "gone")
    assert (_last(remote)["status"], _last(remote)["processed"]) == (None, True)


def test_a_call_is_logged_while_it_is_in_flight(client: Client, remote: Remote) -> None:
    _arm(remote, {"kind": "delay", "seconds": 0.3})
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(client.create)
        eventually(lambda: [each["outcome"] for each in remote.calls(operation="create")] == ["in_flight"])
        assert remote.rows("leadleader/deals") == []
        assert answer.result().status == 200


def test_a_client_that_hangs_up_half_way_is_logged(client: Client, remote: Remote) -> None:
    host, port = client.base_url.split("/")[2].split(":")
    head = b"POST /leadleader/api/partners/input/create-short-deal/ HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head)
    eventually(lambda: [each["outcome"] for each in remote.calls()] == ["gone"])


def test_a_body_that_trickles(client: Client, remote: Remote) -> None:
    _arm(remote, {"kind": "slow_body", "seconds": 0.01, "chunk": 10})
    started = time.monotonic()
    assert client.create().json["deal_id"] == 1
    assert time.monotonic() - started >= 0.05
    assert _last(remote)["status"] == 200


def test_a_fault_counts_skips_and_matches(client: Client, remote: Remote) -> None:
    fault_id = _arm(
        remote, {"kind": "empty", "status": 500}, times=2, skip=1, match={"clientInfo.telephone": "0671111111"}
    )
    assert client.create().status == 200
    other = application(lambda b: b["clientInfo"].update(telephone="0671111111"))
    assert [client.create(other).status for _ in range(4)] == [200, 500, 500, 200]
    (armed,) = remote.rows("faults")
    assert (armed["id"], armed["passed"], armed["fired"]) == (fault_id, 1, 2)


def test_a_fault_can_match_numbers(client: Client, remote: Remote) -> None:
    _arm(remote, {"kind": "empty", "status": 500}, match={"summa": 6000.5, "termin": "12"})
    _arm(remote, {"kind": "empty", "status": 500}, match={"summa": 6000.50, "termin": 12.0})
    assert client.create().status == 200
    assert client.create(application(lambda b: b.update(summa=6000.5))).status == 500


def test_a_fault_without_times_lasts_until_cleared(client: Client, remote: Remote) -> None:
    fault_id = _arm(remote, {"kind": "rate_limit"}, operation="status", times=None)
    assert [client.status(1).status for _ in range(3)] == [429] * 3
    remote.disarm(fault_id)
    assert client.status(1).status == 404


def test_faults_fire_in_the_order_they_were_armed(client: Client, remote: Remote) -> None:
    _arm(remote, {"kind": "empty", "status": 500})
    remote.arm("leadleader", None, {"kind": "rate_limit"}, times=1)
    assert call(client.auth_url, client.credentials()).status == 429
    assert client.create().status == 500


@pytest.mark.parametrize(
    "order",
    [
        {"partner": "nobody", "fault": {"kind": "empty"}},
        {"partner": "leadleader", "operation": "delete", "fault": {"kind": "empty"}},
        {"partner": "leadleader", "fault": {"kind": "earthquake"}},
        {"partner": "leadleader", "fault": {"kind": "empty", "when": "after"}},
        {"partner": "leadleader", "times": 0, "fault": {"kind": "empty"}},
        {"partner": "leadleader", "fault": {"kind": "answer", "headers": {"X": "a\r\nb"}}},
        {"partner": "leadleader", "fault": {"kind": "delay"}},
        {"partner": "leadleader", "fault": {"kind": "slow_body", "chunk": 10}},
        {"partner": "leadleader", "fault": {"kind": "empty"}, "id": "mine"},
        {"partner": "leadleader", "fault": {"kind": "empty"}, "fired": -5},
        [],
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(remote: Remote, order: object) -> None:
    answer = call(f"{remote.url}/control/faults", order)
    assert answer.status == 400
    assert answer.json["detail"]
    assert remote.rows("faults") == []


def test_clearing_a_fault_that_is_not_there_is_a_404(remote: Remote) -> None:
    with pytest.raises(ControlError, match="404"):
        remote.disarm("none")


def test_the_log_tells_tokens_apart_and_never_shows_them(client: Client, remote: Remote) -> None:
    tokens = client.authorize()
    client.create(tokens=tokens)
    client.create(tokens=tokens)
    authorize, first, second = remote.calls()
    assert first["access_token_sha256"] == second["access_token_sha256"] == authorize["access_token_sha256"]
    assert first["security_token_sha256"] == second["security_token_sha256"] == authorize["security_token_sha256"]
    assert second["refused"] == "token unknown or used"
    text = call(f"{remote.url}/control/calls", None, method="GET").raw.decode()
    for secret in (tokens.access, tokens.security, client.email, client.password):
        assert secret not in text


def test_the_log_is_in_order_and_can_be_asked_from_a_number(client: Client, remote: Remote) -> None:
    client.create()
    seen = remote.calls()
    client.status(1)
    assert [each["operation"] for each in remote.calls(since=seen[-1]["number"])] == ["authorize", "status"]
    assert [each["number"] for each in remote.calls("leadleader", "status")] == [4]
    assert seen[0]["at"] == "2027-01-15T08:00:00.000Z"


def test_reset_forgets_everything_but_keys(client: Client, remote: Remote) -> None:
    client.create()
    tokens = client.authorize()
    _arm(remote, {"kind": "empty"})
    remote.reset()
    assert (remote.rows("leadleader/deals"), remote.rows("faults"), remote.calls()) == ([], [], [])
    assert client.create(tokens=tokens).status == 401
    assert client.create().json["deal_id"] == 2


def test_a_burst_of_deals_gives_each_its_own_id(client: Client, remote: Remote) -> None:
    barrier = threading.Barrier(20)

    def create(_number: int) -> int:
        barrier.wait()
        deal_id: int = client.create().json["deal_id"]
        return deal_id

    with ThreadPoolExecutor(20) as threads:
        ids = sorted(threads.map(create, range(20)))
    assert ids == list(range(1, 21))
    assert len(remote.rows("leadleader/deals")) == 20
