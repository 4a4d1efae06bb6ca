"""Graph as a partner of the sandbox: one endpoint, and the leads that the control made."""

from collections.abc import Callable, Mapping
from itertools import count
from typing import Annotated, Any

from aiohttp import web
from pydantic import StringConstraints

from devstack.sandbox.calls import rfc3339
from devstack.sandbox.credentials import StoredCredentials
from devstack.sandbox.graph import refusals
from devstack.sandbox.graph.credentials import Credentials
from devstack.sandbox.orders import Order, delete, get, post
from devstack.sandbox.partner import Answer, Context, Endpoint, Incoming, Operation, digest
from devstack.sandbox.rows import Rows

FIELDS = frozenset(
    {
        *("id", "created_time", "field_data", "form_id", "is_organic", "platform", "custom_disclaimer_responses"),
        *("ad_id", "ad_name", "adset_id", "adset_name", "campaign_id", "campaign_name"),
    }
)
DEFAULT_FIELDS = ("created_time", "id", "field_data")

type Number = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,32}$")]


class LeadOrder(Order):
    """The body of `POST /control/graph/leads`: the answers by question, and some of Graph's other fields.

    `disclaimers` are the boxes of the form's custom disclaimer: whether each is checked, by its key.
    """

    leadgen_id: Number | None = None
    answers: dict[str, str | list[str]]
    form_id: Number = "234567890123456"
    platform: str = "fb"
    disclaimers: dict[str, bool] = {}


class Graph:
    """Meta's side, for one app."""

    kind = "graph"
    operations = frozenset({"lead"})

    def __init__(self, context: Context) -> None:
        self.name = context.name
        self._clock = context.clock
        self._credentials = StoredCredentials(Credentials, context.credentials_file)
        self._leads = Rows[str, dict[str, Any]]()
        self._numbers = count(120_210_000_000_000_001)
        self.rotations: Mapping[str, Callable[[], None]] = {
            "access_token": lambda: self._credentials.rotate("access_token")
        }

    def endpoints(self) -> list[Endpoint]:
        return [Endpoint(("GET",), "/{leadgen_id:[0-9]{1,32}}", Operation("lead", self._process_lead, _describe_lead))]

    def controls(self) -> list[web.RouteDef]:
        return [
            get("/leads", lambda _: {"leads": list(self._leads)}),
            post("/leads", LeadOrder, self._add_lead, 201),
            delete("/leads/{id:[0-9]{1,32}}", lambda request: self._leads.pop(request.match_info["id"]) is not None),
        ]

    def secret(self, root: str) -> dict[str, str]:
        credentials = self._credentials.values
        return {"graph_url": root, "access_token": credentials.access_token, "app_secret": credentials.app_secret}

    def refused(self, status: int, detail: str) -> Answer:
        return refusals.of_status(status, detail)

    def advance(self) -> None:
        """Nothing changes automatically."""

    def reset(self) -> None:
        self._leads.clear()

    def _process_lead(self, incoming: Incoming) -> Answer:
        """Check in this order: token, proof, fields, lead."""
        token = incoming.bearer or incoming.query.get("access_token")
        if token is None:
            return refusals.no_token()
        if not self._credentials.values.admits(token):
            return refusals.bad_token()
        proof = incoming.query.get("appsecret_proof")
        if proof is None:
            return refusals.no_proof()
        if not self._credentials.values.is_proof(proof):
            return refusals.bad_proof()
        requested = [name for name in incoming.query.get("fields", "").split(",") if name] or list(DEFAULT_FIELDS)
        for name in requested:
            if name not in FIELDS:
                return refusals.unknown_field(name)
        leadgen_id = incoming.params["leadgen_id"]
        lead = self._leads.get(leadgen_id)
        if lead is None:
            return refusals.unknown_lead(leadgen_id)
        return Answer.of(200, {name: lead[name] for name in dict.fromkeys((*requested, "id")) if name in lead})

    def _add_lead(self, order: LeadOrder, _request: web.Request) -> object:
        lead: dict[str, Any] = {
            "id": order.leadgen_id or str(next(self._numbers)),
            "created_time": rfc3339(self._clock()).partition(".")[0] + "+0000",
            "form_id": order.form_id,
            "platform": order.platform,
            "is_organic": False,
            "field_data": [
                {"name": name, "values": [answer] if isinstance(answer, str) else answer}
                for name, answer in order.answers.items()
            ],
        }
        if order.disclaimers:
            lead["custom_disclaimer_responses"] = [
                {"checkbox_key": key, "is_checked": "1" if is_checked else ""}
                for key, is_checked in order.disclaimers.items()
            ]
        self._leads.add(lead["id"], lead)
        return lead


SERVICE = Graph


def _describe_lead(incoming: Incoming) -> dict[str, Any]:
    return {
        "leadgen_id": incoming.params["leadgen_id"],
        "fields": incoming.query.get("fields"),
        "access_token_sha256": digest(incoming.bearer),
        "has_proof": "appsecret_proof" in incoming.query,
    }
