"""Deals, and the statuses they pass through as time goes by."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from devstack.sandbox.calls import rfc3339
from devstack.sandbox.partner import Clock, Pace
from devstack.sandbox.strict_json import raw_text

MAX_STORED = 100_000

GRANTED_PATH = ("В обробці", "Погоджено", "Видано")
REFUSED_PATH = ("В обробці", "Відмовлено")
REFUSED_ABOVE = Decimal(500_000)
"""A deal over more than this `summa` is refused in the end; any other is granted."""


@dataclass(slots=True)
class Deal:
    """A deal as it was asked for; `summa` is the text that was sent. `history` is each status with its time."""

    deal_id: int
    created_at: float
    client_info: Mapping[str, str]
    termin: int
    summa: str
    path: tuple[str, ...]
    step: int = 0
    step_since: float = 0.0
    pinned: bool = False
    history: list[tuple[str, float]] = field(default_factory=list)

    @property
    def status(self) -> str:
        return self.history[-1][0]

    def advance(self, now: float, pace: float) -> None:
        """Take every step that is due. A pinned deal stays where it was put."""
        while not self.pinned and self.step + 1 < len(self.path) and now - self.step_since >= pace:
            self.step += 1
            self.step_since += pace
            self.history.append((self.path[self.step], self.step_since))

    def pin(self, status: str, now: float) -> None:
        self.pinned = True
        if status != self.status:
            self.history.append((status, now))

    def shown(self) -> dict[str, Any]:
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
    """The last `kept` deals by id. Ids start at 1 and never repeat within a run, not even after a reset."""

    def __init__(self, clock: Clock, pace: Pace, kept: int = MAX_STORED) -> None:
        self._clock = clock
        self._pace = pace
        self._kept = kept
        self._deals: OrderedDict[int, Deal] = OrderedDict()
        self._last_id = 0

    def create(self, body: Mapping[str, Any]) -> Deal:
        """Keep a deal from a create body without errors."""
        self._last_id += 1
        now = self._clock()
        path = REFUSED_PATH if body["summa"] > REFUSED_ABOVE else GRANTED_PATH
        deal = Deal(
            deal_id=self._last_id,
            created_at=now,
            client_info=body["clientInfo"],
            termin=body["termin"],
            summa=raw_text(body["summa"]) or "",
            path=path,
            step_since=now,
            history=[(path[0], now)],
        )
        self._deals[deal.deal_id] = deal
        if len(self._deals) > self._kept:
            self._deals.popitem(last=False)
        return deal

    def get(self, deal_id: int) -> Deal | None:
        """The deal as it stands now."""
        deal = self._deals.get(deal_id)
        if deal is not None:
            deal.advance(self._clock(), self._pace.seconds)
        return deal

    def pin(self, deal_id: int, status: str) -> Deal | None:
        """Put a deal in any status, for good."""
        deal = self.get(deal_id)
        if deal is not None:
            deal.pin(status, self._clock())
        return deal

    def all(self) -> list[Deal]:
        """Oldest first."""
        self.advance()
        return list(self._deals.values())

    def latest(self, count: int) -> list[Deal]:
        """Newest first."""
        newest = [number for number, _ in zip(reversed(self._deals), range(count), strict=False)]
        return [deal for deal in map(self.get, newest) if deal is not None]

    def advance(self) -> None:
        now = self._clock()
        for deal in self._deals.values():
            deal.advance(now, self._pace.seconds)

    def clear(self) -> None:
        self._deals.clear()

    def __len__(self) -> int:
        return len(self._deals)
