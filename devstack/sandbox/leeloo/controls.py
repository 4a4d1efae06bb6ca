"""`/control/leeloo`: put people there, see what was sent to them, limit calls, send a webhook of Leeloo's own."""

from dataclasses import asdict
from typing import Annotated, Any

import aiohttp
from aiohttp import web
from pydantic import BaseModel, ConfigDict, StringConstraints

from devstack.sandbox import strict_json
from devstack.sandbox.calls import rfc3339
from devstack.sandbox.control import Refused, ordered, reply
from devstack.sandbox.leeloo import company, shapes
from devstack.sandbox.leeloo.limit import LimitOrder, RateLimit
from devstack.sandbox.leeloo.state import Message, Person, State

WEBHOOK_SECONDS = 30
BODY_SHOWN = 2000

type Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class PersonOrder(BaseModel):
    """The body of `POST /control/leeloo/people`: tags by name, channels by type (`TELEGRAM`, or any other)."""

    model_config = ConfigDict(extra="forbid")
    name: Text
    phone: Text | None = None
    email: Text | None = None
    tags: list[str] = []
    accounts: list[Text] = []


class EmitOrder(BaseModel):
    """The body of `POST /control/leeloo/emit`."""

    model_config = ConfigDict(extra="forbid")
    type: Text
    data: dict[str, Any]
    url: Annotated[str, StringConstraints(pattern=r"^https?://")]


class Controls:
    """Handlers of what concerns Leeloo alone."""

    def __init__(self, state: State, limit: RateLimit) -> None:
        self._state = state
        self._limit = limit

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/company", self._show_company),
            web.get("/people", self._list_people),
            web.post("/people", self._add_person),
            web.get("/messages", self._list_messages),
            web.get("/limit", self._show_limit),
            web.post("/limit", self._set_limit),
            web.post("/emit", self._emit),
        ]

    async def _show_company(self, _request: web.Request) -> web.Response:
        return reply(
            {
                "connections": [asdict(each) for each in company.CONNECTIONS.values()],
                "categories": [asdict(each) for each in company.CATEGORIES.values()],
                "templates": [asdict(each) for each in company.TEMPLATES.values()],
                "tags": [asdict(each) for each in company.TAGS.values()],
                "tunnels": [asdict(each) for each in company.TUNNELS.values()],
                "users": [asdict(each) for each in company.USERS.values()],
                "offers": [asdict(each) | {"price": str(each.price)} for each in company.OFFERS.values()],
                "payment_credits": [asdict(each) for each in company.PAYMENT_CREDITS.values()],
            }
        )

    async def _list_people(self, _request: web.Request) -> web.Response:
        return reply({"people": [self._person(person) for person in self._state.people]})

    async def _add_person(self, request: web.Request) -> web.Response:
        order = await ordered(request, PersonOrder)
        tag_ids = {tag.name: tag.id for tag in company.TAGS.values()}
        if not tag_ids.keys() >= set(order.tags):
            raise Refused(f"tags: some of {', '.join(tag_ids)}")
        person = self._state.add_person(order.name, order.phone, order.email, order.accounts)
        person.tag_ids = [tag_ids[name] for name in dict.fromkeys(order.tags)]
        return reply(self._person(person), 201)

    async def _list_messages(self, request: web.Request) -> web.Response:
        phone, account_id = request.query.get("phone"), request.query.get("account_id")
        messages = [
            _message(message)
            for message in self._state.messages
            if phone in {None, message.account.person.phone} and account_id in {None, message.account.id}
        ]
        return reply({"messages": messages})

    async def _show_limit(self, _request: web.Request) -> web.Response:
        return reply(self._limit.order.model_dump())

    async def _set_limit(self, request: web.Request) -> web.Response:
        self._limit.set(await ordered(request, LimitOrder))
        return reply(self._limit.order.model_dump())

    async def _emit(self, request: web.Request) -> web.Response:
        """Post `{type, data}` once, follow nothing, and say what came back."""
        order = await ordered(request, EmitOrder)
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=WEBHOOK_SECONDS)) as session,
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
        return reply({"status": response.status, "body": body[:BODY_SHOWN]})

    def _person(self, person: Person) -> dict[str, Any]:
        return {**shapes.person(person, self._state), "comments": person.comments}


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
