"""A client of Lead Leader's controls."""

from typing import Any

from devstack.sandbox.control_client import ControlClient


class Deals(ControlClient):
    __slots__ = ()

    def deals(self) -> list[dict[str, Any]]:
        return list(self.get(self.path("leadleader", "deals"))["deals"])

    def deal(self, deal_id: int) -> dict[str, Any]:
        return dict(self.get(self.path("leadleader", f"deals/{deal_id}")))

    def pin(self, deal_id: int, status: str) -> dict[str, Any]:
        return dict(self.post(self.path("leadleader", f"deals/{deal_id}"), {"status": status}))
