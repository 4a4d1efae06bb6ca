"""`partners leeloo …`: every endpoint of the client is a command, and arrives at the partner as it should."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from devstack.sandbox.remote import Remote
from leadbridge_cli.leeloo import all_endpoints
from quality.testkit.cli.terminal import CommandResult, run, stored_secret

PHONE, EMAIL = "+380501234567", "olha@example.com"
UNKNOWN_ID = "0" * 24
HOSTILE = "[bold]Ольга[/bold]\x1b[31m\u202e<b>=1+1"


@dataclass
class Office:
    """Leeloo, with a person, and the ids of what the company has set up."""

    partners: Remote

    def __post_init__(self) -> None:
        self.company = self.partners.get("leeloo/company")
        added = self.partners.post(
            "leeloo/people",
            {"name": "Ольга", "phone": PHONE, "email": EMAIL, "accounts": ["TELEGRAM"], "tags": ["лід"]},
        )
        self.person, self.account = str(added["id"]), str(added["accounts"][0]["account_id"])
        self.tunnel = self.company["tunnels"][0]
        self.tool, self.block = (str(self.tunnel[what][0]["id"]) for what in ("leadgentools", "blocks"))

    def id_of(self, what: str, name: str | None = None) -> str:
        """The id of the thing of this name, of the first one without."""
        things = self.company[what]
        return str(next(each["id"] for each in things if name in {None, each.get("name"), each.get("title")}))

    def order(self) -> str:
        """An order of the person's; its id."""
        return str(leeloo(*EVERY["orders create"](self)).json["id"])


def leeloo(*arguments: str) -> CommandResult:
    return run("partners", "leeloo", *arguments, "--region", "eu-central-1", "--json")


@pytest.fixture
def office(partners: Remote) -> Office:
    return Office(partners)


def _call(o: Office) -> list[str]:
    ids = ["--user-id", o.id_of("users"), "--account-id", o.account, "--caller", "606", "--called", PHONE]
    told = ["--at", "2026-01-31T12:00:00Z", "--seconds", "61", "--status", "SUCCESS", "--direction", "OUTBOUND"]
    return ["calls", "record", *ids, *told, "--yes"]


def _order(o: Office) -> list[str]:
    offer = ["--payment-credits-id", o.id_of("payment_credits", "Оплата вручну"), "--offer-id", o.id_of("offers")]
    who = ["--person-id", o.person, "--email", EMAIL, "--phone", PHONE]
    return ["orders", "create", *offer, *who, "--at", "2026-01-31", "--notify-account", "--yes"]


def _sms(o: Office) -> list[str]:
    recipient = json.dumps({"name": "Іван", "email": "ivan@example.com", "phone": "+380671112233"})
    ids = ["--connection-id", o.id_of("connections", "Розсилка SMS"), "--leadgentool-id", o.tool]
    return ["people", "send-sms", recipient, *ids, "--tags", o.id_of("tags", "лід"), "--yes"]


def _change(o: Office) -> list[str]:
    Path("field.json").write_text('{"type": "TEXT", "name": "Місто", "value": "Львів"}', encoding="utf-8")
    return ["people", "update", o.person, "--phone", "+380671112233", "--custom-fields", "@field.json", "--yes"]


def _template(o: Office) -> list[str]:
    return ["messages", "send-template", o.account, o.id_of("templates"), "--variables", "name=Ольго", "--yes"]


def _subscribe(o: Office) -> list[str]:
    ids = ["--tunnel-id", str(o.tunnel["id"]), "--tunnel-block-id", o.block]
    return ["channels", "subscribe", o.account, *ids, "--yes"]


_NEW = ("--name", "Іван", "--email", "ivan@example.com", "--phone", "+380671112233")

EVERY: dict[str, Callable[[Office], list[str]]] = {
    "messages send-template": _template,
    "messages send-text": lambda o: ["messages", "send-text", o.account, "Вітаю", "--yes"],
    "people list": lambda o: ["people", "list", "--tags", "лід", "--limit", "1", "--last-message-until", "2999-01-01"],
    "people get": lambda o: ["people", "get", o.person, "--include", "orders", "--include", "contactedUsers"],
    "people create": lambda o: ["people", "create", *_NEW, "--leadgentool-id", o.tool, "--yes"],
    "people update": _change,
    "people send-sms": _sms,
    "people add-comment": lambda o: ["people", "add-comment", o.person, "Передзвонити", "--yes"],
    "people add-tag": lambda o: ["people", "add-tag", o.person, o.id_of("tags", "видано"), "--yes"],
    "people remove-tag": lambda o: ["people", "remove-tag", o.person, o.id_of("tags", "лід"), "--yes"],
    "channels list": lambda o: ["channels", "list", "--last-message-since", "2026-01-31T12:00:00Z"],
    "channels chat-messages": lambda o: ["channels", "chat-messages", o.account],
    "channels person": lambda o: ["channels", "person", o.account],
    "channels subscribe": _subscribe,
    "orders create": _order,
    "orders list": lambda o: ["orders", "list"],
    "orders get": lambda o: ["orders", "get", o.order()],
    "orders update": lambda o: ["orders", "update", o.order(), "RESOLVED", "--price", "1500.50", "--yes"],
    "tunnels list": lambda o: ["tunnels", "list", "--pages", "1"],
    "tunnels get": lambda o: ["tunnels", "get", str(o.tunnel["id"]), "--include", "leadgentools"],
    "tunnels all-stats": lambda o: ["tunnels", "all-stats"],
    "tunnels stats": lambda o: ["tunnels", "stats", str(o.tunnel["id"])],
    "tunnels create-traffic-source": lambda o: [
        *("tunnels", "create-traffic-source", o.tool, "--name", "Банер", "--description", "x", "--yes")
    ],
    "catalog template-categories": lambda o: ["catalog", "template-categories"],
    "catalog templates": lambda o: ["catalog", "templates", o.id_of("categories")],
    "catalog connections": lambda o: ["catalog", "connections"],
    "catalog tags": lambda o: ["catalog", "tags"],
    "catalog users": lambda o: ["catalog", "users"],
    "catalog user": lambda o: ["catalog", "user", o.id_of("users")],
    "calls record": _call,
}


def test_all_thirty_endpoints_are_commands() -> None:
    found = {f"{each.group} {each.name.replace('_', '-')}": each for each in all_endpoints()}
    assert {*found} == {*EVERY}
    assert len(found) == 30


@pytest.mark.parametrize("name", [*EVERY])
def test_each_endpoint_is_called(office: Office, name: str) -> None:
    arguments = EVERY[name](office)
    before = len(office.partners.calls("leeloo"))
    said = leeloo(*arguments)
    assert said.code == 0, said.err
    assert said.out.count("\n") == 1
    assert isinstance(said.json, dict | list | int | None)
    assert len(office.partners.calls("leeloo")) > before


@pytest.mark.parametrize("name", [name for name in EVERY if "--yes" in str(EVERY[name].__code__.co_consts)])
def test_what_changes_something_asks_first(office: Office, name: str) -> None:
    arguments = [each for each in EVERY[name](office) if each != "--yes"]
    before = len(office.partners.calls("leeloo"))
    said = leeloo(*arguments)
    assert (said.code, len(office.partners.calls("leeloo"))) == (2, before)


def test_values_arrive_as_the_client_takes_them(office: Office) -> None:
    order_id = office.order()
    assert leeloo("orders", "update", order_id, "RESOLVED", "--price", "1500.50", "--yes", "--form-data").code == 0
    [sent] = office.partners.calls("leeloo", "order_update")
    assert sent["body"] == {"status": "RESOLVED", "price": "1500.50"}
    [made] = office.partners.calls("leeloo", "order_create")
    assert made["body"]["transactionDate"] == "2026-01-31T00:00:00.000Z"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("people", "get", UNKNOWN_ID), 3),
        (("people", "get", ".."), 3),
        (("channels", "list", "--last-message-since", "2026-01-31T12:00"), 2),
        (("channels", "list", "--last-message-since", "yesterday"), 2),
        (("orders", "update", UNKNOWN_ID, "PAID", "--yes"), 2),
        (("orders", "update", UNKNOWN_ID, "RESOLVED", "--price", "NaN", "--yes"), 2),
        (("people", "send-sms", "{}", "--connection-id", "x", "--leadgentool-id", "x", "--yes"), 2),
        (("people", "send-sms", "[", "--connection-id", "x", "--leadgentool-id", "x", "--yes"), 2),
        (("people", "send-sms", '{"x": 1}', "--connection-id", "x", "--leadgentool-id", "x", "--yes"), 2),
        (("people", "send-sms", "@nowhere", "--connection-id", "x", "--leadgentool-id", "x", "--yes"), 3),
        (("people", "list", "--limit", "0"), 2),
        (("messages", "send-text", "x", "\ud800", "--yes"), 1),
    ],
)
def test_what_cannot_be_asked_is_a_code(office: Office, arguments: tuple[str, ...], code: int) -> None:
    said = leeloo(*arguments)
    assert (said.code, said.out) == (code, "")


def test_a_refusal_a_limit_and_a_lost_reply_are_distinguished(office: Office) -> None:
    office.partners.arm("leeloo", "send_message", {"kind": "drop", "when": "after"})
    lost = leeloo("messages", "send-text", office.account, "Вітаю", "--yes")
    assert (lost.code, "may have been executed" in lost.failure) == (5, True)
    office.partners.post("leeloo/limit", {"calls": 0})
    assert leeloo("catalog", "tags").code == 5
    office.partners.post("leeloo/limit", {"calls": None})
    office.partners.rotate("leeloo", "token")
    refused = leeloo("catalog", "tags")
    assert (refused.code, "rejected the token" in refused.failure) == (1, True)
    assert stored_secret("leeloo")["token"] not in refused.err


def test_phones_are_hidden_and_hostile_names_are_harmless(office: Office) -> None:
    office.partners.post(
        "leeloo/people", {"name": HOSTILE, "phone": "+380509999999", "email": EMAIL, "accounts": ["TELEGRAM"]}
    )
    shown: list[dict[str, Any]] = leeloo("people", "list").json
    assert {one["phone"] for one in shown} == {"+38050•••67", "+38050•••99"}
    assert EMAIL not in json.dumps(shown)
    revealed = run("partners", "leeloo", "people", "list", "--reveal", "--region", "eu-central-1").out
    assert "+380509999999" in revealed
    assert "[bold]Ольга[/bold]" in revealed
    assert "лід" in run("partners", "leeloo", "catalog", "tags", "--region", "eu-central-1").out
    assert not {"\x1b", "\u202e"} & {*revealed}
