"""The routes of the other functions: webhooks (receive_lead, receive_leeloo_event) and the console (serve_console)."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypedDict

from pydantic import Field

from leadbridge.api.problems import FieldErrorView
from leadbridge.api.schemas import LeadId
from leadbridge.domain.delivery import State
from tools.openapi.operations import Operation, Parameter

JSON, TEXT, HTML = "application/json", "text/plain", "text/html"
FORMS = (JSON, "application/x-www-form-urlencoded", "multipart/form-data")


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
