"""An HTTP client of `/control`. `remote.py` and the partners' folders have the methods."""

import json
from dataclasses import dataclass, replace
from typing import Any, Self
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

TIMEOUT_SECONDS = 10


class ControlError(RuntimeError):
    """The control refused an order. The message has the status and the reason."""


@dataclass(frozen=True, slots=True)
class ControlClient:
    """The controls of the sandbox at `url`.

    `partner` is the partner that the methods of one kind are about; empty for the one that has the kind's name.
    """

    url: str
    partner: str = ""

    def at(self, partner: str) -> Self:
        """The controls of one partner of several of its kind."""
        return replace(self, partner=partner)

    def path(self, kind: str, rest: str) -> str:
        """The path of a control of the partner."""
        return f"{self.partner or kind}/{rest}"

    def get(self, path: str, **query: Any) -> Any:
        """Return the JSON. Parameters that are None are left out."""
        given = urlencode({name: value for name, value in query.items() if value is not None})
        return self.order("GET", f"/control/{path}{'?' if given else ''}{given}")

    def post(self, path: str, body: object = None, timeout: float = TIMEOUT_SECONDS) -> Any:
        return self.order("POST", f"/control/{path}", body, timeout)

    def order(self, method: str, path: str, body: object = None, timeout: float = TIMEOUT_SECONDS) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.url + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urlopen(request, timeout=timeout) as response:
                raw = response.read()
        except HTTPError as error:
            with error:
                raise ControlError(f"{error.code} {error.read().decode()}") from None
        return json.loads(raw) if raw else None
