"""A client of `/control`, for tests and demonstrations."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

TIMEOUT_SECONDS = 10


class ControlError(RuntimeError):
    """The control refused an order; the message has its status and its reason."""


@dataclass(frozen=True, slots=True)
class Remote:
    """The controls of the sandbox at `url`."""

    url: str

    def arm(self, partner: str, operation: str | None, fault: dict[str, Any], **options: Any) -> str:
        """Order a fault (`times`, `skip`, `match` as options); returns its id."""
        order = {"partner": partner, "operation": operation, "fault": fault, **options}
        fault_id: str = self._ask("POST", "/control/faults", order)["id"]
        return fault_id

    def faults(self) -> list[dict[str, Any]]:
        faults: list[dict[str, Any]] = self._ask("GET", "/control/faults")["faults"]
        return faults

    def disarm(self, fault_id: str | None = None) -> None:
        """Clear one fault, or all of them."""
        self._ask("DELETE", "/control/faults" if fault_id is None else f"/control/faults/{fault_id}")

    def calls(self, partner: str | None = None, operation: str | None = None, since: int = 0) -> list[dict[str, Any]]:
        asked = {"partner": partner, "operation": operation, "since": since}
        query = urlencode({name: value for name, value in asked.items() if value is not None})
        calls: list[dict[str, Any]] = self._ask("GET", f"/control/calls?{query}")["calls"]
        return calls

    def deals(self) -> list[dict[str, Any]]:
        deals: list[dict[str, Any]] = self._ask("GET", "/control/leadleader/deals")["deals"]
        return deals

    def deal(self, deal_id: int) -> dict[str, Any]:
        deal: dict[str, Any] = self._ask("GET", f"/control/leadleader/deals/{deal_id}")
        return deal

    def pin(self, deal_id: int, status: str) -> dict[str, Any]:
        deal: dict[str, Any] = self._ask("POST", f"/control/leadleader/deals/{deal_id}", {"status": status})
        return deal

    def set_pace(self, seconds: float) -> None:
        self._ask("POST", "/control/pace", {"seconds": seconds})

    def rotate(self, partner: str, what: str) -> dict[str, str]:
        """The partner's new secret."""
        secret: dict[str, str] = self._ask("POST", f"/control/{partner}/rotate", {"what": what})
        return secret

    def reset(self) -> None:
        self._ask("POST", "/control/reset")

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.url + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urlopen(request, timeout=TIMEOUT_SECONDS) as response:
                raw = response.read()
        except HTTPError as error:
            with error:
                raise ControlError(f"{error.code} {error.read().decode()}") from None
        return json.loads(raw) if raw else None
