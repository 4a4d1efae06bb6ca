"""When Leeloo is slow, wrong or busy, and when it calls us."""

from http.client import HTTPException
from typing import Any

import pytest

from devstack.sandbox.remote import ControlError, Remote
from quality.testkit.sandbox.clock import Clock
from quality.testkit.sandbox.leeloo import LeelooClient, Office

TOO_MANY = b"Too many requests, please try again later."


def test_too_many_calls_get_plain_text_until_the_window_ends(
    leeloo: LeelooClient, office: Office, remote: Remote, clock: Clock
) -> None:
    remote.post("leeloo/limit", {"calls": 2, "seconds": 10})
    replies = [leeloo.send(office.account_id, "x") for _ in range(4)]
    assert [reply.status for reply in replies] == [200, 200, 429, 429]
    assert replies[2].raw == TOO_MANY
    assert replies[2].headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "Retry-After" not in replies[2].headers
    assert len(remote.rows("leeloo/messages")) == 2
    clock.now += 10
    assert leeloo.send(office.account_id, "x").status == 200


def test_a_limit_may_have_another_status_and_a_time_to_wait(leeloo: LeelooClient, remote: Remote) -> None:
    remote.post("leeloo/limit", {"calls": 0, "status": 200, "retry_after": 7})
    reply = leeloo.get("tags")
    assert (reply.status, reply.raw, reply.headers["Retry-After"]) == (200, TOO_MANY, "7")
    assert remote.calls("leeloo")[0]["refused"] == "too many requests"
    remote.post("leeloo/limit", {"calls": None})
    assert leeloo.get("tags").json["status"] == 1
    with pytest.raises(ControlError, match="400"):
        remote.post("leeloo/limit", {"calls": -1})


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
    path, what = "send-message", {"text": "x"}
    if operation == "send_template":
        path, what = "send-template", {"template_id": office.templates["Кошти видано"]}
    with pytest.raises((HTTPException, OSError)):
        leeloo.post(f"messages/{path}", {"account_id": office.account_id} | what)
    assert len(remote.rows("leeloo/messages")) == arrived
    chat = leeloo.get(f"communication-channels/{office.account_id}/chat-messages").json["data"]
    assert len(chat) == arrived
    logged = remote.calls("leeloo")[0]
    assert (logged["status"], logged["outcome"], logged["processed"]) == (None, "dropped", bool(arrived))
    assert logged["body"]["account_id"] == office.account_id


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
    assert len(remote.rows("leeloo/messages")) == processed


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
    company = remote.get("leeloo/company")
    remote.post("leeloo/limit", {"calls": 0})
    remote.reset()
    assert (remote.rows("leeloo/people"), remote.rows("leeloo/messages")) == ([], [])
    assert leeloo.get("orders").json["data"] == []
    assert leeloo.send(office.account_id, "x").status == 404
    assert remote.get("leeloo/company") == company
    account_id = remote.post("leeloo/people", {"name": "x", "accounts": ["SMS"]})["accounts"][0]["account_id"]
    leeloo.send(account_id, "x")
    assert [message["number"] for message in remote.rows("leeloo/messages")] == [2]
