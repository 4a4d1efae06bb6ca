"""HTTP requests to a deployed stack, and their expected answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import urllib3

TIMEOUT = 20.0  # seconds; a form's function has 15
PROBLEM = "urn:leadbridge:problem:"


@dataclass(frozen=True)
class Request:
    """One request, and the expected answers: a status, and for a refusal the last part of its problem type.

    `stores`: a 2xx means that something was stored, so the request is not repeated.
    """

    method: str
    path: str
    expected: Mapping[int, str | None]
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    stores: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Answer:
    """A response. `content` is the JSON body, empty if there is none."""

    status: int
    content_type: str
    content: Mapping[str, Any]

    def __str__(self) -> str:
        problem = str(self.content.get("type", "")).removeprefix(PROBLEM)
        return f"{self.status} {problem}".strip()


Send = Callable[[str, Request], Answer]
"""Sends a request once to an address. Raises urllib3's HTTPError if there is no answer in time."""


def send_over_http(api_url: str, request: Request) -> Answer:
    """Send a request to a gateway."""
    response = urllib3.request(
        request.method,
        api_url + request.path,
        headers=request.headers,
        body=request.body,
        timeout=urllib3.Timeout(total=TIMEOUT),
        retries=False,
        redirect=False,
    )
    try:
        content = json.loads(response.data)
    except ValueError:
        content = {}
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return Answer(response.status, kind, content if isinstance(content, dict) else {})
