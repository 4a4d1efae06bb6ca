"""The API against its own description: the same routes, and nothing answered that is not described."""

import base64
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from devstack.sandbox.server import Sandbox
from quality.testkit.aws.all_flows import PLAIN, WEBHOOK_TOKEN, forms, post, put_secrets
from quality.testkit.aws.memory_gateway import MemoryGateway
from quality.testkit.aws.memory_stack import MemoryStack, memory_stack
from quality.testkit.aws.operator_flows import BEARER, TOKEN
from quality.testkit.wiring import routes
from tools.openapi import FILE, document, written

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
DOCUMENT = document()
GATEWAY = MemoryGateway(DOCUMENT)
API = schemathesis.openapi.from_wsgi("/openapi.json", GATEWAY)


class Described(NamedTuple):
    """A route of the description."""

    method: str
    path: str
    operation: dict[str, Any]


def described() -> Iterator[Described]:
    for path, methods in DOCUMENT["paths"].items():
        yield from (Described(method.upper(), path, operation) for method, operation in methods.items())


ROUTES = list(described())
OPERATORS = pytest.mark.parametrize(
    "route",
    [route for route in ROUTES if "security" in route.operation],
    ids=lambda route: route.operation["operationId"],
)
WITH_BODY = pytest.mark.parametrize(
    "route",
    [route for route in ROUTES if "requestBody" in route.operation],
    ids=lambda route: route.operation["operationId"],
)
IS_LONG = settings.get_current_profile_name() == "nightly"


@pytest.fixture(scope="module")
def stack(sandbox: Sandbox) -> Iterator[MemoryStack]:
    """A stack with leads in several states, after a first sync."""
    with memory_stack() as made:
        put_secrets(made, sandbox.secrets())
        forms(made)
        made.carry()
        made.invoke("SyncAccounts", {})
        made.carry()
        GATEWAY.stack = made
        yield made


@pytest.fixture(scope="module")
def lead_id(stack: MemoryStack) -> str:
    """A lead that is there."""
    return post(stack, "good")[0]


def test_the_committed_description_is_the_codes_own() -> None:
    assert FILE.read_text(encoding="utf-8") == written(), "run `make openapi`"


def test_every_route_of_the_template_is_described_and_no_other() -> None:
    assert {(route.method, route.path) for route in ROUTES} == set(routes())
    behind = {key for key, (_, properties) in routes().items() if properties.get("Auth") == {"Authorizer": "Operator"}}
    assert {(route.method, route.path) for route in ROUTES if "security" in route.operation} == behind


@OPERATORS
@pytest.mark.parametrize("header", [None, "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN} "])
def test_only_an_operator_is_answered(stack: MemoryStack, route: Described, header: str | None) -> None:
    headers = {"Authorization": header} if header else {}
    answer = stack.ask(route.method, route.path, headers=headers)
    assert answer["statusCode"] == 401
    assert json.loads(answer["body"])["type"] == "urn:leadbridge:problem:unauthorized"


@pytest.mark.parametrize(
    "query", [{"to": "0001-01-02"}, {"to": "9999-12-31"}, {"from": "0001-01-01", "to": "0001-01-01"}]
)
def test_days_at_the_calendars_ends_are_no_question(stack: MemoryStack, query: dict[str, str]) -> None:
    assert stack.ask("GET", "/stats", headers=BEARER, queryStringParameters=query)["statusCode"] == 400


@pytest.mark.parametrize("part", ["", "\ud800", "x" * 5000])
def test_a_cursor_that_the_table_would_not_take_is_none(stack: MemoryStack, part: str) -> None:
    key = {"pk": part, "sk": "x", "listed": "lead", "received_key": "x"}
    cursor = base64.urlsafe_b64encode(json.dumps(key).encode()).decode()
    answer = stack.ask("GET", "/leads", headers=BEARER, queryStringParameters={"cursor": cursor})
    assert answer["statusCode"] == 400


@pytest.mark.parametrize("partner", ["x" * 3000, "\ud800", "é"])
def test_the_table_is_not_asked_for_a_partner_that_cannot_be(stack: MemoryStack, lead_id: str, partner: str) -> None:
    asked, place = len(stack.calls), {"lead_id": lead_id, "partner": partner}
    path = "/leads/{lead_id}/deliveries/{partner}/check"
    assert stack.ask("POST", path, headers=BEARER, pathParameters=place)["statusCode"] == 404
    assert {call.operation for call in stack.calls[asked:]} <= {"GetSecretValue"}


LARGE = "x" * (256 * 1024 + 1)


@WITH_BODY
def test_no_route_reads_a_body_of_more_than_256_kib(stack: MemoryStack, lead_id: str, route: Described) -> None:
    places = {
        "source": "plain-credit",
        "lead_id": lead_id,
        "partner": "leadleader",
        "token": WEBHOOK_TOKEN,
        "queue": "checks",
        "group": "failed.leadleader.capped",
        "event_id": "evt_" + "0" * 32,
    }
    headers = {**BEARER, "Content-Type": "application/json", "X-Webhook-Token": PLAIN}
    answer = stack.ask(route.method, route.path, LARGE, headers=headers, pathParameters=places)
    assert answer["statusCode"] == 413


@API.parametrize()
@settings(
    max_examples=500 if IS_LONG else 8,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=not IS_LONG,
)
def test_whatever_is_asked_the_answer_is_as_described(case: Any, lead_id: str) -> None:
    places = case.path_parameters or {}
    if "lead_id" in places and len(str(case.body)) % 2:
        places["lead_id"] = lead_id
    if "source" in places:
        places["source"] = ("plain-credit", "web", "meta-credit", "nobody")[len(str(places["source"])) % 4]
    if "token" in places and len(str(places["token"])) % 2:
        places["token"] = WEBHOOK_TOKEN
    if case.path.startswith("/webhooks"):
        case.headers = {**(case.headers or {}), "X-Webhook-Token": PLAIN}
    case.call_and_validate(headers=BEARER, checks=CHECKS)
