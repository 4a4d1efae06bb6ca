"""`/control/matchtrade`: fill the broker's books, look into them, change them, also while somebody reads."""

from collections.abc import Sequence
from typing import Annotated, Self

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from devstack.sandbox.control import Refused, ordered, reply
from devstack.sandbox.matchtrade.accounts import Account, Origin
from devstack.sandbox.matchtrade.broker import Broker
from devstack.sandbox.matchtrade.changes import ChangesOrder, Email, Status
from devstack.sandbox.matchtrade.listing import shown
from devstack.sandbox.matchtrade.registry import MAX_STORED, Samples, Window
from devstack.sandbox.matchtrade.state import State
from devstack.sandbox.matchtrade.times import millis, millis_now, millis_of

BEGINNING = "2019-01-01T00:00:00Z"
SHOWN_AT_ONCE = 1000
SHOWN_BY_DEFAULT = 100


class _Order(BaseModel):
    model_config = ConfigDict(extra="forbid")
    start: AwareDatetime | None = Field(None, alias="from")
    end: AwareDatetime | None = Field(None, alias="to")


class SamplesOrder(_Order):
    """The body of `POST /control/matchtrade/accounts`. `count` is that of the emails where it is not given."""

    count: Annotated[int, Field(ge=1, le=MAX_STORED)] | None = None
    emails: list[Email] = []
    foreign: bool = True
    status: Status | None = None

    @model_validator(mode="after")
    def _count_has_room(self) -> Self:
        if self.count is not None and self.count < len(self.emails):
            raise ValueError("fewer accounts than emails")
        if len({email.lower() for email in self.emails}) < len(self.emails):
            raise ValueError("an email twice")
        return self


class StatusOrder(BaseModel):
    """The body of `POST /control/matchtrade/accounts/{uuid}`."""

    model_config = ConfigDict(extra="forbid")
    status: Status


class StatusesOrder(_Order):
    """The body of `POST /control/matchtrade/statuses`: accounts by uuid, or all created from then to then."""

    status: Status
    uuids: list[str] = []


class ExpireOrder(BaseModel):
    """The body of `POST /control/matchtrade/expire`: every access token, and the refresh tokens unless told not to."""

    model_config = ConfigDict(extra="forbid")
    refresh: bool = True


class Controls:
    """Handlers of what concerns Match-Trade alone."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/broker", self._show_broker),
            web.post("/broker", self._change_broker),
            web.post("/expire", self._expire),
            web.get("/accounts", self._list_accounts),
            web.post("/accounts", self._add_accounts),
            web.get("/accounts/{uuid}", self._show_account),
            web.post("/accounts/{uuid}", self._put_account),
            web.post("/statuses", self._put_accounts),
            web.get("/changes", self._list_changes),
            web.post("/changes", self._change),
            web.delete("/changes", self._clear_changes),
        ]

    async def _show_broker(self, _request: web.Request) -> web.Response:
        return reply(self._state.broker.model_dump())

    async def _change_broker(self, request: web.Request) -> web.Response:
        self._state.broker = self._state.broker.changed_by(await ordered(request, Broker))
        return reply(self._state.broker.model_dump())

    async def _expire(self, request: web.Request) -> web.Response:
        order = await ordered(request, ExpireOrder)
        return reply({"expired": self._state.tokens.expire(refresh=order.refresh)})

    async def _list_accounts(self, request: web.Request) -> web.Response:
        query = request.query
        try:
            offset, limit = int(query.get("offset", "0")), int(query.get("limit", str(SHOWN_BY_DEFAULT)))
        except ValueError as error:
            raise Refused("offset, limit: whole numbers") from error
        if offset < 0 or not 0 <= limit <= SHOWN_AT_ONCE:
            raise Refused(f"offset: 0 or more; limit: {SHOWN_AT_ONCE} at most")
        email = query.get("email")
        accounts = self._state.accounts.all() if email is None else self._with_email(email)
        rows = [shown(account, self._state.broker) for account in accounts[offset : offset + limit]]
        return reply({"accounts": rows, "total": len(accounts)})

    async def _add_accounts(self, request: web.Request) -> web.Response:
        order = await ordered(request, SamplesOrder)
        first = millis_of(BEGINNING) if order.start is None else millis(order.start)
        last = millis_now(self._state.clock) if order.end is None else millis(order.end)
        count = order.count or len(order.emails)
        if not count or last < first:
            raise Refused("count or emails, and from before to")
        origin = Origin.FOREIGN if order.foreign else Origin.OURS
        try:
            added = self._state.accounts.add(Samples(count, first, last, origin, order.status, order.emails))
        except (OverflowError, ValueError) as error:
            raise Refused(str(error)) from error
        return reply(
            {"added": len(added), "total": len(self._state.accounts), "first": added[0].uuid, "last": added[-1].uuid},
            201,
        )

    async def _show_account(self, request: web.Request) -> web.Response:
        return reply(shown(self._found(request), self._state.broker))

    async def _put_account(self, request: web.Request) -> web.Response:
        order = await ordered(request, StatusOrder)
        account = self._found(request)
        self._state.accounts.put([account], order.status)
        return reply(shown(account, self._state.broker))

    async def _put_accounts(self, request: web.Request) -> web.Response:
        order = await ordered(request, StatusesOrder)
        accounts = [account for uuid in order.uuids if (account := self._state.accounts.get(uuid)) is not None]
        if order.start is not None and order.end is not None:
            accounts += self._state.accounts.within(Window(millis(order.start), millis(order.end)))
        elif not order.uuids:
            raise Refused("uuids, or from and to")
        return reply({"changed": self._state.accounts.put(accounts, order.status)})

    async def _list_changes(self, _request: web.Request) -> web.Response:
        return reply({"pending": [order.model_dump(mode="json") for order in self._state.pending.all()]})

    async def _change(self, request: web.Request) -> web.Response:
        order = await ordered(request, ChangesOrder)
        if order.page is None:
            return reply({"changed": order.apply(self._state.accounts)})
        try:
            self._state.pending.add(order)
        except OverflowError as error:
            raise Refused(str(error)) from error
        return reply({"pending": len(self._state.pending.all())}, 201)

    async def _clear_changes(self, _request: web.Request) -> web.Response:
        self._state.pending.clear()
        return web.Response(status=204)

    def _with_email(self, email: str) -> Sequence[Account]:
        account = self._state.accounts.with_email(email)
        return [] if account is None else [account]

    def _found(self, request: web.Request) -> Account:
        account = self._state.accounts.get(request.match_info["uuid"])
        if account is None:
            raise web.HTTPNotFound
        return account
