"""A client of `/control`, for tests, chaos runs and demonstrations. The README lists the routes."""

from dataclasses import dataclass, replace
from typing import Any, Self

import urllib3

TIMEOUT_SECONDS = 60  # to make 100,000 accounts takes long

_http = urllib3.PoolManager(retries=False, timeout=TIMEOUT_SECONDS, maxsize=8)  # keeps connections open


class ControlError(RuntimeError):
    """The control refused an order. The message has the status and the reason."""


@dataclass(frozen=True, slots=True)
class Remote:
    """The controls of the sandbox at `url`. `at` has those of one partner: its paths are below the partner's name."""

    url: str
    partner: str = ""

    def at(self, partner: str) -> Self:
        return replace(self, partner=partner)

    def get(self, path: str, **query: Any) -> Any:
        """Return the JSON. Parameters that are None are left out."""
        return self._order("GET", path, fields={name: value for name, value in query.items() if value is not None})

    def rows(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """Return the list of a route that has one, such as `leeloo/people`."""
        return list(self.get(path, **query)[path.rpartition("/")[2]])

    def post(self, path: str, body: object = None) -> Any:
        return self._order("POST", path, json={} if body is None else body)

    def delete(self, path: str) -> None:
        self._order("DELETE", path)

    def _order(self, method: str, path: str, **content: Any) -> Any:
        url = "/".join(filter(None, (self.url, "control", self.partner, path)))
        try:
            answer = _http.request(method, url, **content)
        except urllib3.exceptions.HTTPError as error:
            raise ConnectionError(f"{method} {path}: {error}") from error
        if answer.status >= 400:
            raise ControlError(f"{answer.status} {answer.data.decode()}")
        return answer.json() if answer.data else None

    def arm(self, partner: str, operation: str | None, fault: dict[str, Any], **options: Any) -> str:
        """Order a fault. Options: `times`, `skip`, `match`. Returns its id."""
        return str(self.post("faults", {"partner": partner, "operation": operation, "fault": fault, **options})["id"])

    def disarm(self, fault_id: str | None = None) -> None:
        self.delete("faults" if fault_id is None else f"faults/{fault_id}")

    def calls(self, partner: str | None = None, operation: str | None = None, since: int = 0) -> list[dict[str, Any]]:
        return self.rows("calls", partner=partner, operation=operation, since=since)

    def rotate(self, partner: str, what: str | None = None) -> dict[str, Any]:
        """Replace something in a partner's secret, by default its password or token. Returns the new secret."""
        return dict(self.post(f"{partner}/rotate", {"what": what}))

    def reset(self) -> None:
        self.post("reset")
