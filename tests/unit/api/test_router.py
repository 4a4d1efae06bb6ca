"""The router: what it refuses before a handler is called, and which problem each exception becomes."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from types import ModuleType
from typing import Any

import pytest
from botocore.exceptions import ClientError

from leadbridge.api import router
from leadbridge.api.errors import problem_for
from leadbridge.api.params import MaskedQuery, invalid_query, read_path, read_query
from leadbridge.api.problems import Problem
from leadbridge.api.router import all_routes, find_route
from leadbridge.api.routes.leads import LeadsQuery
from leadbridge.api.routes.stats import StatsQuery
from leadbridge.domain.acceptance.status import LeadStatus
from leadbridge.domain.errors.partner_errors import Unavailable
from leadbridge.domain.errors.secret_errors import SecretMissing
from leadbridge.domain.operator_steps import SubmissionInProgress, WrongState
from leadbridge.domain.transitions import AlreadyLinked, Conflict
from leadbridge.runtime.aws_errors import Contended
from leadbridge.services.dead_letters.queues import UnknownQueue
from leadbridge.storage.erasure.eraser import LeadNotFound
from leadbridge.storage.queries.lead_list import InvalidCursor
from leadbridge.storage.statistics.counters import TooManyCounters
from quality.testkit.fixtures import Context

LEAD_ID = "ld_" + "a" * 26
THROTTLED = ClientError({"Error": {"Code": "ThrottlingException", "Message": "x"}}, "Query")


def refused(call: Callable[[], object]) -> Problem:
    """The problem that a call raises."""
    with pytest.raises(Problem) as caught:
        call()
    return caught.value


def test_every_route_has_a_summary_and_says_what_it_returns() -> None:
    routes = all_routes()
    assert len(routes) >= 16
    assert [route.path for route in routes if not route.summary.endswith(".") or "return" not in route.types] == []


def test_routes_and_their_modules_are_found_by_the_path() -> None:
    for route in all_routes():
        assert find_route(route.method, route.path) is route
    assert find_route("GET", "/leads/{lead_id}/nothing") is None
    assert find_route("GET", "/../errors") is None
    assert find_route("PATCH", "/health") is None


def test_a_module_of_routes_is_imported_when_a_route_of_it_is_called() -> None:
    code = (
        "import sys; from leadbridge.api.router import find_route; find_route('GET', '/health'); "
        "print(*(name for name in sys.modules if name.startswith('leadbridge.api.routes.')))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout.split() == ["leadbridge.api.routes.health"]


def test_an_unknown_route_is_a_404(aws_mocked: None, function: Callable[[str], ModuleType], context: Context) -> None:
    event = {"httpMethod": "GET", "resource": "/nothing"}
    answer = function("manage_leads").handler(event, context)
    assert (answer["statusCode"], json.loads(answer["body"])["title"]) == (404, "Unknown route")


def test_a_query_is_read_and_an_empty_parameter_is_a_missing_one() -> None:
    query = read_query(LeadsQuery, {"status": "failed", "phone": " 380500000001", "masked": "true", "source": ""})
    assert (query.status, query.phone, query.masked, query.source) == (LeadStatus.FAILED, "+380500000001", True, None)
    assert (query.limit, query.attention) == (25, False)
    assert read_query(StatsQuery, {"to": "2026-11-02"}) == StatsQuery.model_validate({"to": date(2026, 11, 2)})


@pytest.mark.parametrize(
    ("kind", "query", "detail"),
    [
        (MaskedQuery, {"masked": "yes"}, "masked must be true or false."),
        (MaskedQuery, {"colour": "", "x": "1"}, "Unknown parameter: colour, x."),
        (LeadsQuery, {"limit": "101"}, "limit must be less than or equal to 100."),
        (LeadsQuery, {"phone": "nobody"}, "phone must be a phone number."),
        (StatsQuery, {"from": "9999-12-31"}, "from must be a day such as 2026-11-02."),
    ],
)
def test_a_query_that_is_not_valid_is_a_400_that_names_the_parameter(
    kind: Any, query: dict[str, str], detail: str
) -> None:
    problem = refused(lambda: read_query(kind, query))
    assert (problem.status, problem.detail) == (400, detail)


@pytest.mark.parametrize(
    ("name", "value", "slug"),
    [
        ("lead_id", "LEAD", "unknown-lead"),
        ("partner", "x" * 65, "unknown-lead"),
        ("message_id", "%", "unknown-message"),
        ("queue", "", "unknown-queue"),
    ],
)
def test_a_path_that_cannot_be_is_a_404(name: str, value: str, slug: str) -> None:
    problem = refused(lambda: read_path(f"/x/{{{name}}}", {name: value}))
    assert (problem.status, problem.slug) == (404, slug)


def test_a_path_is_read_encoded_and_decoded() -> None:
    for value in ("2026#1", "2026%231"):
        assert read_path("/x/{message_id}/retry", {"message_id": value, "other": "y"}) == {"message_id": "2026#1"}


@pytest.mark.parametrize(
    ("error", "status", "slug"),
    [
        (invalid_query("x"), 400, "invalid-query"),
        (InvalidCursor(), 400, "invalid-query"),
        (TooManyCounters(), 400, "invalid-query"),
        (LeadNotFound(), 404, "unknown-lead"),
        (UnknownQueue(), 404, "unknown-queue"),
        (WrongState("x"), 409, "wrong-state"),
        (SubmissionInProgress(), 409, "in-progress"),
        (Conflict(), 409, "conflict"),
        (AlreadyLinked(LEAD_ID), 409, "already-linked"),
        (Unavailable("leadleader", "status", "away"), 503, "partner-unavailable"),
        (SecretMissing("index"), 503, "not-ready"),
        (Contended(), 503, "busy"),
        (THROTTLED, 503, "busy"),
        (RuntimeError("secret"), 500, "internal"),
    ],
)
def test_each_exception_becomes_its_problem(error: Exception, status: int, slug: str) -> None:
    problem = problem_for(error)
    assert (problem.status, problem.slug) == (status, slug)
    assert "secret" not in problem.detail or slug == "not-ready"
    assert (problem.retry_after is not None) is (status == 503)


def test_a_route_is_prepared_before_its_first_request() -> None:
    router.prepare("GET", "/leads")
    assert LeadsQuery.__pydantic_complete__
    router.prepare("GET", "/nothing")
