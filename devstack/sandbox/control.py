"""`/control`: faults, the call log, the pace of time, rotation of secrets, reset."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from aiohttp import web
from pydantic import Field

from devstack.sandbox.calls import CallLog
from devstack.sandbox.faults import FaultOrder, Faults
from devstack.sandbox.orders import BadOrder, Order, delete, get, post
from devstack.sandbox.partner import Pace, Partner


class PaceOrder(Order):
    """The body of `POST /control/pace`: seconds per step."""

    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class RotateOrder(Order):
    """The body of `POST /control/{partner}/rotate`. Without `what` the first of the partner's rotations."""

    what: str | None = None


class Control:
    """The routes that concern all partners. The application adds each partner's own."""

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
        self._rotate_secret = rotate

    def routes(self) -> list[web.RouteDef]:
        return [
            post("/control/faults", FaultOrder, self._arm, 201),
            get("/control/faults", lambda _: {"faults": [armed.as_json() for armed in self._faults.all()]}),
            delete("/control/faults", lambda _: self._faults.clear()),
            delete("/control/faults/{id}", lambda request: self._faults.clear(request.match_info["id"])),
            get("/control/calls", self._list_calls),
            get("/control/pace", lambda _: {"seconds": self._pace.seconds}),
            post("/control/pace", PaceOrder, self._set_pace),
            post("/control/reset", Order, self._reset),
            post("/control/{partner}/rotate", RotateOrder, self._rotate),
        ]

    def _arm(self, order: FaultOrder, _request: web.Request) -> object:
        operations = self._partner(order.partner).operations
        if order.operation is not None and order.operation not in operations:
            raise BadOrder(f"operation: one of {', '.join(sorted(operations))}")
        return self._faults.arm(order).as_json()

    def _list_calls(self, request: web.Request) -> object:
        query = request.query
        try:
            since = int(query.get("since", "0"))
        except ValueError as error:
            raise BadOrder("since: the number of a call") from error
        calls = self._log.select(query.get("partner"), query.get("operation"), since)
        return {"calls": [call.as_json() for call in calls]}

    def _set_pace(self, order: PaceOrder, _request: web.Request) -> object:
        for partner in self._partners.values():
            partner.advance()
        self._pace.seconds = order.seconds
        return {"seconds": self._pace.seconds}

    def _reset(self, _order: Order, _request: web.Request) -> None:
        for partner in self._partners.values():
            partner.reset()
        self._faults.clear()
        self._log.clear()

    def _rotate(self, order: RotateOrder, request: web.Request) -> object:
        partner = self._partner(request.match_info["partner"])
        what = order.what or next(iter(partner.rotations))
        if what not in partner.rotations:
            raise BadOrder(f"what: one of {', '.join(sorted(partner.rotations))}")
        return self._rotate_secret(partner.name, what)

    def _partner(self, name: str) -> Partner:
        if name not in self._partners:
            raise BadOrder(f"partner: one of {', '.join(sorted(self._partners))}")
        return self._partners[name]
