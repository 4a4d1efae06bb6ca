"""`/control`: break the partners, look at what they received, move time, rotate secrets, start afresh."""

import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from devstack.sandbox import strict_json
from devstack.sandbox.calls import CallLog
from devstack.sandbox.faults import FaultOrder, Faults
from devstack.sandbox.partner import Pace, Partner


class Refused(web.HTTPBadRequest):
    """400 `{"detail": …}`: the control itself was used wrongly."""

    def __init__(self, detail: str) -> None:
        super().__init__(text=json.dumps({"detail": detail}, ensure_ascii=False), content_type="application/json")


class PaceOrder(BaseModel):
    """The body of `POST /control/pace`: seconds per step."""

    model_config = ConfigDict(extra="forbid")
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class RotateOrder(BaseModel):
    """The body of `POST /control/{partner}/rotate`; without `what` the first of the partner's rotations."""

    model_config = ConfigDict(extra="forbid")
    what: str | None = None


def reply(value: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=strict_json.dump(value), content_type="application/json")


async def ordered[Order: BaseModel](request: web.Request, order: type[Order]) -> Order:
    """The body as an order of this shape, an absent body as `{}`. Raises `Refused`."""
    raw = await request.read()
    try:
        return order.model_validate_json(raw or b"{}")
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        raise Refused("; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in found)) from error


class Control:
    """Handlers of what concerns all partners; a partner's own routes are mounted beside them by the frame."""

    def __init__(
        self,
        partners: Mapping[str, Partner],
        log: CallLog,
        faults: Faults,
        pace: Pace,
        rotate: Callable[[str, str], dict[str, Any]],
    ) -> None:
        self._partners = partners
        self._log = log
        self._faults = faults
        self._pace = pace
        self._rotate = rotate

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/control/faults", self.arm),
            web.get("/control/faults", self.list_faults),
            web.delete("/control/faults", self.clear_faults),
            web.delete("/control/faults/{id}", self.clear_faults),
            web.get("/control/calls", self.list_calls),
            web.get("/control/pace", self.show_pace),
            web.post("/control/pace", self.set_pace),
            web.post("/control/reset", self.reset),
            web.post("/control/{partner}/rotate", self.rotate),
        ]

    async def arm(self, request: web.Request) -> web.Response:
        order = await ordered(request, FaultOrder)
        operations = self._partner(order.partner).operations
        if order.operation is not None and order.operation not in operations:
            raise Refused(f"operation: one of {', '.join(sorted(operations))}")
        try:
            return reply(self._faults.arm(order).shown(), 201)
        except OverflowError as error:
            raise Refused(str(error)) from error

    async def list_faults(self, _request: web.Request) -> web.Response:
        return reply({"faults": [armed.shown() for armed in self._faults.all()]})

    async def clear_faults(self, request: web.Request) -> web.Response:
        if not self._faults.clear(request.match_info.get("id")):
            raise web.HTTPNotFound
        return web.Response(status=204)

    async def list_calls(self, request: web.Request) -> web.Response:
        query = request.query
        try:
            since = int(query.get("since", "0"))
        except ValueError as error:
            raise Refused("since: the number of a call") from error
        calls = self._log.select(query.get("partner"), query.get("operation"), since)
        return reply({"calls": [call.shown() for call in calls]})

    async def show_pace(self, _request: web.Request) -> web.Response:
        return reply({"seconds": self._pace.seconds})

    async def set_pace(self, request: web.Request) -> web.Response:
        order = await ordered(request, PaceOrder)
        for partner in self._partners.values():
            partner.advance()
        self._pace.seconds = order.seconds
        return reply({"seconds": self._pace.seconds})

    async def reset(self, _request: web.Request) -> web.Response:
        for partner in self._partners.values():
            partner.reset()
        self._faults.clear()
        self._log.clear()
        return web.Response(status=204)

    async def rotate(self, request: web.Request) -> web.Response:
        order = await ordered(request, RotateOrder)
        partner = self._partner(request.match_info["partner"])
        what = order.what or next(iter(partner.rotations))
        if what not in partner.rotations:
            raise Refused(f"what: one of {', '.join(sorted(partner.rotations))}")
        return reply(self._rotate(partner.name, what))

    def _partner(self, name: Any) -> Partner:
        try:
            return self._partners[name]
        except KeyError as error:
            raise Refused(f"partner: one of {', '.join(sorted(self._partners))}") from error
