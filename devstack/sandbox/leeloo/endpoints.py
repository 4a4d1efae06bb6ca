"""How the endpoints answer. Sends and new people, orders and imports are not idempotent."""

import hashlib
import secrets
import uuid
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from devstack.sandbox.leeloo import company
from devstack.sandbox.leeloo.company import Tunnel
from devstack.sandbox.leeloo.requests import NOT_ALLOWED, NOT_FOUND, Given, find, page, refusal, success
from devstack.sandbox.leeloo.state import Message, State, number
from devstack.sandbox.partner import Answer

FROM, TO = "filter[last_message][from]", "filter[last_message][to]"
TAGS, PHONE, EMAIL = "filter[tags]", "filter[phone]", "filter[email]"
MANUAL, SMS = "MANUAL", "SMS"
RESOLVED = "RESOLVED"


class Endpoints(State):
    # Templates, channels and messages

    def list_templates(self, given: Given) -> Answer:
        category = find(company.CATEGORIES, given, "category_id")
        of_category = [each for each in company.TEMPLATES.values() if each.category_id == category.id]
        return success({"templates": [{"id": each.id, "message_name": each.message_name} for each in of_category]})

    def send_template(self, given: Given) -> Answer:
        account = find(self.accounts, given, "account_id")
        template = find(company.TEMPLATES, given, "template_id")
        variables = given.get("variables", {})
        return _sent(self.send(account, template.rendered(variables), template.id, variables))

    def send_message(self, given: Given) -> Answer:
        return _sent(self.send(find(self.accounts, given, "account_id"), given["text"]))

    def list_chat(self, given: Given) -> Answer:
        """The document allows the id of a channel or of a person, who may have several channels."""
        owner = given["person_id"]
        if owner not in self.people and owner not in self.accounts:
            raise refusal(404, {"person_id": NOT_FOUND}, NOT_FOUND)
        accounts = self.people[owner].channels if owner in self.people else [self.accounts[owner]]
        chat = sorted((message for each in accounts for message in each.chat), key=lambda m: m.number, reverse=True)
        return page(given, [message.as_row() for message in chat], len(chat))

    def list_channels(self, given: Given) -> Answer:
        newest_first = reversed(self.accounts.values())
        rows = [account.as_row() for account in newest_first if _is_in(given, account.lastMessageTime)]
        return page(given, rows, len(self.accounts))

    def get_channel_person(self, given: Given) -> Answer:
        return success(find(self.accounts, given, "account_id").person.as_json())

    def subscribe(self, given: Given) -> Answer:
        account = find(self.accounts, given, "account_id")
        tunnel = find(company.TUNNELS, given, "tunnel_id")
        block = find({block.id: block for block in tunnel.blocks}, given, "tunnel_block_id")
        self.enter(account.person, tunnel, block_id=block.id)
        return success({})

    # People

    def list_people(self, given: Given) -> Answer:
        tags, phone, email = given.get(TAGS, []), given.get(PHONE), given.get(EMAIL)
        names = {tag.id: tag.name for tag in company.TAGS.values()}
        wanted = {names.get(tag, tag) for tag in ([tags] if isinstance(tags, str) else tags)}
        rows = [
            person.as_row()
            for person in reversed(self.people.values())
            if phone in {None, person.phone}
            and email in {None, person.email}
            and (not wanted or not wanted.isdisjoint(person.tags))
            and _is_in(given, person.lastMessageTime)
        ]
        return page(given, rows, len(self.people))

    def get_person(self, given: Given) -> Answer:
        person = find(self.people, given, "person_id")
        wanted = given.get("include", "").split(",")
        included: dict[str, Any] = {}
        if "contactedUsers" in wanted:
            included["users"] = [company.USERS[user_id].dated() for user_id in person.user_ids]
        if "orders" in wanted:
            included["orders"] = [order.as_json() for order in person.orders]
        return success(person.as_json(), {"included": included} if included else None)

    def update_person(self, given: Given) -> Answer:
        person = find(self.people, given, "person_id")
        person.phone = given.get("phone", person.phone)
        person.email = given.get("email", person.email)
        person.fields.update({each["name"]: each for each in given.get("custom_fields", ())})
        person.updated_at = self.now()
        return success({})

    def create_person(self, given: Given) -> Answer:
        """`id` in the answer is the channel's, `person_id` the person's."""
        tunnel = find(company.TUNNELS_BY_LEADGENTOOL, given, "leadgentool_id")
        user_ids = given.get("connected_users_ids", [])
        for user_id in user_ids:
            find(company.USERS, {"connected_users_ids": user_id}, "connected_users_ids")
        person = self.add_person(given["name"], given["phone"], given["email"], [MANUAL])
        person.user_ids = list(user_ids)
        self.enter(person, tunnel, tool_id=given["leadgentool_id"])
        account_id = person.channels[0].account_id
        made = {"id": account_id, "person_id": person.id, "from": MANUAL, "tags": []}
        sent = {name: given[name] for name in ("name", "email", "phone", "leadgentool_id")}
        return success({**made, **sent, **self.stamps()}, account_id=account_id, person_id=person.id)

    def import_for_sms(self, given: Given) -> Answer:
        if find(company.CONNECTIONS, given, "connection_id").type != SMS:
            raise refusal(400, {"connection_id": NOT_ALLOWED})
        tunnel = find(company.TUNNELS_BY_LEADGENTOOL, given, "leadgentool_id")
        tags = dict.fromkeys(find(company.TAGS, {"tags": tag_id}, "tags").name for tag_id in given["tags"])
        for each in given["data"]:
            person = self.add_person(each["name"], each["phone"], each["email"], [SMS])
            person.tags = list(tags)
            self.enter(person, tunnel, tool_id=given["leadgentool_id"])
        return success({"count_to_process": len(given["data"])})

    def add_comment(self, given: Given) -> Answer:
        person = find(self.people, given, "person_id")
        person.comments.append(given["comment"])
        comment = {"text": given["comment"], "entity_id": person.id, "entity_type": "PERSON"}
        return success({"id": self.new_id(), **comment, **self.stamps()})

    def add_tag(self, given: Given) -> Answer:
        person, tag = find(self.people, given, "person_id"), find(company.TAGS, given, "tag_id")
        person.tags = list(dict.fromkeys([*person.tags, tag.name]))
        return success({})

    def remove_tag(self, given: Given) -> Answer:
        person, tag = find(self.people, given, "person_id"), find(company.TAGS, given, "tag_id")
        person.tags = [name for name in person.tags if name != tag.name]
        return success({})

    def create_call(self, given: Given) -> Answer:
        find(company.USERS, given, "user_id")
        find(self.accounts, given, "account_id")
        shown = {name: value for name, value in given.items() if name not in {"date", "duration"}}
        made = {"id": self.new_id(), "call_id": str(uuid.uuid4()), "provider_type": MANUAL}
        times = {"billsec": int(given["duration"]), "created_at": self.now(), "updated_at": self.now()}
        return success({**shown, **made, **times})

    def get_user(self, given: Given) -> Answer:
        return success(find(company.USERS, given, "user_id").dated())

    # Orders and tunnels

    def create_order(self, given: Given) -> Answer:
        payment = find(company.PAYMENT_CREDITS, given, "paymentCreditsId")
        offer, person = find(company.OFFERS, given, "offerId"), find(self.people, given, "personId")
        if "managerId" in given:
            find(company.USERS, given, "managerId")
        order = self.add_order(person, offer, payment)
        return success(order.as_json(), order_id=order.id)

    def list_orders(self, given: Given) -> Answer:
        rows = [order.as_json() | {"person_id": order.person.id} for order in reversed(self.orders.values())]
        return page(given, rows, len(rows))

    def get_order(self, given: Given) -> Answer:
        order = find(self.orders, given, "order_id")
        more = {"description": order.offer.description, "paymentMethod": order.payment.name}
        return success({**order.as_json(), **more})

    def update_order(self, given: Given) -> Answer:
        order = find(self.orders, given, "order_id")
        if not order.payment.manual:
            raise refusal(400, {"order_id": NOT_ALLOWED})
        order.status = given["status"]
        order.amount = Decimal(given.get("price", order.amount))
        order.currency = given.get("currency", order.currency)
        order.updatedAt = self.now()
        return success({})

    def create_traffic_source(self, given: Given) -> Answer:
        tunnel = find(company.TUNNELS_BY_LEADGENTOOL, given, "leadgentool_id")
        made = {"id": self.new_id(), "type": "CUSTOM", "tunnel_id": tunnel.id, "hash": secrets.token_hex(4)}
        return success({**given, **made, **self.stamps()})

    def get_tunnel(self, given: Given) -> Answer:
        """The requested `include` is returned as `linked`, not as `included`."""
        tunnel = find(company.TUNNELS, given, "tunnel_id")
        data = {**tunnel.dated(), "links": {"leadgentools": [tool.id for tool in tunnel.leadgentools]}}
        linked = {"linked": {"leadgentools": [asdict(tool) for tool in tunnel.leadgentools]}}
        return success(data, linked if "include" in given else None)

    def list_stats(self, _given: Given) -> Answer:
        return success([self.stats(tunnel) for tunnel in company.TUNNELS.values()])

    def get_stats(self, given: Given) -> Answer:
        return success([self.stats(find(company.TUNNELS, given, "tunnel_id"))])

    def stats(self, tunnel: Tunnel) -> dict[str, Any]:
        """Visits and shows do not exist here, so their counts are 0."""
        people = self.people.values()
        entered = [sum(each["tunnel_id"] == tunnel.id for each in person.subscribeHistory) for person in people]
        orders = [order for order in self.orders.values() if order.offer.tunnel_id == tunnel.id]
        sales = [order for order in orders if order.status == RESOLVED]
        return {
            "subscribers": sum(entered),
            "uniqSubscribers": sum(map(bool, entered)),
            "orders": len(orders),
            "sales": len(sales),
            "uniqSales": len({order.person.id for order in sales}),
            **dict.fromkeys(("visits", "uniqVisits", "shows", "uniqShows", "totalExpenses"), 0),
            "totalSale": number(sum((order.amount for order in sales), Decimal(0))),
        }


def _is_in(given: Given, last_message: str | None) -> bool:
    """Whether a last message is between the requested days, both included, in UTC."""
    first, last = given.get(FROM), given.get(TO)
    if last_message is None:
        return first is None and last is None
    return (first is None or first <= last_message) and (last is None or last_message[: len(last)] <= last)


def _sent(message: Message) -> Answer:
    return success({}, message_id=message.id, text=message.text, text_sha256=text_sha256(message.text))


def text_sha256(sent: str) -> str:
    return hashlib.sha256(sent.encode()).hexdigest()
