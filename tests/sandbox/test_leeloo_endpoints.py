"""Leeloo's contract, all thirty endpoints: each refuses what it should, and none is without a line here."""

from collections.abc import Callable
from typing import Any

import pytest

from devstack.sandbox.remote import ControlError, Remote
from quality.testkit.sandbox.leeloo import UNKNOWN_ID, LeelooClient, Office, wrong

type Case = tuple[str, str, str, Callable[[Office], object], int, dict[str, str]]

FIELDS_OF_A_CALL = ("user_id", "from", "to", "date", "account_id", "record_link", "status", "duration", "type")


def _required(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "REQUIRED")


def _malformed(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "WRONG_FORMAT")


def _unknown(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "UNKNOWN_FIELD")


def _missing(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "NOT_FOUND")


def _nothing(_office: Office) -> object:
    return {}


REFUSALS: list[Case] = [
    ("categories_list", "GET", "categories/templates?limit=1", _nothing, 400, _unknown("limit")),
    ("templates_list", "GET", f"categories/templates/{UNKNOWN_ID}", _nothing, 404, _missing("category_id")),
    ("send_template", "POST", "messages/send-template", _nothing, 400, _required("account_id", "template_id")),
    ("send_message", "POST", "messages/send-message", _nothing, 400, _required("account_id", "text")),
    (
        "chat_messages",
        "GET",
        f"communication-channels/{UNKNOWN_ID}/chat-messages",
        _nothing,
        404,
        _missing("person_id"),
    ),
    ("channels_list", "GET", "communication-channels?offset=-1", _nothing, 400, _malformed("offset")),
    ("channel_person", "GET", f"communication-channels/{UNKNOWN_ID}/person", _nothing, 404, _missing("account_id")),
    (
        "manual_subscribe",
        "POST",
        "communication-channels/ACCOUNT/manual-subscribe",
        lambda o: {"tunnel_id": o.tunnel_id, "tunnel_block_id": UNKNOWN_ID},
        404,
        _missing("tunnel_block_id"),
    ),
    ("connections_list", "GET", "connections?type=SMS", _nothing, 400, _unknown("type")),
    (
        "traffic_source_create",
        "POST",
        f"leadgentools/{UNKNOWN_ID}/create-traffic-source",
        lambda _o: {"name": "x", "description": "y"},
        404,
        _missing("leadgentool_id"),
    ),
    ("order_create", "POST", "orders", lambda o: o.order(isNotifyAccount=True), 400, _malformed("isNotifyAccount")),
    ("orders_list", "GET", "orders?limit=0", _nothing, 400, _malformed("limit")),
    ("order_get", "GET", f"orders/{UNKNOWN_ID}", _nothing, 404, _missing("order_id")),
    (
        "order_update",
        "POST",
        f"orders/{UNKNOWN_ID}",
        lambda _o: {"status": "OPENED", "paymentDate": "2026-01-31T09:30:00.000Z", "price": 100},
        400,
        _malformed("status", "paymentDate", "price"),
    ),
    ("people_list", "GET", "people?filter[name]=x", _nothing, 400, _unknown("filter[name]")),
    ("person_get", "GET", "people/PERSON?include=orders,tags", _nothing, 400, _malformed("include")),
    ("person_update", "PUT", "people/PERSON", lambda _o: {"name": "x"}, 400, _unknown("name")),
    (
        "person_create",
        "POST",
        "people",
        _nothing,
        400,
        _required("name", "email", "phone", "leadgentool_id"),
    ),
    ("people_sms", "POST", "people/sms", lambda o: o.sms(data=[]), 400, _malformed("data")),
    ("add_comment", "PUT", "people/PERSON/add-comment", lambda _o: {"comment": " "}, 400, _malformed("comment")),
    ("add_tag", "PUT", "people/PERSON/add-tag", lambda _o: {"tag_id": "лід"}, 400, _malformed("tag_id")),
    ("remove_tag", "PUT", "people/PERSON/remove-tag", lambda _o: {"tag_id": UNKNOWN_ID}, 404, _missing("tag_id")),
    ("call_create", "POST", "calls", _nothing, 400, _required(*FIELDS_OF_A_CALL)),
    ("tags_list", "GET", "tags?offset=1", _nothing, 400, _unknown("offset")),
    ("tunnels_list", "GET", "tunnels?limit=x", _nothing, 400, _malformed("limit")),
    ("tunnel_get", "GET", "tunnels/TUNNEL?include=blocks", _nothing, 400, _malformed("include")),
    ("tunnels_stats", "GET", "tunnels/stats?limit=1", _nothing, 400, _unknown("limit")),
    ("tunnel_stats", "GET", f"tunnels/{UNKNOWN_ID}/stats", _nothing, 404, _missing("tunnel_id")),
    ("users_list", "GET", "users?limit=1&limit=2", _nothing, 400, _malformed("limit")),
    ("user_get", "GET", "users/olena", _nothing, 400, _malformed("user_id")),
]


def _path(path: str, office: Office) -> str:
    ids = {"ACCOUNT": office.account_id, "PERSON": office.person_id, "TUNNEL": office.tunnel_id}
    for name, value in ids.items():
        path = path.replace(name, value)
    return path


def test_there_is_a_refusal_here_for_each_of_the_thirty(remote: Remote) -> None:
    operations = [operation for operation, *_ in REFUSALS]
    assert len(operations) == 30
    with pytest.raises(ControlError, match=f'operation: one of {", ".join(sorted(operations))}"'):
        remote.arm("leeloo", "nothing", {"kind": "empty"})


@pytest.mark.parametrize(
    ("operation", "method", "path", "body", "status", "fields"), REFUSALS, ids=[case[0] for case in REFUSALS]
)
def test_what_is_wrong_is_refused_field_by_field(
    leeloo: LeelooClient,
    office: Office,
    remote: Remote,
    operation: str,
    method: str,
    path: str,
    body: Callable[[Office], object],
    status: int,
    fields: dict[str, str],
) -> None:
    reply = leeloo.ask(method, _path(path, office), b"" if method == "GET" else body(office))
    assert (reply.status, wrong(reply)) == (status, fields)
    (logged,) = remote.calls("leeloo")
    assert (logged["operation"], logged["status"], logged["refused"]["fields"]) == (operation, status, fields)


@pytest.mark.parametrize("case", REFUSALS, ids=[case[0] for case in REFUSALS])
def test_a_fault_can_be_ordered_for_each(leeloo: LeelooClient, office: Office, remote: Remote, case: Case) -> None:
    operation, method, path, *_ = case
    remote.arm("leeloo", operation, {"kind": "html", "status": 503})
    assert leeloo.ask(method, _path(path, office), b"").status == 503


@pytest.mark.parametrize(
    ("path", "changes", "fields"),
    [
        ("send-message", {"account_id": UNKNOWN_ID, "text": "x"}, _missing("account_id")),
        ("send-message", {"text": 5, "x": 1}, _malformed("text") | _unknown("x")),
        ("send-message", {"account_id": None, "text": "x"}, _malformed("account_id")),
        ("send-template", {"template_id": UNKNOWN_ID}, _missing("template_id")),
        ("send-template", {"template_id": UNKNOWN_ID, "variables": {"a": 1}}, _malformed("variables")),
    ],
)
def test_sends_are_checked(
    leeloo: LeelooClient, office: Office, remote: Remote, path: str, changes: dict[str, Any], fields: dict[str, str]
) -> None:
    assert wrong(leeloo.post(f"messages/{path}", {"account_id": office.account_id} | changes)) == fields
    assert remote.rows("leeloo/messages") == []


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"transactionDate": "2026-01-31 09:30"}, _malformed("transactionDate")),
        ({"transactionDate": "2026-01-31T09:30:00Z"}, _malformed("transactionDate")),
        ({"transactionDate": "2026-02-31T09:30:00.000Z"}, _malformed("transactionDate")),
        ({"phone": "050 123"}, _malformed("phone")),
        ({"email": "olha"}, _malformed("email")),
        ({"managerId": UNKNOWN_ID}, _missing("managerId")),
        ({"offerId": UNKNOWN_ID}, _missing("offerId")),
        ({"paymentCreditsId": UNKNOWN_ID}, _missing("paymentCreditsId")),
        ({"personId": UNKNOWN_ID}, _missing("personId")),
    ],
)
def test_orders_are_checked(
    leeloo: LeelooClient, office: Office, changes: dict[str, object], fields: dict[str, str]
) -> None:
    assert wrong(leeloo.post("orders", office.order(**changes))) == fields
    assert leeloo.get("orders").json["data"] == []


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"connected_users_ids": [UNKNOWN_ID]}, _missing("connected_users_ids")),
        ({"connected_users_ids": "x"}, _malformed("connected_users_ids")),
        ({"leadgentool_id": UNKNOWN_ID}, _missing("leadgentool_id")),
        ({"phone": ""}, _malformed("phone")),
    ],
)
def test_new_people_are_checked(
    leeloo: LeelooClient, office: Office, remote: Remote, changes: dict[str, object], fields: dict[str, str]
) -> None:
    assert wrong(leeloo.post("people", office.person(**changes))) == fields
    assert len(remote.rows("leeloo/people")) == 1


def test_sms_need_a_connection_that_sends_sms(leeloo: LeelooClient, office: Office) -> None:
    reply = leeloo.post("people/sms", office.sms(connection_id=office.connections["TELEGRAM"]))
    assert (reply.status, wrong(reply)) == (400, {"connection_id": "NOT_ALLOWED"})


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"record_link": "nowhere"}, _malformed("record_link")),
        ({"status": "BUSY"}, _malformed("status")),
        ({"type": "IN"}, _malformed("type")),
        ({"duration": "1.5"}, _malformed("duration")),
        ({"date": "2026-01-31"}, _malformed("date")),
        ({"user_id": UNKNOWN_ID}, _missing("user_id")),
        ({"account_id": UNKNOWN_ID}, _missing("account_id")),
    ],
)
def test_calls_are_checked(
    leeloo: LeelooClient, office: Office, changes: dict[str, str], fields: dict[str, str]
) -> None:
    assert wrong(leeloo.post("calls", office.call(**changes))) == fields
