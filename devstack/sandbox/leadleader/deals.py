"""Deals, and the statuses they pass through over time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from devstack.sandbox.calls import rfc3339
from devstack.sandbox.partner import Clock, Pace
from devstack.sandbox.rows import Rows
from devstack.sandbox.strict_json import raw_text

GRANTED_PATH = ("В обробці", "Погоджено", "Видано")
REFUSED_PATH = ("В обробці", "Відмовлено")
REFUSED_ABOVE = Decimal(500_000)
"""The partner declines a deal over more than this `summa`, and grants all others."""


@dataclass(slots=True)
class Deal:
    """`summa` is the text that was sent. `history` has each status with its time."""

    deal_id: int
    created_at: float
    client_info: Mapping[str, str]
    termin: int
    summa: str
    path: tuple[str, ...]
    step_since: float
    step: int = 0
    pinned: bool = False
    history: list[tuple[str, float]] = field(default_factory=list)

    @property
    def status(self) -> str:
        return self.history[-1][0]

    def advance(self, now: float, pace: float) -> None:
        """Take every step that is due. A pinned deal keeps its status."""
        while not self.pinned and self.step + 1 < len(self.path) and now - self.step_since >= pace:
            self.step += 1
            self.step_since += pace
            self.history.append((self.path[self.step], self.step_since))

    def pin(self, status: str, now: float) -> None:
        self.pinned = True
        if status != self.status:
            self.history.append((status, now))

    def as_json(self) -> dict[str, Any]:
        return {
            "deal_id": self.deal_id,
            "created_at": rfc3339(self.created_at),
            "status": self.status,
            "pinned": self.pinned,
            "clientInfo": dict(self.client_info),
            "termin": self.termin,
            "summa": self.summa,
            "history": [{"status": status, "at": rfc3339(at)} for status, at in self.history],
        }


class Deals:
    """Deals by id. Ids start at 1 and never repeat within a run, also after a reset."""

    def __init__(self, clock: Clock, pace: Pace) -> None:
        self._clock = clock
        self._pace = pace
        self._deals = Rows[int, Deal]()
        self._last_id = 0

    def create(self, body: Mapping[str, Any]) -> Deal:
        """Store the deal of a valid create body."""
        self._last_id += 1
        now = self._clock()
        path = REFUSED_PATH if body["summa"] > REFUSED_ABOVE else GRANTED_PATH
        summa, history = raw_text(body["summa"]) or "", [(path[0], now)]
        deal = Deal(self._last_id, now, body["clientInfo"], body["termin"], summa, path, now, history=history)
        self._deals.add(deal.deal_id, deal)
        return deal

    def get(self, deal_id: int) -> Deal | None:
        """The deal in its present status."""
        deal = self._deals.get(deal_id)
        if deal is not None:
            deal.advance(self._clock(), self._pace.seconds)
        return deal

    def pin(self, deal_id: int, status: str) -> Deal | None:
        """Set any status, which then no longer changes."""
        deal = self.get(deal_id)
        if deal is not None:
            deal.pin(status, self._clock())
        return deal

    def all(self) -> list[Deal]:
        """Oldest first."""
        self.advance()
        return list(self._deals)

    def advance(self) -> None:
        now = self._clock()
        for deal in self._deals:
            deal.advance(now, self._pace.seconds)

    def clear(self) -> None:
        self._deals.clear()
