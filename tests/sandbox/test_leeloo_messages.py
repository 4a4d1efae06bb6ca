"""Leeloo's contract: templates, and what is written to people."""

import threading
from concurrent.futures import ThreadPoolExecutor

from devstack.sandbox.leeloo.endpoints import Endpoints
from devstack.sandbox.partner import Rows
from devstack.sandbox.remote import Remote
from quality.testkit.sandbox.clock import Clock
from quality.testkit.sandbox.leeloo import LeelooClient, Office

RENDERED = "Вітаємо, Ольга! Ми отримали вашу заявку на 6000 грн і вже її розглядаємо."


def test_templates_are_found_by_category(leeloo: LeelooClient, office: Office) -> None:
    categories = leeloo.get("categories/templates").json["data"]["categories"]
    assert {each["name"]: each["id"] for each in categories} == office.categories
    found = [leeloo.get(f"categories/templates/{each['id']}").json["data"]["templates"] for each in categories]
    assert {each["message_name"]: each["id"] for templates in found for each in templates} == office.templates
    assert all(each.keys() == {"id", "message_name"} for templates in found for each in templates)


def test_connections_are_listed_by_type(leeloo: LeelooClient, office: Office) -> None:
    connections = leeloo.get("connections").json["data"]["connections"]
    assert {each["type"]: each["id"] for each in connections} == office.connections
    assert office.connections.keys() == {"TELEGRAM", "FACEBOOK", "SMS"}


def test_a_template_arrives_rendered(leeloo: LeelooClient, office: Office, remote: Remote) -> None:
    template_id, variables = office.templates["Заявку отримано"], {"name": "Ольга", "amount": "6000", "more": "x"}
    body = {"account_id": office.account_id, "template_id": template_id, "variables": variables}
    assert leeloo.post("messages/send-template", body).json == {"data": {}, "status": 1}
    (message,) = remote.rows("leeloo/messages")
    assert message["number"] == 1
    assert message["at"] == "2027-01-15T08:00:00.000Z"
    assert (message["text"], message["template_id"], message["variables"]) == (RENDERED, template_id, variables)
    assert (message["account_id"], message["person_id"]) == (office.account_id, office.person_id)
    assert (message["phone"], message["from"]) == ("+380501234567", "TELEGRAM")


def test_a_variable_without_a_value_is_seen_by_the_person(leeloo: LeelooClient, office: Office, remote: Remote) -> None:
    body = {"account_id": office.account_id, "template_id": office.templates["Кошти видано"]}
    leeloo.post("messages/send-template", body)
    assert remote.rows("leeloo/messages")[0]["text"].startswith("{{name}}, {{amount}} грн")


def test_a_chat_is_read_by_channel_or_by_person_newest_first(
    leeloo: LeelooClient, office: Office, remote: Remote
) -> None:
    accounts = [
        each["account_id"]
        for each in remote.post("leeloo/people", {"name": "x", "accounts": ["SMS", "TELEGRAM"]})["accounts"]
    ]
    person_id = remote.rows("leeloo/people")[-1]["id"]
    for account_id, text in zip([*accounts, accounts[0], office.account_id], "abcd", strict=True):
        leeloo.send(account_id, text)

    def texts(either: str) -> list[str]:
        return [each["text"] for each in leeloo.get(f"communication-channels/{either}/chat-messages").json["data"]]

    assert texts(accounts[0]) == ["c", "a"]
    assert texts(person_id) == ["c", "b", "a"]
    (row,) = leeloo.get(f"communication-channels/{accounts[1]}/chat-messages").json["data"]
    assert row.keys() == {"id", "text", "type", "read", "createdAt", "updatedAt"}


def test_sends_are_not_idempotent_and_the_log_proves_each(leeloo: LeelooClient, office: Office, remote: Remote) -> None:
    for _ in range(2):
        leeloo.send(office.account_id, "Вітаємо")
    assert [message["text"] for message in remote.rows("leeloo/messages")] == ["Вітаємо", "Вітаємо"]
    calls = remote.calls("leeloo", "send_message")
    assert [each["body"] for each in calls] == [{"account_id": office.account_id, "text": "Вітаємо"}] * 2
    assert [each["message_id"] for each in calls] == [message["id"] for message in remote.rows("leeloo/messages")]


def test_the_log_of_a_template_has_what_the_person_reads(leeloo: LeelooClient, office: Office, remote: Remote) -> None:
    template_id = office.templates["Заявку отримано"]
    variables = {"name": "Ольга", "amount": "6000"}
    body = {"account_id": office.account_id, "template_id": template_id, "variables": variables}
    leeloo.post("messages/send-template", body)
    (logged,) = remote.calls("leeloo")
    assert (logged["body"], logged["text"]) == (body, RENDERED)


def test_messages_are_found_by_phone(leeloo: LeelooClient, office: Office, remote: Remote) -> None:
    person = remote.post("leeloo/people", {"name": "Інша", "phone": "+380671112233", "accounts": ["SMS"]})
    other = person["accounts"][0]["account_id"]
    leeloo.send(office.account_id, "a")
    leeloo.send(other, "b")
    assert [each["text"] for each in remote.rows("leeloo/messages", phone="+380501234567")] == ["a"]
    assert [each["account_id"] for each in remote.rows("leeloo/messages", phone="+380671112233")] == [other]


def test_a_person_is_put_into_a_block_of_a_tunnel(leeloo: LeelooClient, office: Office) -> None:
    path = f"communication-channels/{office.account_id}/manual-subscribe"
    body = {"tunnel_id": office.tunnel_id, "tunnel_block_id": office.block_id}
    assert leeloo.post(path, body).json == {"data": {}, "status": 1}
    history = leeloo.get(f"people/{office.person_id}").json["data"]["subscribeHistory"]
    assert [(each["tunnel_id"], each["tunnel_block_id"]) for each in history] == [(office.tunnel_id, office.block_id)]


def test_a_burst_of_sends_arrives_whole(leeloo: LeelooClient, office: Office, remote: Remote) -> None:
    barrier = threading.Barrier(10)

    def send(number: int) -> int:
        barrier.wait()
        return leeloo.send(office.account_id, str(number)).status

    with ThreadPoolExecutor(10) as threads:
        assert list(threads.map(send, range(10))) == [200] * 10
    assert sorted(message["text"] for message in remote.rows("leeloo/messages")) == [
        str(number) for number in range(10)
    ]
    assert [message["number"] for message in remote.rows("leeloo/messages")] == list(range(1, 11))


def test_only_so_many_messages_are_kept(clock: Clock) -> None:
    state = Endpoints(clock)
    state.messages = Rows(limit=2)
    person = state.add_person("x", None, None, ["SMS"])
    for text in "abc":
        state.send(person["accounts"][0]["account_id"], text)
    assert [message["text"] for message in state.messages.values()] == ["b", "c"]
