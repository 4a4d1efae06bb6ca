"""The operations of the document: the operators' routes as they are registered, and those of other functions."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
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
class Parameter:
    """A parameter of a path, a query or a header."""

    name: str
    place: str
    description: str
    schema: dict[str, Any] = field(default_factory=lambda: {"type": "string"})


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
    parameters: tuple[Parameter, ...] = ()
    body: type[BaseModel] | tuple[str, ...] | None = None
    is_operators: bool = False


def operators_operations() -> list[Operation]:
    """Return the operators' routes."""
    names = names_by_parameter()
    return [operation_of(route, names) for route in all_routes()]


def operation_of(route: Route, names: dict[str, list[str]]) -> Operation:
    """Describe a route by its handler's annotations."""
    query, body, returned = route.types.get("query"), route.types.get("body"), route.types["return"]
    is_empty = returned is type(None)
    types = get_args(returned) if isinstance(returned, UnionType) else (returned,)
    path = [path_parameter(name, names.get(name)) for name in PLACEHOLDER.findall(route.path)]
    problems = [
        *route.problems,
        *([404] if path else []),
        *([400] if query else []),
        *([400, 413, 422] if body else []),
    ]
    return Operation(
        method=route.method,
        path=route.path,
        name=camel_case(route.handler.__name__),
        summary=route.summary,
        answers={route.status: None if is_empty else types},
        problems=tuple(problems),
        parameters=(*path, *(query_parameters(query) if query else ())),
        body=body,
        is_operators=not route.is_open,
    )


def path_parameter(name: str, names: list[str] | None) -> Parameter:
    """Describe a parameter of a path by its names, where they are known, or by its pattern."""
    known = PATH_PARAMETERS[name]
    allowed = {"enum": names} if names else {"pattern": f"^{known.pattern}$"}
    return Parameter(name, "path", known.description, {"type": "string", **allowed})


def query_parameters(model: type[QueryParams]) -> list[Parameter]:
    """Describe the parameters of a query."""
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})
    return [query_parameter(name, found, definitions) for name, found in schema.get("properties", {}).items()]


def query_parameter(name: str, schema: dict[str, Any], definitions: dict[str, Any]) -> Parameter:
    """Describe one parameter of a query: its type without the null of an optional field, references resolved."""
    kinds = schema.get("anyOf", [schema])
    kind = next(one for one in kinds if one.get("type") != "null")
    if "$ref" in kind:
        kind = definitions[kind["$ref"].rpartition("/")[2]]
    left_out = {"default", "description", "title"}
    found = {key: value for key, value in kind.items() if key not in left_out}
    return Parameter(name, "query", schema["description"], found)


def names_by_parameter() -> dict[str, list[str]]:
    """Return the names that a path may have: partners of the configuration, dead-letter queues of the template."""
    variables = read_template(ROOT / "template.yaml")["Resources"]["ManageLeads"]["Properties"]["Environment"][
        "Variables"
    ]
    return {
        "partner": list(read_toml(ROOT / "config", "prod")["partners"]),
        "queue": list(json.loads(variables["DEAD_LETTER_QUEUES"]["Fn::Sub"])),
    }


def camel_case(name: str) -> str:
    """Return a function's name as an operation's id: list_leads becomes listLeads."""
    first, *others = name.split("_")
    return first + "".join(word.title() for word in others)


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


SOURCE = Parameter("source", "path", "A section of config/sources.toml.")

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
            Parameter("token", "query", "The secret of an unsigned source."),
            Parameter("X-Webhook-Token", "header", "The same."),
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
            Parameter("hub.mode", "query", "subscribe"),
            Parameter("hub.verify_token", "query", "The `verify_token` of the secret."),
            Parameter("hub.challenge", "query", "The text to return."),
        ),
    ),
    Operation(
        "OPTIONS",
        "/webhooks/{source}",
        "mayPost",
        "Answer a browser's preflight request.",
        {204: None},
        (403, 404),
        (SOURCE, Parameter("Origin", "header", "The page's site.")),
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
        (Parameter("token", "path", "The `webhook_token` of the secret."),),
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
        (Parameter("file", "path", "A file's name."),),
    ),
)
