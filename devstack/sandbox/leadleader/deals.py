"""Deals, and the statuses they pass through over time."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from devstack.sandbox.partner import Clock, Pace, Progress, Rows, rfc3339

GRANTED_PATH = ("В обробці", "Погоджено", "Видано")
REFUSED_PATH = ("В обробці", "Відмовлено")
REFUSED_ABOVE = Decimal(500_000)
"""The partner declines a deal over more than this `summa`, and grants all others."""


@dataclass(slots=True)
class Deal:
    """`summa` is the text that was sent. A pinned deal keeps its status."""

    deal_id: int
    client_info: Mapping[str, str]
    termin: int
    summa: str
    progress: Progress
    pinned: bool = False

    def as_json(self) -> dict[str, Any]:
        return {
            "deal_id": self.deal_id,
            "created_at": rfc3339(self.progress.history[0][1]),
            "status": self.progress.status,
            "pinned": self.pinned,
            "clientInfo": dict(self.client_info),
            "termin": self.termin,
            "summa": self.summa,
            "history": self.progress.as_json(),
        }


class Deals:
    """Deals by id. Ids start at 1 and never repeat within a run, also after a reset."""

    def __init__(self, clock: Clock, pace: Pace) -> None:
        self._clock = clock
        self._pace = pace
        self._deals = Rows[int, Deal]()
        self._last_id = 0

    def create(self, body: Mapping[str, Any]) -> Deal:
        self._last_id += 1
        first, *ahead = REFUSED_PATH if body["summa"] > REFUSED_ABOVE else GRANTED_PATH
        progress = Progress([(first, self._clock())], tuple(ahead))
        deal = Deal(self._last_id, body["clientInfo"], body["termin"], str(body["summa"]), progress)
        self._deals.add(deal.deal_id, deal)
        return deal

    def get(self, deal_id: int) -> Deal:
        """The deal in its present status. Raises KeyError."""
        deal = self._deals[deal_id]
        deal.progress.advance(self._clock(), self._pace)
        return deal

    def pin(self, deal_id: int, status: str) -> Deal:
        """Set any status, which then no longer changes. Raises KeyError."""
        deal = self.get(deal_id)
        deal.pinned = True
        deal.progress.put(status, self._clock())
        return deal

    def all(self) -> list[Deal]:
        """Oldest first, in their present status."""
        return [self.get(deal_id) for deal_id in self._deals]

    def clear(self) -> None:
        self._deals.clear()
