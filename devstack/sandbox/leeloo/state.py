"""What the company has set up (`company.toml`), and the state in memory. Rows have the API's names of fields."""

import secrets
import tomllib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

from devstack.sandbox.partner import Clock, Rows, rfc3339

NOT_DEFINED = "NOT_DEFINED"

type Row = dict[str, Any]

COMPANY: dict[str, list[Row]] = tomllib.loads(Path(__file__).with_name("company.toml").read_text(encoding="utf-8"))
SET_UP: dict[str, Mapping[str, Row]] = {name: {row["id"]: row for row in rows} for name, rows in COMPANY.items()}
TUNNELS_BY_TOOL = {tool["id"]: tunnel for tunnel in COMPANY["tunnels"] for tool in tunnel["leadgentools"]}
CONNECTION_IDS = {connection["type"]: connection["id"] for connection in COMPANY["connections"]}


def pick(row: Row, names: str) -> Row:
    return {name: row[name] for name in names.split()}


def number(amount: Decimal) -> int | float:
    return int(amount) if amount == amount.to_integral_value() else float(amount)


class State:
    """Ids are 24 hex digits: the second, a part of this run, a counter. None repeats, also after a reset."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.people, self.accounts, self.messages, self.orders = (Rows[str, Row]() for _ in range(4))
        changing = {"people": self.people, "accounts": self.accounts, "orders": self.orders}
        self.collections: dict[str, Mapping[str, Row]] = {**SET_UP, "leadgentools": TUNNELS_BY_TOOL, **changing}
        self._run = secrets.token_hex(5)
        self._ids, self._numbers = count(1), count(1)

    def new_id(self) -> str:
        return f"{int(self._clock()) & 0xFFFFFFFF:08x}{self._run}{next(self._ids) & 0xFFFFFF:06x}"

    def now(self) -> str:
        return rfc3339(self._clock())

    def stamps(self) -> dict[str, str]:
        return {"createdAt": self.now(), "updatedAt": self.now()}

    def add_person(self, name: str, phone: str | None, email: str | None, channels: Iterable[str]) -> Row:
        """Add a person with a channel of each type (`TELEGRAM`, `MANUAL`…)."""
        person: Row = {"id": self.new_id(), "name": name, "phone": phone, "email": email, "comments": []}
        person |= {"gender": NOT_DEFINED, "locale": NOT_DEFINED, "created_at": self.now(), "updated_at": self.now()}
        person |= {"tags": [], "accounts": [], "subscribeHistory": [], "custom_fields": []}
        person |= {"links": {"contactedUsers": [], "orders": []}, "lastMessageTime": None}
        for kind in channels:
            status = "ACTIVE" if kind in CONNECTION_IDS else NOT_DEFINED
            account: Row = {
                "id": self.new_id(),
                "person_id": person["id"],
                "name": name,
                "from": kind,
                "botStatus": status,
            }
            account |= {"lastMessageTime": None, "createdAt": self.now(), "utmMarks": {}}
            whose = {"account_id": account["id"], "connection_id": CONNECTION_IDS.get(kind), "from": kind}
            person["accounts"].append({**whose, "connection_status": status})
            self.accounts.add(account["id"], account)
        oldest = self.people.add(person["id"], person)
        for whose in oldest["accounts"] if oldest else ():
            self.accounts.pop(whose["account_id"], None)
        return person

    def enter(self, person: Row, tunnel: Row, block_id: str | None = None, tool_id: str | None = None) -> None:
        """Enter a tunnel, manually at a block or through a lead tool."""
        person["updated_at"] = self.now()
        entry = {"tunnel_id": tunnel["id"], "tunnel_block_id": block_id, "leadgentool_id": tool_id}
        person["subscribeHistory"].append({**entry, "createdAt": self.now()})

    def send(self, account_id: str, text: str, **template: Any) -> Row:
        """Add a rendered message to the person's chat, also if the text is repeated."""
        account = self.accounts[account_id]
        person = self.people[account["person_id"]]
        message: Row = {"id": self.new_id(), "number": next(self._numbers), "at": self.now(), "text": text}
        message |= {"account_id": account_id, "person_id": person["id"], "phone": person["phone"]}
        message |= {"from": account["from"], "template_id": None, "variables": None, **template}
        message |= {"type": "OUT", "read": False, **self.stamps()}
        self.messages.add(message["id"], message)
        account["lastMessageTime"] = person["lastMessageTime"] = message["at"]
        return message

    def clear(self) -> None:
        for rows in (self.people, self.accounts, self.messages, self.orders):
            rows.clear()
