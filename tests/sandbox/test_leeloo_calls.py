"""Leeloo's contract, around the endpoints: token, encodings, pages, rate limit, faults, its own webhooks."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from sandbox.leeloo.rows import Ids, Rows
from sandbox.remote import ControlError, Remote
from sandbox.server import Sandbox
from tests.sandbox.client import Reply, call
from tests.sandbox.conftest import Clock
from tests.sandbox.leeloo import NOBODY, LeelooClient, Office, wrong

TOO_MANY = b"Too many requests, please try again later."


def test_a_call_without_a_token_is_refused_as_documented(leeloo: LeelooClient) -> None:
    reply = call(f"{leeloo.base_url}/tags", b"", method="GET")
    assert reply.status == 401
    assert reply.json == {"status": 0, "error": {"fields": {"authToken": "REQUIRED"}, "code": "FORMAT_ERROR"}}


@pytest.mark.parametrize("token", ["wrong", "токен".encode().decode("latin-1")])
def test_another_token_is_refused(leeloo: LeelooClient, token: str) -> None:
    reply = LeelooClient(leeloo.base_url, token).get("tags")
    assert (reply.status, wrong(reply)) == (401, {"authToken": "NOT_ALLOWED"})


def test_a_new_token_is_the_only_one_that_works(tmp_path: Path) -> None:
    with Sandbox(tmp_path) as sandbox:
        before = sandbox.secrets()["leeloo"]
        assert before.keys() == {"base_url", "token", "webhook_token"}
        assert before["base_url"] == f"{sandbox.url}/leeloo/api/v2"
        rotated = Remote(sandbox.url).rotate("leeloo")
        assert sandbox.secrets()["leeloo"] == rotated
        assert rotated["webhook_token"] == before["webhook_token"]
        assert LeelooClient.of(before).get("tags").status == 401
        assert LeelooClient.of(rotated).get("tags").status == 200
        webhook_token = Remote(sandbox.url).rotate("leeloo", "webhook_token")["webhook_token"]
        assert webhook_token != before["webhook_token"]
    with Sandbox(tmp_path) as sandbox:
        kept = sandbox.secrets()["leeloo"]
        assert (kept["token"], kept["webhook_token"]) == (rotated["token"], webhook_token)


def test_no_token_is_ever_logged(leeloo: LeelooClient, office: Office, remote: Remote) -> None:
    leeloo.send(office.account_id, "x")
    LeelooClient(leeloo.base_url, "some other token").get("tags")
    log = call(f"{remote.url}/control/calls", b"", method="GET").raw.decode()
    assert leeloo.token not in log
    assert "some other token" not in log


@pytest.mark.parametrize("encoding", ["json", "urlencoded", "multipart"])
def test_four_endpoints_take_forms_too(leeloo: LeelooClient, office: Office, encoding: str) -> None:
    def sent(method: str, path: str, body: dict[str, str]) -> Reply:
        if encoding == "json":
            return leeloo.ask(method, path, body)
        by_form = {"urlencoded": leeloo.urlencoded, "multipart": leeloo.multipart}[encoding]
        return by_form(method, path, body)

    order = f"orders/{leeloo.post('orders', office.order()).json['data']['id']}"
    subscribe = f"communication-channels/{office.account_id}/manual-subscribe"
    update = {"status": "RESOLVED", "paymentDate": "2026-01-31 09:30", "price": "100", "userComments": "Оплачено + так"}
    assert sent("POST", order, update).json["status"] == 1
    assert leeloo.get(order).json["data"]["price"] == 100
    assert sent("POST", subscribe, {"tunnel_id": office.tunnel_id, "tunnel_block_id": office.block_id}).status == 200
    for change in ("add-tag", "remove-tag"):
        assert sent("PUT", f"people/{office.person_id}/{change}", {"tag_id": office.tags["лід"]}).status == 200
    assert sent("POST", "calls", office.call(to="+380501234567")).json["data"]["to"] == "+380501234567"
    assert wrong(sent("POST", "calls", office.call(status="Зайнято"))) == {"status": "WRONG_FORMAT"}


@pytest.mark.parametrize("path", ["messages/send-message", "orders", "people", "people/sms"])
def test_all_others_take_json_alone(leeloo: LeelooClient, path: str) -> None:
    for reply in (leeloo.urlencoded("POST", path, {"text": "x"}), leeloo.multipart("POST", path, {"text": "x"})):
        assert (reply.status, wrong(reply)) == (415, {"Content-Type": "WRONG_FORMAT"})


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{"),
        ("application/json", b"[]"),
        ("application/json", b""),
        ("application/json", b'{"tag_id": "a", "tag_id": "b"}'),
        ("application/x-www-form-urlencoded", b"tag_id=%FF"),
        ("application/x-www-form-urlencoded", b"tag_id"),
        ("multipart/form-data", b"tag_id"),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\nnameless\r\n--x--\r\n"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="tag_id"; filename="a"\r\n\r\nx\r\n--x--\r\n',
        ),
    ],
)
def test_a_body_that_is_no_body_is_refused(
    leeloo: LeelooClient, office: Office, content_type: str, body: bytes
) -> None:
    reply = leeloo.ask("PUT", f"people/{office.person_id}/add-tag", body, content_type)
    assert (reply.status, wrong(reply)) == (400, {"body": "WRONG_FORMAT"})


def test_a_form_that_names_a_field_twice_is_refused(leeloo: LeelooClient, office: Office) -> None:
    body = f"tag_id={NOBODY}&tag_id={office.tags['лід']}".encode()
    path = f"people/{office.person_id}/add-tag"
    assert wrong(leeloo.ask("PUT", path, body, "application/x-www-form-urlencoded")) == {"tag_id": "WRONG_FORMAT"}


def test_unknown_paths_and_methods_are_refused_in_leeloos_words(leeloo: LeelooClient) -> None:
    for method, path, status, code in (
        ("GET", "nothing", 404, "NOT_FOUND"),
        ("DELETE", f"people/{NOBODY}", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "people/sms", 405, "METHOD_NOT_ALLOWED"),
    ):
        reply = leeloo.ask(method, path, b"")
        assert (reply.status, reply.json["error"]) == (status, {"fields": {}, "code": code})
    reply = leeloo.ask("POST", "people", b" " * 70_000)
    assert (reply.status, reply.json["error"]["code"]) == (413, "TOO_LARGE")


def test_pages_follow_one_another_while_people_arrive(leeloo: LeelooClient, remote: Remote) -> None:
    known = [remote.add_person(str(number))["id"] for number in range(5)][::-1]
    first = leeloo.get("people", ("limit", 2)).json
    assert first["meta"] == {"limit": 2, "offset": 0, "filteredCount": 5, "totalCount": 5}
    remote.add_person("новий")
    second = leeloo.get("people", ("limit", 2), ("offset", 2)).json
    third = leeloo.get("people", ("limit", 2), ("offset", 4)).json
    beyond = leeloo.get("people", ("limit", 2), ("offset", 6)).json
    assert second["meta"] == {"limit": 2, "offset": 2, "filteredCount": 6, "totalCount": 6}
    seen = [each["id"] for answer in (first, second, third) for each in answer["data"]]
    assert seen == [known[0], known[1], known[1], known[2], known[3], known[4]]
    assert (beyond["data"], beyond["meta"]["filteredCount"]) == ([], 6)


def test_a_page_has_twenty_rows_unless_told_and_a_hundred_at_most(leeloo: LeelooClient, remote: Remote) -> None:
    remote.add_person("x", accounts=["SMS"] * 101)
    for asked, given in (((), 20), ((("limit", 1000),), 100)):
        answer = leeloo.get("communication-channels", *asked).json
        assert len(answer["data"]) == answer["meta"]["limit"] == given


def test_too_many_calls_get_plain_text_until_the_window_ends(
    leeloo: LeelooClient, office: Office, remote: Remote, clock: Clock
) -> None:
    remote.limit_calls(2, seconds=10)
    replies = [leeloo.send(office.account_id, "x") for _ in range(4)]
    assert [reply.status for reply in replies] == [200, 200, 429, 429]
    assert replies[2].raw == TOO_MANY
    assert replies[2].headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "Retry-After" not in replies[2].headers
    assert len(remote.messages()) == 2
    clock.now += 10
    assert leeloo.send(office.account_id, "x").status == 200


def test_a_limit_may_have_another_status_and_a_time_to_wait(leeloo: LeelooClient, remote: Remote) -> None:
    remote.limit_calls(0, status=200, retry_after=7)
    reply = leeloo.get("tags")
    assert (reply.status, reply.raw, reply.headers["Retry-After"]) == (200, TOO_MANY, "7")
    assert remote.calls("leeloo")[0]["refused"] == "too many requests"
    remote.limit_calls(None)
    assert leeloo.get("tags").json["status"] == 1
    with pytest.raises(ControlError, match="400"):
        remote.limit_calls(-1)


def test_a_fault_limits_calls_in_leeloos_words(leeloo: LeelooClient, remote: Remote) -> None:
    remote.arm("leeloo", "tags_list", {"kind": "rate_limit", "retry_after": 3, "status": 503})
    reply = leeloo.get("tags")
    assert (reply.status, reply.raw, reply.headers["Retry-After"]) == (503, TOO_MANY, "3")
    assert remote.calls("leeloo")[0]["processed"] is False


@pytest.mark.parametrize(("when", "arrived"), [("before", 0), ("after", 1)])
@pytest.mark.parametrize("operation", ["send_template", "send_message", None])
def test_a_lost_reply_to_a_send_hides_whether_it_arrived(
    leeloo: LeelooClient, office: Office, remote: Remote, operation: str | None, when: str, arrived: int
) -> None:
    remote.arm("leeloo", operation, {"kind": "drop", "when": when}, match={"account_id": office.account_id})
    body: dict[str, Any] = {"account_id": office.account_id}
    with pytest.raises((HTTPException, OSError)):
        if operation == "send_template":
            leeloo.post("messages/send-template", body | {"template_id": office.templates["Кошти видано"]})
        else:
            leeloo.post("messages/send-message", body | {"text": "x"})
    assert len(remote.messages()) == arrived
    chat = leeloo.get(f"communication-channels/{office.account_id}/chat-messages").json["data"]
    assert len(chat) == arrived
    logged = remote.calls("leeloo")[0]
    assert (logged["status"], logged["outcome"], logged["processed"]) == (None, "dropped", bool(arrived))
    assert logged["account_id"] == office.account_id


@pytest.mark.parametrize("processed", [False, True])
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "answer", "status": 200, "body": {"data": {}, "status": 0}},
        {"kind": "answer", "status": 200, "body": "not JSON"},
        {"kind": "html", "status": 502},
        {"kind": "empty"},
    ],
)
def test_an_answer_to_a_send_can_be_replaced(
    leeloo: LeelooClient, office: Office, remote: Remote, fault: dict[str, Any], processed: bool
) -> None:
    remote.arm("leeloo", "send_message", fault | {"processed": processed})
    assert leeloo.send(office.account_id, "x").raw != b'{"data": {}, "status": 1}'
    assert len(remote.messages()) == processed


def test_an_answer_can_come_late_and_in_pieces(leeloo: LeelooClient, office: Office, remote: Remote) -> None:
    remote.arm("leeloo", "send_message", {"kind": "delay", "seconds": 0.05, "when": "after"})
    remote.arm("leeloo", "send_message", {"kind": "slow_body", "seconds": 0.01, "chunk": 10})
    assert [leeloo.send(office.account_id, "x").json["status"] for _ in range(2)] == [1, 1]
    assert [each["fault"]["kind"] for each in remote.calls("leeloo")] == ["delay", "slow_body"]


def test_reset_forgets_people_messages_and_limits_but_not_what_is_set_up(
    leeloo: LeelooClient, office: Office, remote: Remote
) -> None:
    leeloo.send(office.account_id, "x")
    leeloo.post("orders", office.order())
    company = remote.company()
    remote.limit_calls(0)
    remote.reset()
    assert (remote.people(), remote.messages()) == ([], [])
    assert leeloo.get("orders").json["data"] == []
    assert leeloo.send(office.account_id, "x").status == 404
    assert remote.company() == company
    account_id = remote.add_person("x", accounts=["SMS"])["accounts"][0]["account_id"]
    leeloo.send(account_id, "x")
    assert [message["number"] for message in remote.messages()] == [2]


@contextmanager
def _listener(status: int) -> Iterator[tuple[str, list[tuple[str, str | None, bytes]]]]:
    """A server that takes one webhook: its URL, and what it got."""
    got: list[tuple[str, str | None, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, self.headers["Content-Type"], body))
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server, ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(server.handle_request)
        yield f"http://127.0.0.1:{server.server_port}", got
        waiting.result(timeout=5)


@pytest.mark.parametrize(("kind", "status"), [("ORDER", 202), ("SALE", 404), ("SUBSCRIBED", 302)])
def test_leeloo_posts_a_webhook_of_its_own(remote: Remote, kind: str, status: int) -> None:
    data = {"order_id": NOBODY, "offer_name": "Курс", "price": 199.99}
    with _listener(status) as (url, got):
        assert remote.emit(kind, data, f"{url}/partners/leeloo/secret") == {"status": status, "body": "ok"}
    ((path, content_type, body),) = got
    assert (path, content_type) == ("/partners/leeloo/secret", "application/json")
    assert json.loads(body) == {"type": kind, "data": data}


def test_a_webhook_to_nowhere_says_so(remote: Remote) -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as closed:
        url = f"http://127.0.0.1:{closed.server_port}/"
    answer = remote.emit("ORDER", {}, url)
    assert (answer["status"], answer["error"]) == (None, "ClientConnectorError")
    with pytest.raises(ControlError, match="url"):
        remote.emit("ORDER", {}, "file:///etc/passwd")


def test_ids_never_repeat_and_rows_are_bounded(clock: Clock) -> None:
    ids = Ids(clock)
    made = {ids.new() for _ in range(100)}
    assert len(made) == 100
    assert {len(each) for each in made} == {24}
    rows = Rows[int](kept=2)
    assert [rows.add(str(number), number) for number in range(3)] == [None, None, 0]
    assert (list(rows), list(rows.newest_first()), len(rows)) == ([1, 2], [2, 1], 2)
