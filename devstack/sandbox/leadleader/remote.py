"""A client of Lead Leader's controls."""

from typing import Any

from devstack.sandbox.control_client import ControlClient


class Deals(ControlClient):
    """The deals at Lead Leader."""

    __slots__ = ()

    def deals(self) -> list[dict[str, Any]]:
        deals: list[dict[str, Any]] = self.order("GET", "/control/leadleader/deals")["deals"]
        return deals

    def deal(self, deal_id: int) -> dict[str, Any]:
        deal: dict[str, Any] = self.order("GET", f"/control/leadleader/deals/{deal_id}")
        return deal

    def pin(self, deal_id: int, status: str) -> dict[str, Any]:
        deal: dict[str, Any] = self.order("POST", f"/control/leadleader/deals/{deal_id}", {"status": status})
        return deal
