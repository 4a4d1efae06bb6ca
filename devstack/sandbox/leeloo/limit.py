"""The rate limit: a number of calls in a number of seconds, then a plain-text refusal."""

from typing import Annotated

from pydantic import Field

from devstack.sandbox.leeloo.refusals import too_many_requests
from devstack.sandbox.orders import Order
from devstack.sandbox.partner import Answer, Clock


class LimitOrder(Order):
    """The body of `POST /control/leeloo/limit`. `calls` None is no limit; `seconds` is the window's length."""

    calls: Annotated[int, Field(ge=0)] | None
    seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 60
    status: Annotated[int, Field(ge=200, le=599)] = 429
    retry_after: Annotated[int, Field(ge=0)] | None = None


OFF = LimitOrder(calls=None)


class RateLimit:
    """A window begins with the first call after the end of the last one. Refused calls do not count."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._opened_at = 0.0
        self._calls = 0
        self.order = OFF

    def set(self, order: LimitOrder) -> None:
        """Replace the limit and reset the count."""
        self.order = order
        self._calls = 0

    def refusal(self) -> Answer | None:
        """Count a call. Returns the refusal of one above the limit."""
        order = self.order
        if order.calls is None:
            return None
        now = self._clock()
        if self._calls == 0 or now - self._opened_at >= order.seconds:
            self._opened_at, self._calls = now, 0
        if self._calls >= order.calls:
            return too_many_requests(order.status, order.retry_after)
        self._calls += 1
        return None
