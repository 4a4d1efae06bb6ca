"""GET /health."""

from __future__ import annotations

from typing import Literal, TypedDict

from leadbridge.api.requests import ApiRequest
from leadbridge.api.router import route


class HealthView(TypedDict):
    """The API is available."""

    status: Literal["ok"]


@route("GET", "/health", is_open=True)
def health(_request: ApiRequest) -> HealthView:
    """Report that the API is available."""
    return {"status": "ok"}
