"""The routes: what each wants and answers. tests/contract/test_openapi.py holds the table to template.yaml."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from leadbridge.api.params import LEAD_ID, MOST
from leadbridge.api.requests import DiscardRequest, MessageRequest, RedriveRequest, ResolveRequest, RetryRequest
from leadbridge.domain.delivery import State
from leadbridge.partners.registry import all_kinds
from leadbridge.settings import Settings
from tools.config import read_toml
from tools.openapi import answers

CONFIG = Path(__file__).parents[2] / "config"
JSON, PROBLEM, TEXT, HTML = "application/json", "application/problem+json", "text/plain", "text/html"
FORMS = (JSON, "application/x-www-form-urlencoded", "multipart/form-data")

type Answers = dict[int, tuple[type[BaseModel], ...] | str | None]


@dataclass(frozen=True)
class Parameter:
    """One of a path's, a query's or a header's."""

    name: str
    place: str
    description: str
    schema: dict[str, Any] = field(default_factory=lambda: {"type": "string"})


@dataclass(frozen=True)
class Route:
    """One method of one path.

    `answers` says what stands in a success: models, a media type, or None for nothing; `problems` which statuses bring
    problem details. `body` is a model, or the media types of whatever a form sends.
    """

    method: str
    path: str
    name: str
    summary: str
    answers: Answers
    problems: tuple[int, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    body: type[BaseModel] | tuple[str, ...] | None = None
    is_operators: bool = True


SOURCE = Parameter("source", "path", "A section of config/sources.toml.")
LEAD = Parameter("lead_id", "path", "A lead.", {"type": "string", "pattern": f"^{LEAD_ID}$"})
PARTNERS = Settings.model_validate(read_toml(CONFIG, "prod")).partners
PARTNER = Parameter("partner", "path", "A partner.", {"type": "string", "enum": [*PARTNERS]})
QUEUES = [*(kind.queue for kind in all_kinds()), "messages", "fetch", "checks", "events"]
QUEUE = Parameter("queue", "path", "A dead-letter queue.", {"type": "string", "enum": QUEUES})
MASKED = Parameter(
    "masked",
    "query",
    "Whether phones, addresses and numbers are shown in part only.",
    {"type": "string", "enum": ["true", "false"]},
)
DAY = {"type": "string", "format": "date"}
DELIVERY_PATH = "/leads/{lead_id}/deliveries/{partner}"
BODY = (400, 413, 422)

ROUTES = (
    Route(
        "POST",
        "/webhooks/{source}",
        "receiveLead",
        "A form's post. Its proof of origin is its adapter's: a signature, or the source's token.",
        {200: (answers.Repeated, answers.NoLead, answers.Received), 202: (answers.Received,), 303: None},
        (400, 401, 403, 404, 413, 415, 422, 429, 503),
        (
            SOURCE,
            Parameter("token", "query", "The secret of an unsigned source."),
            Parameter("X-Webhook-Token", "header", "The same."),
        ),
        FORMS,
        is_operators=False,
    ),
    Route(
        "GET",
        "/webhooks/{source}",
        "verifyAddress",
        "Meta asks whether the address is ours; the answer is its challenge.",
        {200: TEXT},
        (403, 404, 503),
        (
            SOURCE,
            Parameter("hub.mode", "query", "subscribe"),
            Parameter("hub.verify_token", "query", "What was agreed."),
            Parameter("hub.challenge", "query", "What is to be answered."),
        ),
        is_operators=False,
    ),
    Route(
        "OPTIONS",
        "/webhooks/{source}",
        "mayPost",
        "A browser asks whether a page may post.",
        {204: None},
        (403, 404),
        (SOURCE, Parameter("Origin", "header", "The page's site.")),
        is_operators=False,
    ),
    Route(
        "POST",
        "/partners/leeloo/{token}",
        "receiveLeelooEvent",
        "What Leeloo tells of its own accord.",
        {202: (answers.EventKept,)},
        (400, 401, 413, 422, 503),
        (Parameter("token", "path", "The secret that was agreed."),),
        (JSON,),
        is_operators=False,
    ),
    Route("GET", "/health", "health", "Whether the API answers.", {200: (answers.Health,)}, is_operators=False),
    Route("GET", "/console", "console", "The operators' console.", {200: HTML, 304: None}, is_operators=False),
    Route(
        "GET",
        "/console/{file}",
        "consoleFile",
        "What the console is made of.",
        {200: "*/*", 304: None},
        (404,),
        (Parameter("file", "path", "A file's name."),),
        is_operators=False,
    ),
    Route(
        "GET",
        "/leads",
        "listLeads",
        "Leads, newest first.",
        {200: (answers.Leads,)},
        (400,),
        (
            Parameter("status", "query", "A state.", {"type": "string", "enum": [state.value for state in State]}),
            Parameter("source", "query", "A source."),
            Parameter("partner", "query", "A partner."),
            Parameter("phone", "query", "A phone, however it is written."),
            Parameter(
                "attention",
                "query",
                "Whether to list only leads that have a delivery with an `attention` code.",
                {"type": "string", "enum": ["true", "false"]},
            ),
            MASKED,
            Parameter("limit", "query", "How many.", {"type": "integer", "minimum": 1, "maximum": MOST}),
            Parameter("cursor", "query", "The next page, as the page before named it."),
        ),
    ),
    Route(
        "GET",
        "/leads/{lead_id}",
        "showLead",
        "All that is known of a lead.",
        {200: (answers.Journey,)},
        (400, 404),
        (LEAD, MASKED),
    ),
    Route(
        "POST",
        "/leads/{lead_id}/reveal",
        "revealLead",
        "The lead unmasked, and a line in its timeline that says to whom.",
        {200: (answers.Journey,)},
        (404, 409),
        (LEAD,),
    ),
    Route(
        "DELETE",
        "/leads/{lead_id}",
        "eraseLead",
        "The person is forgotten everywhere; the lead's tombstone stays.",
        {204: None},
        (404, 409),
        (LEAD,),
    ),
    Route(
        "POST",
        f"{DELIVERY_PATH}/check",
        "checkDelivery",
        "The partner is asked for the status now.",
        {202: (answers.Queued,)},
        (404, 409),
        (LEAD, PARTNER),
    ),
    Route(
        "POST",
        f"{DELIVERY_PATH}/retry",
        "retryDelivery",
        "Retry a failed, rejected or duplicate delivery; with `confirm` one that may arrive twice; or retry a fetch.",
        {202: (answers.Delivery, answers.Fetch)},
        (404, 409, *BODY),
        (LEAD, PARTNER),
        RetryRequest,
    ),
    Route(
        "POST",
        "/leads/{lead_id}/fetch/retry",
        "retryFetch",
        "Fetch a lead that could not be fetched.",
        {202: (answers.Fetch,)},
        (404, 409, *BODY),
        (LEAD,),
        RetryRequest,
    ),
    Route(
        "POST",
        "/leads/{lead_id}/messages/{message_id}/retry",
        "retryMessage",
        "Send a message that failed. It is skipped if a newer one about the same delivery was sent.",
        {202: (answers.MessageTaken,)},
        (404, 409),
        (LEAD, Parameter("message_id", "path", "The message's id, percent-encoded.")),
    ),
    Route(
        "POST",
        f"{DELIVERY_PATH}/resolve",
        "resolveDelivery",
        "Settle an unknown delivery; correct or withdraw what an operator settled. The partner must know the id.",
        {200: (answers.Delivery,)},
        (404, 409, 503, *BODY),
        (LEAD, PARTNER),
        ResolveRequest,
    ),
    Route(
        "GET",
        "/stats",
        "showStats",
        "Counts by day, source, partner and state.",
        {200: (answers.Stats,)},
        (400,),
        (
            Parameter("from", "query", "The first day; 29 days before the last unless given.", DAY),
            Parameter("to", "query", "The last day; today unless given.", DAY),
        ),
    ),
    Route("GET", "/partners", "listPartners", "The configured partners.", {200: (answers.Partners,)}),
    Route("GET", "/sync", "showSync", "How far the partners' lists were read.", {200: (answers.Syncs,)}),
    Route("GET", "/dead-letters", "listLetters", "What could not go on by itself.", {200: (answers.Letters,)}),
    Route(
        "POST",
        "/dead-letters/{queue}/redrive",
        "redriveLetters",
        "Put one letter of a queue back, or up to a hundred. The answer names those that stay or are removed.",
        {200: (answers.LettersRedriven,)},
        (404, *BODY),
        (QUEUE,),
        RedriveRequest,
    ),
    Route(
        "POST",
        "/dead-letters/{queue}/discard",
        "discardLetter",
        "One letter is thrown away.",
        {200: (answers.LettersDiscarded,)},
        (404, *BODY),
        (QUEUE,),
        DiscardRequest,
    ),
    Route(
        "POST",
        "/messages",
        "writeMessage",
        "A message to a lead's person or to an account.",
        {202: (answers.MessageTaken,)},
        (404, 409, *BODY),
        (),
        MessageRequest,
    ),
)
