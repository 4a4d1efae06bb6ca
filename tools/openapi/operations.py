"""The operations of the document: the operators' routes as they are registered, and those of other functions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, NotRequired, TypedDict, get_args

from pydantic import BaseModel, Field

from devstack.template import read_template
from leadbridge.api.params import PATH_PARAMETERS, PLACEHOLDER, QueryParams
from leadbridge.api.problems import FieldErrorView
from leadbridge.api.router import Route, all_routes
from leadbridge.api.schemas import LeadId
from leadbridge.domain.delivery import State
from tools.config import read_toml

ROOT = Path(__file__).parents[2]
JSON, TEXT, HTML = "application/json", "text/plain", "text/html"
FORMS = (JSON, "application/x-www-form-urlencoded", "multipart/form-data")

type Answers = dict[int, tuple[Any, ...] | str | None]


@dataclass(frozen=True)
class Operation:
    """One method of one path.

    `answers` are the successes by status: types, a media type, or None for an empty body. `problems` are the statuses
    of problem details. `body` is a model, or the media types that a form may send.
    """

    method: str
    path: str
    name: str
    summary: str
    answers: Answers
    problems: tuple[int, ...] = ()
    parameters: tuple[dict[str, Any], ...] = ()
    body: type[BaseModel] | tuple[str, ...] | None = None
    is_operators: bool = False


def parameter(name: str, place: str, description: str, **schema: Any) -> dict[str, Any]:
    """Describe a parameter of a path, a query or a header, a text by default. Those of a path are required."""
    found = {"name": name, "in": place, "description": description, "schema": schema or {"type": "string"}}
    return {**found, "required": True} if place == "path" else found


def operators_operations() -> list[Operation]:
    """Return the operators' routes."""
    names = names_by_parameter()
    return [operation_of(route, names) for route in all_routes()]


def operation_of(route: Route, names: dict[str, list[str]]) -> Operation:
    """Describe a route by its handler's annotations."""
    query, body, returned = route.types.get("query"), route.types.get("body"), route.types["return"]
    types = get_args(returned) if isinstance(returned, UnionType) else (returned,)
    path = [path_parameter(name, names.get(name)) for name in PLACEHOLDER.findall(route.path)]
    problems = (*([404] if path else []), *([400] if query else []), *([400, 413, 422] if body else []))
    first, *others = route.handler.__name__.split("_")
    return Operation(
        method=route.method,
        path=route.path,
        name=first + "".join(word.title() for word in others),
        summary=route.summary,
        answers={route.status: None if returned is type(None) else types},
        problems=(*route.problems, *problems),
        parameters=(*path, *(query_parameters(query) if query else ())),
        body=body,
        is_operators=not route.is_open,
    )


def path_parameter(name: str, names: list[str] | None) -> dict[str, Any]:
    """Describe a parameter of a path by its names, where they are known, or by its pattern."""
    known = PATH_PARAMETERS[name]
    allowed: dict[str, Any] = {"enum": names} if names else {"pattern": f"^{known.pattern}$"}
    return parameter(name, "path", known.description, type="string", **allowed)


def query_parameters(model: type[QueryParams]) -> Iterator[dict[str, Any]]:
    """Describe the parameters of a query: types without the null of an optional field, references resolved."""
    schema = model.model_json_schema()
    for name, found in schema.get("properties", {}).items():
        kind = next(one for one in found.get("anyOf", [found]) if one.get("type") != "null")
        if "$ref" in kind:
            kind = schema["$defs"][kind["$ref"].rpartition("/")[2]]
        kept = {key: value for key, value in kind.items() if key not in {"default", "description", "title"}}
        yield parameter(name, "query", found["description"], **kept)


def names_by_parameter() -> dict[str, list[str]]:
    """Return the names that a path may have: partners of the configuration, dead-letter queues of the template."""
    environment = read_template(ROOT / "template.yaml")["Resources"]["ManageLeads"]["Properties"]["Environment"]
    return {
        "partner": list(read_toml(ROOT / "config", "prod")["partners"]),
        "queue": list(json.loads(environment["Variables"]["DEAD_LETTER_QUEUES"]["Fn::Sub"])),
    }


class ReceivedView(TypedDict):
    """A stored lead. `lead_ids` are all of a post that has several."""

    lead_id: LeadId
    status: Literal["received"]
    lead_ids: NotRequired[list[LeadId]]


class RepeatedView(TypedDict):
    """A redelivered post, with the state of its lead now."""

    lead_id: LeadId
    status: State
    duplicate: Literal[True]
    lead_ids: NotRequired[list[LeadId]]


class NoLeadView(TypedDict):
    """A test ping, or a post that is not about a lead."""

    status: Literal["test", "ignored"]


class EventKeptView(TypedDict):
    """A stored event of Leeloo's."""

    status: Literal["received"]
    duplicate: NotRequired[Literal[True]]


class ProblemView(TypedDict):
    """RFC 9457; `errors` name fields of a lead or of a request.

    `lead_id` is the lead that has an id already, where `type` ends with `already-linked`.
    """

    type: Annotated[str, Field(pattern="^urn:leadbridge:problem:[a-z-]+$")]
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    errors: NotRequired[list[FieldErrorView]]
    lead_id: NotRequired[LeadId]


SOURCE = parameter("source", "path", "A section of config/sources.toml.")

OPERATIONS = (
    Operation(
        "POST",
        "/webhooks/{source}",
        "receiveLead",
        "Receive the post of a form. Its adapter checks the origin: a signature, or the token of the source.",
        {200: (RepeatedView, NoLeadView, ReceivedView), 202: (ReceivedView,), 303: None},
        (400, 401, 403, 404, 413, 415, 422, 429, 503),
        (
            SOURCE,
            parameter("token", "query", "The secret of an unsigned source."),
            parameter("X-Webhook-Token", "header", "The same."),
        ),
        FORMS,
    ),
    Operation(
        "GET",
        "/webhooks/{source}",
        "verifyAddress",
        "Answer Meta's verification request with its challenge.",
        {200: TEXT},
        (403, 404, 503),
        (
            SOURCE,
            parameter("hub.mode", "query", "subscribe"),
            parameter("hub.verify_token", "query", "The `verify_token` of the secret."),
            parameter("hub.challenge", "query", "The text to return."),
        ),
    ),
    Operation(
        "OPTIONS",
        "/webhooks/{source}",
        "mayPost",
        "Answer a browser's preflight request.",
        {204: None},
        (403, 404),
        (SOURCE, parameter("Origin", "header", "The page's site.")),
    ),
    Operation(
        "POST",
        "/sources/{source}/test",
        "testSource",
        "Receive a test post that is signed with the source's own secret; nothing is stored.",
        {200: (NoLeadView,)},
        (404, 503),
        (SOURCE,),
        is_operators=True,
    ),
    Operation(
        "POST",
        "/partners/leeloo/{token}",
        "receiveLeelooEvent",
        "Receive an event of Leeloo's.",
        {202: (EventKeptView,)},
        (400, 401, 413, 422, 503),
        (parameter("token", "path", "The `webhook_token` of the secret."),),
        (JSON,),
    ),
    Operation("GET", "/console", "console", "The operators' console.", {200: HTML, 304: None}),
    Operation(
        "GET",
        "/console/{file}",
        "consoleFile",
        "A file of the console.",
        {200: "*/*", 304: None},
        (404,),
        (parameter("file", "path", "A file's name."),),
    ),
)
