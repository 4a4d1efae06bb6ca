"""Graph as a partner of the sandbox: one endpoint, the leads that the control made, its part of the page."""

import hashlib
from collections.abc import Callable, Mapping
from itertools import count, islice
from typing import Annotated, Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, StringConstraints

from devstack.sandbox.calls import rfc3339
from devstack.sandbox.control import ordered, reply
from devstack.sandbox.graph import refusals
from devstack.sandbox.graph.credentials import Credentials
from devstack.sandbox.partner import Answer, Endpoint, Incoming, Operation, Panel, Surroundings

FIELDS = frozenset(
    {
        *("id", "created_time", "field_data", "form_id", "is_organic", "platform", "custom_disclaimer_responses"),
        *("ad_id", "ad_name", "adset_id", "adset_name", "campaign_id", "campaign_name"),
    }
)
UNASKED = ("created_time", "id", "field_data")
MAX_STORED = 100_000
SHOWN_ON_PAGE = 50

type Number = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,32}$")]


class LeadOrder(BaseModel):
    """The body of `POST /control/graph/leads`: the answers by question, and any of Graph's other fields."""

    model_config = ConfigDict(extra="forbid")
    leadgen_id: Number | None = None
    answers: dict[str, str | list[str]]
    form_id: Number = "234567890123456"
    platform: str = "fb"


class Graph:
    """Meta's side, for the one app it knows."""

    name = "graph"
    title = "Meta Graph"
    operations = frozenset({"lead"})

    def __init__(self, surroundings: Surroundings) -> None:
        self._kept = surroundings.kept
        self._clock = surroundings.clock
        self._credentials = Credentials.kept_in(self._kept)
        self._leads: dict[str, dict[str, Any]] = {}
        self._numbers = count(120_210_000_000_000_001)
        self._lead = Operation("lead", self._process_lead, _describe_lead)
        self.rotations: Mapping[str, Callable[[], None]] = {"access_token": self._replace_token}

    def endpoints(self) -> list[Endpoint]:
        return [Endpoint(("GET",), "/{leadgen_id:[0-9]{1,32}}", lambda _incoming: self._lead)]

    def controls(self) -> list[web.RouteDef]:
        return [
            web.get("/leads", self._list_leads),
            web.post("/leads", self._add_lead),
            web.delete("/leads/{id:[0-9]{1,32}}", self._delete_lead),
        ]

    def secret(self, root: str) -> dict[str, str]:
        credentials = self._credentials
        return {"graph_url": root, "access_token": credentials.access_token, "app_secret": credentials.app_secret}

    def refused(self, status: int, detail: str) -> Answer:
        return refusals.of_status(status, detail)

    def panels(self) -> list[Panel]:
        rows = [
            (lead["id"], lead["form_id"], lead["platform"], lead["created_time"])
            for lead in islice(reversed(self._leads.values()), SHOWN_ON_PAGE)
        ]
        return [Panel(f"{len(self._leads)} leads, newest first", ("Lead", "Form", "Platform", "Created"), rows)]

    def advance(self) -> None:
        """Nothing here moves by itself."""

    def reset(self) -> None:
        self._leads.clear()

    def _replace_token(self) -> None:
        credentials = self._credentials.with_new_token()
        credentials.keep(self._kept)
        self._credentials = credentials

    def _process_lead(self, incoming: Incoming) -> Answer:
        """In this order: token, proof, fields, lead."""
        token = _bearer(incoming) or incoming.query.get("access_token")
        if token is None:
            return refusals.no_token()
        if not self._credentials.admits(token):
            return refusals.bad_token()
        proof = incoming.query.get("appsecret_proof")
        if proof is None:
            return refusals.no_proof()
        if not self._credentials.proves(proof):
            return refusals.bad_proof()
        asked = [name for name in incoming.query.get("fields", "").split(",") if name] or list(UNASKED)
        for name in asked:
            if name not in FIELDS:
                return refusals.unknown_field(name)
        leadgen_id = incoming.params["leadgen_id"]
        lead = self._leads.get(leadgen_id)
        if lead is None:
            return refusals.unknown_lead(leadgen_id)
        return Answer.of(200, {name: lead[name] for name in {*asked, "id"} if name in lead})

    async def _list_leads(self, _request: web.Request) -> web.Response:
        return reply({"leads": list(self._leads.values())})

    async def _add_lead(self, request: web.Request) -> web.Response:
        order = await ordered(request, LeadOrder)
        leadgen_id = order.leadgen_id or str(next(self._numbers))
        self._leads[leadgen_id] = {
            "id": leadgen_id,
            "created_time": rfc3339(self._clock()).partition(".")[0] + "+0000",
            "form_id": order.form_id,
            "platform": order.platform,
            "is_organic": False,
            "field_data": [
                {"name": name, "values": [answer] if isinstance(answer, str) else answer}
                for name, answer in order.answers.items()
            ],
        }
        while len(self._leads) > MAX_STORED:
            del self._leads[next(iter(self._leads))]
        return reply(self._leads[leadgen_id], 201)

    async def _delete_lead(self, request: web.Request) -> web.Response:
        if self._leads.pop(request.match_info["id"], None) is None:
            raise web.HTTPNotFound
        return web.Response(status=204)


SERVICE = Graph


def _bearer(incoming: Incoming) -> str | None:
    scheme, _, token = incoming.headers.get("Authorization", "").partition(" ")
    return token if scheme == "Bearer" and token else None


def _describe_lead(incoming: Incoming) -> dict[str, Any]:
    token = _bearer(incoming)
    return {
        "leadgen_id": incoming.params["leadgen_id"],
        "fields": incoming.query.get("fields"),
        "access_token_sha256": None if token is None else hashlib.sha256(token.encode()).hexdigest(),
        "has_proof": "appsecret_proof" in incoming.query,
    }
