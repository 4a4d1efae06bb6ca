"""How `/control` is called. What each partner's controls are called by is in `remote.py` and in the kinds' folders."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

TIMEOUT_SECONDS = 10


class ControlError(RuntimeError):
    """The control refused an order; the message has its status and its reason."""


@dataclass(frozen=True, slots=True)
class ControlClient:
    """The controls of the sandbox at `url`."""

    url: str

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
