"""Leeloo's contract, around the endpoints: token, encodings, pages, ids."""

from pathlib import Path

import pytest

from devstack.sandbox.leeloo.endpoints import Endpoints
from devstack.sandbox.partner import Rows
from devstack.sandbox.remote import Remote
from devstack.sandbox.server import Sandbox
from quality.testkit.sandbox.client import Reply, call
from quality.testkit.sandbox.clock import Clock
from quality.testkit.sandbox.leeloo import UNKNOWN_ID, LeelooClient, Office, wrong


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
    body = f"tag_id={UNKNOWN_ID}&tag_id={office.tags['лід']}".encode()
    path = f"people/{office.person_id}/add-tag"
    assert wrong(leeloo.ask("PUT", path, body, "application/x-www-form-urlencoded")) == {"tag_id": "WRONG_FORMAT"}


def test_unknown_paths_and_methods_are_refused_in_leeloos_words(leeloo: LeelooClient) -> None:
    for method, path, status, code in (
        ("GET", "nothing", 404, "NOT_FOUND"),
        ("DELETE", f"people/{UNKNOWN_ID}", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "people/sms", 405, "METHOD_NOT_ALLOWED"),
    ):
        reply = leeloo.ask(method, path, b"")
        assert (reply.status, reply.json["error"]) == (status, {"fields": {}, "code": code})
    reply = leeloo.ask("POST", "people", b" " * 70_000)
    assert (reply.status, reply.json["error"]["code"]) == (413, "TOO_LARGE")


def test_pages_follow_one_another_while_people_arrive(leeloo: LeelooClient, remote: Remote) -> None:
    known = [remote.post("leeloo/people", {"name": str(number)})["id"] for number in range(5)][::-1]
    first = leeloo.get("people", ("limit", 2)).json
    assert first["meta"] == {"limit": 2, "offset": 0, "filteredCount": 5, "totalCount": 5}
    remote.post("leeloo/people", {"name": "новий"})
    second = leeloo.get("people", ("limit", 2), ("offset", 2)).json
    third = leeloo.get("people", ("limit", 2), ("offset", 4)).json
    beyond = leeloo.get("people", ("limit", 2), ("offset", 6)).json
    assert second["meta"] == {"limit": 2, "offset": 2, "filteredCount": 6, "totalCount": 6}
    seen = [each["id"] for answer in (first, second, third) for each in answer["data"]]
    assert seen == [known[0], known[1], known[1], known[2], known[3], known[4]]
    assert (beyond["data"], beyond["meta"]["filteredCount"]) == ([], 6)


def test_a_page_has_twenty_rows_by_default_and_a_hundred_at_most(leeloo: LeelooClient, remote: Remote) -> None:
    remote.post("leeloo/people", {"name": "x", "accounts": ["SMS"] * 101})
    for asked, given in (((), 20), ((("limit", 1000),), 100)):
        answer = leeloo.get("communication-channels", *asked).json
        assert len(answer["data"]) == answer["meta"]["limit"] == given


def test_ids_never_repeat_and_rows_are_bounded(clock: Clock) -> None:
    state = Endpoints(clock)
    made = {state.new_id() for _ in range(100)}
    assert len(made) == 100
    assert {len(each) for each in made} == {24}
    rows = Rows[str, int](limit=2)
    assert [rows.add(str(number), number) for number in range(3)] == [None, None, 0]
    assert list(rows.values()) == [1, 2]
