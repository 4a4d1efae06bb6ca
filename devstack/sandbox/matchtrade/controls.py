"""`/control/matchtrade`: fill, read and change the broker's accounts, also between two pages of a client's list."""

from collections.abc import Sequence
from typing import Annotated, Self

from aiohttp import web
from pydantic import AwareDatetime, Field, model_validator

from devstack.sandbox.matchtrade.accounts import Account, Origin
from devstack.sandbox.matchtrade.broker import Broker
from devstack.sandbox.matchtrade.changes import ChangesOrder, Email, Status
from devstack.sandbox.matchtrade.listing import shown
from devstack.sandbox.matchtrade.registry import MAX_STORED, Samples, Window
from devstack.sandbox.matchtrade.state import State
from devstack.sandbox.matchtrade.times import millis, millis_now, millis_of
from devstack.sandbox.orders import BadOrder, Order, delete, existing, get, post

BEGINNING = "2019-01-01T00:00:00Z"
MAX_LIMIT = 1000
DEFAULT_LIMIT = 100


class _WindowOrder(Order):
    start: AwareDatetime | None = Field(None, alias="from")
    end: AwareDatetime | None = Field(None, alias="to")


class SamplesOrder(_WindowOrder):
    """The body of `POST /control/matchtrade/accounts`. `count` is by default the number of emails."""

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


class StatusOrder(Order):
    """The body of `POST /control/matchtrade/accounts/{uuid}`."""

    status: Status


class StatusesOrder(_WindowOrder):
    """The body of `POST /control/matchtrade/statuses`: accounts by uuid, or by the time of their creation."""

    status: Status
    uuids: list[str] = []


class ExpireOrder(Order):
    """The body of `POST /control/matchtrade/expire`: every access token, and by default the refresh tokens."""

    refresh: bool = True


class Controls:
    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[web.RouteDef]:
        state = self._state
        return [
            get("/broker", lambda _: state.broker.model_dump()),
            post("/broker", Broker, self._change_broker),
            post("/expire", ExpireOrder, lambda order, _: {"expired": state.tokens.expire(refresh=order.refresh)}),
            get("/accounts", self._list_accounts),
            post("/accounts", SamplesOrder, self._add_accounts, 201),
            get("/accounts/{uuid}", lambda request: shown(self._found(request), state.broker)),
            post("/accounts/{uuid}", StatusOrder, self._put_account),
            post("/statuses", StatusesOrder, self._put_accounts),
            get("/changes", lambda _: {"pending": [order.model_dump(mode="json") for order in state.pending.all()]}),
            post("/changes", ChangesOrder, self._change),
            delete("/changes", lambda _: state.pending.clear()),
        ]

    def _change_broker(self, order: Broker, _request: web.Request) -> object:
        self._state.broker = self._state.broker.changed_by(order)
        return self._state.broker.model_dump()

    def _list_accounts(self, request: web.Request) -> object:
        query = request.query
        try:
            offset, limit = int(query.get("offset", "0")), int(query.get("limit", str(DEFAULT_LIMIT)))
        except ValueError as error:
            raise BadOrder("offset, limit: whole numbers") from error
        if offset < 0 or not 0 <= limit <= MAX_LIMIT:
            raise BadOrder(f"offset: 0 or more; limit: {MAX_LIMIT} at most")
        accounts: Sequence[Account] = self._state.accounts.all()
        if "email" in query:
            account = self._state.accounts.with_email(query["email"])
            accounts = [] if account is None else [account]
        rows = [shown(account, self._state.broker) for account in accounts[offset : offset + limit]]
        return {"accounts": rows, "total": len(accounts)}

    def _add_accounts(self, order: SamplesOrder, _request: web.Request) -> object:
        first = millis_of(BEGINNING) if order.start is None else millis(order.start)
        last = millis_now(self._state.clock) if order.end is None else millis(order.end)
        count = order.count or len(order.emails)
        if not count or last < first:
            raise BadOrder("count or emails, and from before to")
        origin = Origin.FOREIGN if order.foreign else Origin.OURS
        accounts = self._state.accounts
        added = accounts.add(Samples(count, first, last, origin, order.status, order.emails))
        return {"added": len(added), "total": len(accounts), "first": added[0].uuid, "last": added[-1].uuid}

    def _put_account(self, order: StatusOrder, request: web.Request) -> object:
        account = self._found(request)
        self._state.accounts.put([account], order.status)
        return shown(account, self._state.broker)

    def _put_accounts(self, order: StatusesOrder, _request: web.Request) -> object:
        accounts = [account for uuid in order.uuids if (account := self._state.accounts.get(uuid)) is not None]
        if order.start is not None and order.end is not None:
            accounts += self._state.accounts.within(Window(millis(order.start), millis(order.end)))
        elif not order.uuids:
            raise BadOrder("uuids, or from and to")
        return {"changed": self._state.accounts.put(accounts, order.status)}

    def _change(self, order: ChangesOrder, _request: web.Request) -> object:
        if order.page is None:
            return {"changed": order.apply(self._state.accounts)}
        self._state.pending.add(order)
        return {"pending": len(self._state.pending.all())}

    def _found(self, request: web.Request) -> Account:
        return existing(self._state.accounts.get(request.match_info["uuid"]))
