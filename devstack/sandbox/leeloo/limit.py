"""Rate limiting: so many calls in so many seconds, then plain text instead of an answer."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from devstack.sandbox.leeloo.refusals import too_many_requests
from devstack.sandbox.partner import Answer, Clock


class LimitOrder(BaseModel):
    """The body of `POST /control/leeloo/limit`. `calls` None is no limit; `seconds` is the window's length."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    calls: Annotated[int, Field(ge=0)] | None
    seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 60
    status: Annotated[int, Field(ge=200, le=599)] = 429
    retry_after: Annotated[int, Field(ge=0)] | None = None


OFF = LimitOrder(calls=None)


class RateLimit:
    """A window opens with the first call that comes after the last one's end; calls above the limit do not count."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._opened_at = 0.0
        self._calls = 0
        self.order = OFF

    def set(self, order: LimitOrder) -> None:
        """Replace the limit and forget the calls that were counted."""
        self.order = order
        self._calls = 0

    def refusal(self) -> Answer | None:
        """Count a call; the answer to it where it is one too many."""
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
