"""The router of the operators' API.

A route is a function in a module of `leadbridge.api.routes`, decorated with `route`. Its annotations define the route:
`query` and `body` are the models of the request, the return type is the response. Dispatch, validation and the OpenAPI
document (tools/openapi.py) use them. The first line of the docstring is the summary.

A module has the name of a segment of its routes' paths, and is imported when one of its routes is called.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from inspect import getdoc
from typing import Any, get_type_hints

from pydantic import BaseModel

from leadbridge.api import routes
from leadbridge.api.errors import problem_for
from leadbridge.api.params import read_path, read_query
from leadbridge.api.problems import Problem, Response, answer, no_content
from leadbridge.api.requests import ApiRequest, operator_of, read_body
from leadbridge.api.resources import Resources
from leadbridge.runtime.budget import LambdaContext
from leadbridge.runtime.logs import count, logger

_ROUTES: dict[tuple[str, str], Route] = {}
_MODULES = frozenset(module.name for module in pkgutil.iter_modules(routes.__path__))


@dataclass(frozen=True)
class Route:
    """One method of one path.

    `problems` are the statuses of further problems, beside those of path, query and body. `is_open`: the route needs no
    token.
    """

    method: str
    path: str
    handler: Callable[..., Any]
    status: int
    problems: tuple[int, ...]
    is_open: bool

    @cached_property
    def types(self) -> dict[str, Any]:
        """The handler's annotations: `return`, and `query` and `body` if it has them."""
        return get_type_hints(self.handler, include_extras=True)

    @property
    def summary(self) -> str:
        """The first line of the handler's docstring."""
        return (getdoc(self.handler) or "").partition("\n")[0]

    def call(self, event: dict[str, Any], context: LambdaContext, resources: Resources) -> Response:
        """Validate a request and call the handler. Raises Problem, and exceptions of the handler."""
        path = read_path(self.path, event.get("pathParameters") or {})
        logger.append_keys(**path)
        arguments: dict[str, Any] = {}
        if query := self.types.get("query"):
            arguments["query"] = read_query(query, event.get("queryStringParameters") or {})
        if body := self.types.get("body"):
            arguments["body"] = read_body(body, event)
        content = self.handler(ApiRequest(operator_of(event), path, context, resources), **arguments)
        return no_content() if content is None else answer(self.status, content)


def route[H: Callable[..., Any]](
    method: str, path: str, *, status: int = 200, problems: tuple[int, ...] = (), is_open: bool = False
) -> Callable[[H], H]:
    """Register a function as the handler of a route. `status` is the status of a success."""

    def register(handler: H) -> H:
        _ROUTES[method, path] = Route(method, path, handler, status, problems, is_open)
        return handler

    return register


def find_route(method: str, path: str) -> Route | None:
    """Return a route. Imports its module if necessary."""
    if (method, path) not in _ROUTES:
        names = [segment.replace("-", "_") for segment in reversed(path.split("/"))]
        name = next((name for name in names if name in _MODULES), None)
        if name is not None:
            load(name)
    return _ROUTES.get((method, path))


def prepare(method: str, path: str) -> None:
    """Import a route and build the models of its requests, before the first request."""
    found = find_route(method, path)
    for kind in found.types.values() if found else ():
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            kind.model_rebuild()


def load(module: str) -> None:
    """Import a module of routes."""
    import_module(f"{routes.__name__}.{module}")


def all_routes() -> list[Route]:
    """Return every route, sorted by path and method."""
    for module in _MODULES:
        load(module)
    return [_ROUTES[key] for key in sorted(_ROUTES, key=lambda key: key[::-1])]


def handle(event: dict[str, Any], context: LambdaContext, resources: Callable[[], Resources]) -> Response:
    """Answer a gateway proxy event."""
    count("OperatorRequests")
    try:
        found = find_route(event["httpMethod"], event["resource"])
        if found is None:
            raise Problem(404, "unknown-route", "Unknown route", "This route does not exist.")
        return found.call(event, context, resources())
    except Exception as error:  # noqa: BLE001 - the outermost edge
        return problem_for(error).response()
