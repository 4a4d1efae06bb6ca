"""The routes of `/control`, and the JSON bodies (orders) that they take."""

import json
from collections.abc import Callable
from typing import Self

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from devstack.sandbox import strict_json


class Order(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    async def read(cls, request: web.Request) -> Self:
        """The body of a request, `{}` if absent. Raises `BadOrder`."""
        try:
            return cls.model_validate_json(await request.read() or b"{}")
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=False, include_input=False)
            raise BadOrder("; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in found)) from error


class BadOrder(web.HTTPBadRequest):
    """400 `{"detail": …}`: a wrong call of the control itself."""

    def __init__(self, detail: str) -> None:
        super().__init__(text=json.dumps({"detail": detail}, ensure_ascii=False), content_type="application/json")


def get(path: str, show: Callable[[web.Request], object]) -> web.RouteDef:
    """A route that returns what `show` returns."""

    async def handle(request: web.Request) -> web.Response:
        return reply(show(request))

    return web.get(path, handle)


def post[Body: Order](
    path: str, order: type[Body], execute: Callable[[Body, web.Request], object], status: int = 200
) -> web.RouteDef:
    """A route that takes an order. OverflowError and ValueError become a 400."""

    async def handle(request: web.Request) -> web.Response:
        body = await order.read(request)
        try:
            return reply(execute(body, request), status)
        except (OverflowError, ValueError) as error:
            raise BadOrder(str(error)) from error

    return web.post(path, handle)


def delete(path: str, execute: Callable[[web.Request], object]) -> web.RouteDef:
    """A route that answers 204, or 404 if `execute` returns False."""

    async def handle(request: web.Request) -> web.Response:
        if execute(request) is False:
            raise web.HTTPNotFound
        return web.Response(status=204)

    return web.delete(path, handle)


def existing[Thing](thing: Thing | None) -> Thing:
    """Return the thing. Raises a 404 for None."""
    if thing is None:
        raise web.HTTPNotFound
    return thing


def reply(value: object, status: int = 200) -> web.Response:
    if value is None:
        return web.Response(status=204)
    return web.Response(status=status, body=strict_json.dump(value), content_type="application/json")
