"""The sandbox's Telegram, and the product's client of it: messages, edits, refusals, limits."""

import time
from typing import Any
from urllib.request import urlopen

import pytest

from devstack.sandbox.remote import Remote
from devstack.sandbox.server import Sandbox
from leadbridge.domain.errors.partner_errors import Misconfigured, RateLimited, Rejected, Unavailable, Unknown
from leadbridge.partners.alerts.targets import BrokenTarget, problems_of, targets_of
from leadbridge.partners.alerts.telegram import TelegramChat
from leadbridge.runtime.budget import Budget
from leadbridge.services.ports.alerts import OutgoingMessage


def budget() -> Budget:
    return Budget(time.monotonic() + 30)


@pytest.fixture
def chat(sandbox: Sandbox, remote: Remote) -> TelegramChat:
    remote.reset()
    first, *_ = targets_of({"telegram": sandbox.secrets()["telegram"]})
    assert isinstance(first, TelegramChat)
    return first


def test_a_message_is_sent_and_edited(chat: TelegramChat, remote: Remote) -> None:
    number = chat.send(OutgoingMessage("🔴 <b>Тривога & co</b>", "e"), budget())
    assert chat.send(OutgoingMessage("✅", "e", edits=number), budget()) == number
    reply = chat.send(OutgoingMessage("again", "e", replies_to=number, is_quiet=True), budget())
    first, second = remote.rows("telegram/messages")
    assert (first["text"], first["edits"], first["quiet"]) == ("✅", 1, False)
    assert (str(second["message_id"]), str(second["reply_to"]), second["quiet"]) == (reply, number, True)
    assert chat.verify(budget()) == "Alerts"


def test_a_message_that_cannot_be_edited_is_replaced(chat: TelegramChat, remote: Remote) -> None:
    assert chat.send(OutgoingMessage("x", "e", edits="999"), budget()) == str(
        remote.rows("telegram/messages")[0]["message_id"]
    )


def test_a_chat_that_the_bot_has_left_refuses_for_good(chat: TelegramChat, remote: Remote) -> None:
    remote.post(f"telegram/chats/{chat.chat}")
    with pytest.raises(Rejected, match="not a member"):
        chat.send(OutgoingMessage("x", "e"), budget())
    unknown = TelegramChat(chat.transport, chat.token, "-5", chat.base_url)
    with pytest.raises(Rejected, match="does not know the chat"):
        unknown.send(OutgoingMessage("x", "e"), budget())


def test_a_group_with_a_new_id_gets_the_message_there(chat: TelegramChat, remote: Remote) -> None:
    remote.post(f"telegram/chats/{chat.chat}", {"moved_to": -100777})
    assert chat.send(OutgoingMessage("x", "e"), budget())
    assert [message["chat_id"] for message in remote.rows("telegram/messages")] == ["-100777"]


def test_another_token_is_a_wrong_setting(chat: TelegramChat) -> None:
    wrong = TelegramChat(chat.transport, "1:aaaaaaaaaaaaaaaaaaaa", chat.chat, chat.base_url)
    with pytest.raises(Misconfigured, match="token"):
        wrong.send(OutgoingMessage("x", "e"), budget())


def test_outages_and_limits_can_be_retried(chat: TelegramChat, remote: Remote) -> None:
    remote.arm("telegram", "send", {"kind": "rate_limit", "status": 429, "retry_after": None})
    with pytest.raises(RateLimited) as limited:
        chat.send(OutgoingMessage("x", "e"), budget())
    assert limited.value.retry_after == 1
    remote.arm("telegram", "send", {"kind": "html", "status": 403})
    with pytest.raises(Unavailable):
        chat.send(OutgoingMessage("x", "e"), budget())
    remote.arm("telegram", "send", {"kind": "drop", "when": "before"})
    with pytest.raises(Unknown):
        chat.send(OutgoingMessage("x", "e"), budget())


@pytest.mark.parametrize(("length", "fits"), [(4096, True), (4097, False)])
def test_the_limit_counts_utf16(chat: TelegramChat, length: int, fits: bool) -> None:
    text = "🔥" * (length // 2) + "x" * (length % 2)
    if fits:
        assert chat.send(OutgoingMessage(text, "e"), budget())
    else:
        with pytest.raises(Rejected):
            chat.send(OutgoingMessage(text, "e"), budget())


def test_the_log_has_no_tokens(chat: TelegramChat, sandbox: Sandbox) -> None:
    chat.send(OutgoingMessage("x", "e"), budget())
    with urlopen(f"{sandbox.url}/control/calls?partner=telegram") as answer:
        assert chat.token.encode() not in answer.read()


TOKEN, SECRET = "123456:ABCdefGHIjklMNOpqrSTU", "whsec_" + "A" * 32
GOOD = {"telegram": {"token": TOKEN, "chats": ["-100123", 5, "@alerts"]}}


@pytest.mark.parametrize(
    ("secret", "problem"),
    [
        (GOOD, None),
        ({"webhooks": {"ops": {"url": "https://example.com/x", "secret": SECRET}}}, None),
        ({"telegram": {"token": "x", "chats": ["-1"]}}, "token"),
        ({"telegram": {"token": TOKEN, "chats": []}}, "chats"),
        ({"telegram": {"token": TOKEN, "chats": ["alerts"]}}, "chat id"),
        ({"telegram": {"token": TOKEN, "chats": ["-1"], "base_url": "http://example.com"}}, "base_url"),
        ({"telegram": {"token": TOKEN, "chats": ["-1"], "more": 1}}, "unknown key more"),
        ({"telegram": []}, "object"),
        ({"slack": {}}, "unknown key slack"),
        ({"webhooks": {"ops": {"url": "http://example.com/x", "secret": SECRET}}}, "url of ops"),
        ({"webhooks": {"ops": {"url": "https://example.com/x", "secret": "short"}}}, "secret of ops"),
        ({"webhooks": {"ops": {"url": "https://example.com/x"}}}, "needs url and secret"),
        ({"webhooks": {"Ops!": {}}}, "name"),
        ({"webhooks": 5}, "webhooks"),
    ],
)
def test_a_wrong_secret_is_named_and_e_mailed(secret: dict[str, Any], problem: str | None) -> None:
    problems, targets = problems_of(secret), targets_of(secret)
    if problem is None:
        assert problems == []
        assert len({target.name for target in targets}) == len(targets) > 0
        return
    assert problem in problems[0]
    (broken,) = targets
    assert isinstance(broken, BrokenTarget)
    with pytest.raises(Misconfigured, match=r"secret"):
        broken.send(OutgoingMessage("x", "e"), budget())
