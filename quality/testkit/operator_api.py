"""The operators' API called through its handler, with AWS in memory."""

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from leadbridge.runtime import aws
from leadbridge.storage.leads import LeadRepository
from quality.testkit.fixtures import Context

KEY = "an index key of the tests alone"

Get = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def get(store: LeadRepository, function: Callable[[str], ModuleType], context: Context) -> Get:
    aws.secrets_manager().create_secret(Name="leadbridge/index", SecretString=json.dumps({"key": KEY}))
    app = function("manage_leads")

    def ask(resource: str = "/leads", lead_id: str | None = None, **query: str) -> tuple[int, dict[str, Any]]:
        event = {
            "httpMethod": "GET",
            "resource": resource,
            "pathParameters": {"lead_id": lead_id} if lead_id else None,
            "queryStringParameters": query or None,
            "requestContext": {"authorizer": {"operator": "local"}},
        }
        response = app.handler(event, context)
        return response["statusCode"], json.loads(response["body"])

    return ask


def ids(get: Get, **query: str) -> list[str]:
    """All pages of a list."""
    found: list[str] = []
    for _ in range(50):
        status, page = get(**query)
        assert status == 200
        found += [shown["lead_id"] for shown in page["leads"]]
        if page["cursor"] is None:
            return found
        query["cursor"] = page["cursor"]
    raise AssertionError("pages without end")
