"""`/control/leeloo`: people, the messages sent to them, the rate limit, Leeloo's own webhooks."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

import aiohttp
from aiohttp import web
from pydantic import StringConstraints

from devstack.sandbox import strict_json
from devstack.sandbox.calls import rfc3339
from devstack.sandbox.leeloo import company, shapes
from devstack.sandbox.leeloo.limit import LimitOrder, RateLimit
from devstack.sandbox.leeloo.state import Message, Person, State
from devstack.sandbox.orders import BadOrder, Order, get, post, reply

WEBHOOK_TIMEOUT_SECONDS = 30
MAX_SHOWN_BODY = 2000

type Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class PersonOrder(Order):
    """The body of `POST /control/leeloo/people`: tags by name, channels by type (`TELEGRAM`, or any other)."""

    name: Text
    phone: Text | None = None
    email: Text | None = None
    tags: list[str] = []
    accounts: list[Text] = []


class EmitOrder(Order):
    """The body of `POST /control/leeloo/emit`."""

    type: Text
    data: dict[str, Any]
    url: Annotated[str, StringConstraints(pattern=r"^https?://")]


class Controls:
    def __init__(self, state: State, limit: RateLimit) -> None:
        self._state = state
        self._limit = limit

    def routes(self) -> list[web.RouteDef]:
        return [
            get("/company", lambda _: _company()),
            get("/people", lambda _: {"people": [self._person(person) for person in self._state.people]}),
            post("/people", PersonOrder, self._add_person, 201),
            get("/messages", self._list_messages),
            get("/limit", lambda _: self._limit.order.model_dump()),
            post("/limit", LimitOrder, self._set_limit),
            web.post("/emit", _emit),
        ]

    def _add_person(self, order: PersonOrder, _request: web.Request) -> object:
        tag_ids = {tag.name: tag.id for tag in company.TAGS.values()}
        if not tag_ids.keys() >= set(order.tags):
            raise BadOrder(f"tags: some of {', '.join(tag_ids)}")
        person = self._state.add_person(order.name, order.phone, order.email, order.accounts)
        person.tag_ids = [tag_ids[name] for name in dict.fromkeys(order.tags)]
        return self._person(person)

    def _list_messages(self, request: web.Request) -> object:
        phone, account_id = request.query.get("phone"), request.query.get("account_id")
        messages = [
            _message(message)
            for message in self._state.messages
            if phone in {None, message.account.person.phone} and account_id in {None, message.account.id}
        ]
        return {"messages": messages}

    def _set_limit(self, order: LimitOrder, _request: web.Request) -> object:
        self._limit.set(order)
        return order.model_dump()

    def _person(self, person: Person) -> dict[str, Any]:
        return {**shapes.person(person, self._state), "comments": person.comments}


async def _emit(request: web.Request) -> web.Response:
    """Post `{type, data}` once, without redirects, and return the response."""
    order = await EmitOrder.read(request)
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=WEBHOOK_TIMEOUT_SECONDS)) as session,
            session.post(
                order.url,
                data=strict_json.dump({"type": order.type, "data": order.data}),
                headers={"Content-Type": "application/json"},
                allow_redirects=False,
            ) as response,
        ):
            body = await response.text(errors="replace")
    except (aiohttp.ClientError, TimeoutError) as error:
        return reply({"status": None, "error": type(error).__name__})
    return reply({"status": response.status, "body": body[:MAX_SHOWN_BODY]})


def _company() -> dict[str, Any]:
    lists: dict[str, Mapping[str, Any]] = {
        "connections": company.CONNECTIONS,
        "categories": company.CATEGORIES,
        "templates": company.TEMPLATES,
        "tags": company.TAGS,
        "tunnels": company.TUNNELS,
        "users": company.USERS,
        "payment_credits": company.PAYMENT_CREDITS,
    }
    shown: dict[str, Any] = {name: [asdict(each) for each in things.values()] for name, things in lists.items()}
    return {**shown, "offers": [asdict(each) | {"price": str(each.price)} for each in company.OFFERS.values()]}


def _message(message: Message) -> dict[str, Any]:
    return {
        "number": message.number,
        "message_id": message.id,
        "at": rfc3339(message.at),
        "account_id": message.account.id,
        "from": message.account.kind,
        "person_id": message.account.person.id,
        "phone": message.account.person.phone,
        "text": message.text,
        "template_id": message.template_id,
        "variables": message.variables,
    }
