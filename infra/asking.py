"""One question to a deployed stack, and its answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import urllib3

TIMEOUT = 20.0  # seconds that one answer may take; a form's function has 15
PROBLEM = "urn:leadbridge:problem:"


@dataclass(frozen=True)
class Question:
    """One request, and by which answers all is well: a status, with the problem it must tell of where it is a refusal.

    `stores` says whether the answer 2xx would mean that something was stored: then it is not asked twice.
    """

    method: str
    path: str
    right: Mapping[int, str | None]
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    stores: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Answer:
    """What came back; `content` is the JSON in the body, empty where there is none."""

    status: int
    content_type: str
    content: Mapping[str, Any]

    def __str__(self) -> str:
        told = str(self.content.get("type", "")).removeprefix(PROBLEM)
        return f"{self.status} {told}".strip()


Ask = Callable[[str, Question], Answer]
"""Ask at an address, once. Raises urllib3's HTTPError if no answer comes in time."""


def asked_over_http(api_url: str, question: Question) -> Answer:
    """Ask a gateway."""
    response = urllib3.request(
        question.method,
        api_url + question.path,
        headers=question.headers,
        body=question.body,
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
