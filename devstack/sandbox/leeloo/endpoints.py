"""The thirty endpoints, the company's set-up (`company.toml`), and the state in memory.

Rows have the API's names of fields. Sends and new people, orders and imports are not idempotent.
"""

import re
import secrets
import tomllib
import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Annotated, Any, Unpack

from pydantic import Field

from devstack.sandbox.leeloo import fields as f
from devstack.sandbox.leeloo.requests import endpoint, page, refusal, success
from devstack.sandbox.partner import Answer, Clock, Rows, rfc3339

NOT_DEFINED = "NOT_DEFINED"
CHANNELS, PERSON = "/communication-channels", "/people/{person_id}"
VARIABLE = re.compile(r"\{\{\s*([A-Za-z0-9_]+)\s*\}\}")
PERSON_ROW = "id name email phone tags accounts lastMessageTime"
PERSON_SHOWN = (
    "id name tags gender phone email locale accounts subscribeHistory links custom_fields created_at updated_at"
)
ORDER_SHOWN = "id title price currency status createdAt updatedAt"
DATED = "id name createdAt updatedAt"

type Row = dict[str, Any]

COMPANY: dict[str, list[Row]] = tomllib.loads(Path(__file__).with_name("company.toml").read_text(encoding="utf-8"))
SET_UP: dict[str, Mapping[str, Row]] = {name: {row["id"]: row for row in rows} for name, rows in COMPANY.items()}
TUNNELS_BY_TOOL = {tool["id"]: tunnel for tunnel in COMPANY["tunnels"] for tool in tunnel["leadgentools"]}
CONNECTION_IDS = {connection["type"]: connection["id"] for connection in COMPANY["connections"]}


def pick(row: Row, names: str) -> Row:
    return {name: row[name] for name in names.split()}


def number(amount: Decimal) -> int | float:
    return int(amount) if amount == amount.to_integral_value() else float(amount)


class Endpoints:
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

    def add_person(
        self,
        name: f.Text,
        phone: f.Text | None = None,
        email: f.Text | None = None,
        accounts: Sequence[f.Text] = (),
        tags: Sequence[str] = (),
    ) -> Row:
        """Add a person with a channel of each type (`TELEGRAM`, `MANUAL`…), and tags by name. Also a control."""
        if unknown := set(tags) - {tag["name"] for tag in COMPANY["tags"]}:
            raise ValueError(f"unknown tags: {', '.join(unknown)}")
        person: Row = {"id": self.new_id(), "name": name, "phone": phone, "email": email, "comments": []}
        person |= {"gender": NOT_DEFINED, "locale": NOT_DEFINED, "created_at": self.now(), "updated_at": self.now()}
        person |= {"tags": list(dict.fromkeys(tags)), "accounts": [], "subscribeHistory": [], "custom_fields": []}
        person |= {"links": {"contactedUsers": [], "orders": []}, "lastMessageTime": None}
        for kind in accounts:
            status = "ACTIVE" if kind in CONNECTION_IDS else NOT_DEFINED
            account: Row = {"id": self.new_id(), "person_id": person["id"], "name": name, "from": kind}
            account |= {"botStatus": status, "lastMessageTime": None, "createdAt": self.now(), "utmMarks": {}}
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

    @endpoint("GET", "/categories/templates")
    def categories_list(self) -> Answer:
        return success({"categories": COMPANY["categories"]})

    @endpoint("GET", "/categories/templates/{category_id}")
    def templates_list(self, category_id: f.CategoryId) -> Answer:
        of_category = [template for template in COMPANY["templates"] if template["category_id"] == category_id]
        return success({"templates": [pick(template, "id message_name") for template in of_category]})

    @endpoint("POST", "/messages/send-template")
    def send_template(
        self, account_id: f.AccountId, template_id: f.TemplateId, variables: dict[str, str] = {}
    ) -> Answer:
        """A variable without a value stays unchanged."""
        text = SET_UP["templates"][template_id]["text"]
        rendered = VARIABLE.sub(lambda found: variables.get(found[1], found[0]), text)
        message = self.send(account_id, rendered, template_id=template_id, variables=variables)
        return success({}, message_id=message["id"], text=rendered)

    @endpoint("POST", "/messages/send-message")
    def send_message(self, account_id: f.AccountId, text: f.Text) -> Answer:
        return success({}, message_id=self.send(account_id, text)["id"], text=text)

    @endpoint("GET", f"{CHANNELS}/{{person_id}}/chat-messages")
    def chat_messages(self, person_id: f.Id, **paging: Unpack[f.Paging]) -> Answer:
        """The document allows the id of a channel or of a person, who may have several channels."""
        if person_id not in self.people and person_id not in self.accounts:
            raise refusal(404, {"person_id": "NOT_FOUND"}, "NOT_FOUND")
        chat = [one for one in self.messages.values() if person_id in {one["account_id"], one["person_id"]}]
        return page(paging, [pick(one, "id text type read createdAt updatedAt") for one in reversed(chat)])

    @endpoint("GET", CHANNELS)
    def channels_list(self, **given: Unpack[f.LastMessage]) -> Answer:
        channels = [one for one in reversed(self.accounts.values()) if _is_in(given, one["lastMessageTime"])]
        return page(given, channels, len(self.accounts))

    @endpoint("GET", f"{CHANNELS}/{{account_id}}/person")
    def channel_person(self, account_id: f.AccountId) -> Answer:
        return self.person_get(self.accounts[account_id]["person_id"])

    @endpoint("POST", f"{CHANNELS}/{{account_id}}/manual-subscribe", forms=True)
    def manual_subscribe(self, account_id: f.AccountId, tunnel_id: f.TunnelId, tunnel_block_id: f.Id) -> Answer:
        tunnel, person = SET_UP["tunnels"][tunnel_id], self.people[self.accounts[account_id]["person_id"]]
        if tunnel_block_id not in {block["id"] for block in tunnel["blocks"]}:
            raise refusal(404, {"tunnel_block_id": "NOT_FOUND"}, "NOT_FOUND")
        self.enter(person, tunnel, block_id=tunnel_block_id)
        return success({})

    @endpoint("GET", "/connections")
    def connections_list(self) -> Answer:
        return success({"connections": COMPANY["connections"]})

    @endpoint("GET", "/people")
    def people_list(self, **given: Unpack[f.PeopleFilter]) -> Answer:
        """Tags are by id or by name."""
        tags, phone, email = given.get("tags", []), given.get("phone"), given.get("email")
        names = {tag["id"]: tag["name"] for tag in COMPANY["tags"]}
        wanted = {names.get(tag, tag) for tag in ([tags] if isinstance(tags, str) else tags)}
        rows = [
            pick(person, PERSON_ROW)
            for person in reversed(self.people.values())
            if phone in {None, person["phone"]}
            and email in {None, person["email"]}
            and (not wanted or not wanted.isdisjoint(person["tags"]))
            and _is_in(given, person["lastMessageTime"])
        ]
        return page(given, rows, len(self.people))

    @endpoint("GET", PERSON)
    def person_get(self, person_id: f.PersonId, include: f.PersonLinks = "") -> Answer:
        person = self.people[person_id]
        included: dict[str, Any] = {}
        if "contactedUsers" in include:
            included["users"] = [SET_UP["users"][user_id] for user_id in person["links"]["contactedUsers"]]
        if "orders" in include:
            orders = [self.orders[each] for each in person["links"]["orders"] if each in self.orders]
            included["orders"] = [pick(order, ORDER_SHOWN) for order in orders]
        return success(pick(person, PERSON_SHOWN), {"included": included} if included else None)

    @endpoint("PUT", PERSON)
    def person_update(self, person_id: f.PersonId, **changes: Unpack[f.PersonChanges]) -> Answer:
        person = self.people[person_id]
        fields = [*person["custom_fields"], *changes.get("custom_fields", ())]
        by_name = {field["name"]: field for field in fields}
        person.update({**changes, "custom_fields": list(by_name.values()), "updated_at": self.now()})
        return success({})

    @endpoint("POST", "/people")
    def person_create(self, **given: Unpack[f.NewPerson]) -> Answer:
        """`id` in the answer is the channel's, `person_id` the person's."""
        user_ids, tool_id = given.pop("connected_users_ids", []), given["leadgentool_id"]
        person = self.add_person(given["name"], given["phone"], given["email"], ["MANUAL"])
        person["links"]["contactedUsers"] = user_ids
        self.enter(person, TUNNELS_BY_TOOL[tool_id], tool_id=tool_id)
        made = {"id": person["accounts"][0]["account_id"], "person_id": person["id"], "from": "MANUAL", "tags": []}
        return success({**made, **given, **self.stamps()})

    @endpoint("POST", "/people/sms")
    def people_sms(
        self,
        data: Annotated[list[f.Contact], Field(min_length=1)],
        connection_id: f.ConnectionId,
        leadgentool_id: f.ToolId,
        tags: list[f.TagId],
    ) -> Answer:
        if SET_UP["connections"][connection_id]["type"] != "SMS":
            raise refusal(400, {"connection_id": "NOT_ALLOWED"})
        names = [SET_UP["tags"][tag_id]["name"] for tag_id in tags]
        for each in data:
            person = self.add_person(each["name"], each["phone"], each["email"], ["SMS"], names)
            self.enter(person, TUNNELS_BY_TOOL[leadgentool_id], tool_id=leadgentool_id)
        return success({"count_to_process": len(data)})

    @endpoint("PUT", f"{PERSON}/add-comment")
    def add_comment(self, person_id: f.PersonId, comment: f.Text) -> Answer:
        self.people[person_id]["comments"].append(comment)
        made = {"id": self.new_id(), "text": comment, "entity_id": person_id, "entity_type": "PERSON"}
        return success({**made, **self.stamps()})

    @endpoint("PUT", f"{PERSON}/add-tag", forms=True)
    def add_tag(self, person_id: f.PersonId, tag_id: f.TagId) -> Answer:
        person, tag = self.people[person_id], SET_UP["tags"][tag_id]["name"]
        person["tags"] = list(dict.fromkeys([*person["tags"], tag]))
        return success({})

    @endpoint("PUT", f"{PERSON}/remove-tag", forms=True)
    def remove_tag(self, person_id: f.PersonId, tag_id: f.TagId) -> Answer:
        person, tag = self.people[person_id], SET_UP["tags"][tag_id]["name"]
        person["tags"] = [name for name in person["tags"] if name != tag]
        return success({})

    @endpoint("POST", "/calls", forms=True)
    def call_create(self, **call: Unpack[f.Call]) -> Answer:
        made = {"id": self.new_id(), "call_id": str(uuid.uuid4()), "created_at": self.now(), "updated_at": self.now()}
        return success({**call, **made})

    @endpoint("GET", "/tags")
    def tags_list(self) -> Answer:
        return success(COMPANY["tags"])

    @endpoint("GET", "/users")
    def users_list(self, **paging: Unpack[f.Paging]) -> Answer:
        return page(paging, COMPANY["users"])

    @endpoint("GET", "/users/{user_id}")
    def user_get(self, user_id: f.UserId) -> Answer:
        return success(SET_UP["users"][user_id])

    @endpoint("POST", "/orders")
    def order_create(self, **given: Unpack[f.NewOrder]) -> Answer:
        offer, payment = SET_UP["offers"][given["offerId"]], SET_UP["payment_credits"][given["paymentCreditsId"]]
        order = {"id": self.new_id(), "status": "OPENED", "person_id": given["personId"], **self.stamps()}
        order |= pick(offer, "title description currency tunnel_id") | {"price": number(Decimal(offer["price"]))}
        order |= {"manual": payment["manual"], "paymentMethod": payment["name"]}
        self.orders.add(order["id"], order)
        self.people[given["personId"]]["links"]["orders"].append(order["id"])
        return success(pick(order, ORDER_SHOWN))

    @endpoint("GET", "/orders")
    def orders_list(self, **paging: Unpack[f.Paging]) -> Answer:
        return page(paging, [pick(order, f"{ORDER_SHOWN} person_id") for order in reversed(self.orders.values())])

    @endpoint("GET", "/orders/{order_id}")
    def order_get(self, order_id: f.OrderId) -> Answer:
        return success(pick(self.orders[order_id], f"{ORDER_SHOWN} description paymentMethod"))

    @endpoint("POST", "/orders/{order_id}", forms=True)
    def order_update(self, order_id: f.OrderId, **changes: Unpack[f.OrderChanges]) -> Answer:
        """The price is the offer's until an update changes it."""
        order = self.orders[order_id]
        if not order["manual"]:
            raise refusal(400, {"order_id": "NOT_ALLOWED"})
        price = number(Decimal(changes["price"])) if "price" in changes else order["price"]
        currency = changes.get("currency", order["currency"])
        order.update(status=changes["status"], price=price, currency=currency, updatedAt=self.now())
        return success({})

    @endpoint("POST", "/leadgentools/{leadgentool_id}/create-traffic-source")
    def traffic_source_create(self, leadgentool_id: f.ToolId, name: f.Text, description: f.Text) -> Answer:
        given = {"leadgentool_id": leadgentool_id, "name": name, "description": description}
        made = {"id": self.new_id(), "type": "CUSTOM", "hash": secrets.token_hex(4), **self.stamps()}
        return success({**given, **made, "tunnel_id": TUNNELS_BY_TOOL[leadgentool_id]["id"]})

    @endpoint("GET", "/tunnels")
    def tunnels_list(self, **paging: Unpack[f.Paging]) -> Answer:
        return page(paging, [pick(tunnel, DATED) for tunnel in COMPANY["tunnels"]])

    @endpoint("GET", "/tunnels/{tunnel_id}")
    def tunnel_get(self, tunnel_id: f.TunnelId, include: f.TunnelLinks = "") -> Answer:
        """The requested `include` is returned as `linked`, not as `included`."""
        tunnel = SET_UP["tunnels"][tunnel_id]
        tools = tunnel["leadgentools"]
        data = pick(tunnel, DATED) | {"links": {"leadgentools": [tool["id"] for tool in tools]}}
        return success(data, {"linked": {"leadgentools": tools}} if include else None)

    @endpoint("GET", "/tunnels/stats")
    def tunnels_stats(self) -> Answer:
        return success([self._stats(tunnel_id) for tunnel_id in SET_UP["tunnels"]])

    @endpoint("GET", "/tunnels/{tunnel_id}/stats")
    def tunnel_stats(self, tunnel_id: f.TunnelId) -> Answer:
        return success([self._stats(tunnel_id)])

    def _stats(self, tunnel_id: str) -> Row:
        """Visits and shows do not exist here, so their counts are 0."""
        people = self.people.values()
        entered = [sum(each["tunnel_id"] == tunnel_id for each in person["subscribeHistory"]) for person in people]
        orders = [order for order in self.orders.values() if order["tunnel_id"] == tunnel_id]
        sales = [order for order in orders if order["status"] == "RESOLVED"]
        return {
            "subscribers": sum(entered),
            "uniqSubscribers": sum(map(bool, entered)),
            "orders": len(orders),
            "sales": len(sales),
            "uniqSales": len({order["person_id"] for order in sales}),
            **dict.fromkeys(("visits", "uniqVisits", "shows", "uniqShows", "totalExpenses"), 0),
            "totalSale": number(sum((Decimal(str(order["price"])) for order in sales), Decimal(0))),
        }


def _is_in(given: f.LastMessage, last_message: str | None) -> bool:
    """Whether a last message is between the requested days, both included, in UTC."""
    first, last = given.get("first_day"), given.get("last_day")
    if last_message is None:
        return first is None and last is None
    return (first or "") <= last_message[:10] <= (last or "9999")
