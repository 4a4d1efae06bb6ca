"""HTTP requests to the API of a stack."""

import json
import time
from dataclasses import dataclass
from typing import Any

import urllib3

from devstack.stack import Stack

TIMEOUT = 45  # seconds; more than the authorizer (10 s) and the slowest function behind the API (28 s) may take


@dataclass(frozen=True)
class Answer:
    """A response. `content` is the JSON body."""

    status: int
    content: dict[str, Any]
    headers: dict[str, str]
    seconds: float

    def __str__(self) -> str:
        """The status, and the last part of the type of a problem."""
        return f"{self.status} {str(self.content.get('type', '')).rpartition(':')[2]}".strip()


@dataclass(frozen=True)
class Operator:
    stack: Stack

    def get(self, path: str) -> Answer:
        return self.call("GET", path)

    def post(self, path: str, body: dict[str, Any] | None = None) -> Answer:
        return self.call("POST", path, body)

    def patch(self, path: str, body: dict[str, Any]) -> Answer:
        return self.call("PATCH", path, body)

    def lead(self, lead_id: str) -> dict[str, Any]:
        answer = self.get(f"/leads/{lead_id}")
        if answer.status != 200:
            raise LookupError(f"GET /leads/{lead_id} was answered {answer.status}")
        return answer.content

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        headers = {"Authorization": f"Bearer {self.stack.operator_token}", "Content-Type": "application/json"}
        content = None if body is None else json.dumps(body).encode()
        return ask(method, f"{self.stack.api_url}{path}", headers=headers, body=content)


def ask(method: str, url: str, *, headers: dict[str, str] | None = None, body: bytes | None = None) -> Answer:
    """Make a request and return the response with any status. A GET without a response is retried."""
    began = time.monotonic()
    retries = urllib3.Retry(total=2, redirect=False, respect_retry_after_header=False) if method == "GET" else False
    response = urllib3.request(method, url, headers=headers, body=body, timeout=TIMEOUT, retries=retries)
    seconds = time.monotonic() - began
    try:
        content = json.loads(response.data)
    except ValueError:
        content = {}
    names = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status, content if isinstance(content, dict) else {}, names, seconds)
