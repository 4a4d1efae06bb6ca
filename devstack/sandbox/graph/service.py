"""Graph as a partner of the sandbox: one endpoint, and the leads that the control made."""

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Annotated, Any

from pydantic import StringConstraints

from devstack.sandbox.partner import Answer, Context, Controls, Endpoint, Incoming, Partner, Refusal, digest, same

FIELDS = {
    *("id", "created_time", "field_data", "form_id", "is_organic", "platform", "custom_disclaimer_responses"),
    *("ad_id", "ad_name", "adset_id", "adset_name", "campaign_id", "campaign_name"),
}
DEFAULT_FIELDS = ("created_time", "id", "field_data")
OAUTH, METHOD = "OAuthException", "GraphMethodException"


@dataclass(frozen=True, slots=True)
class Credentials:
    """The app that this Graph knows: its page's access token and its secret."""

    access_token: str = field(default_factory=lambda: f"EAA{secrets.token_urlsafe(48)}")
    app_secret: str = field(default_factory=lambda: secrets.token_hex(16))


class Graph(Partner):
    rotations = ("access_token",)
    credentials: Credentials

    def __init__(self, context: Context) -> None:
        super().__init__(context, Credentials)
        self._leads: dict[str, dict[str, Any]] = {}
        self._numbers = count(120_210_000_000_000_001)

    def endpoints(self) -> list[Endpoint]:
        return [Endpoint("lead", "GET", "/{leadgen_id:[0-9]{1,32}}", self._read, _describe)]

    def controls(self) -> Controls:
        return {"POST /leads": self._add, "DELETE /leads/{leadgen_id}": self._delete}

    def secret(self, root: str) -> dict[str, str]:
        return {"graph_url": root, **asdict(self.credentials)}

    def refused(self, status: int, detail: str) -> Answer:
        if status == 429:
            return _error(OAUTH, 4, "(#4) Application request limit reached", is_transient=True).answer
        return _error(METHOD, 100, f"Unsupported request. {detail}", status).answer

    def reset(self) -> None:
        self._leads.clear()

    def _read(self, incoming: Incoming) -> Answer:
        """Check in this order: token, proof, fields, lead."""
        known, token, query = self.credentials, incoming.bearer or incoming.query.get("access_token"), incoming.query
        if token is None:
            raise _error(OAUTH, 104, "An access token is required to request this resource.")
        if not same(token, known.access_token):
            raise _error(OAUTH, 190, "Invalid OAuth access token - Cannot parse access token")
        if "appsecret_proof" not in query:
            raise _error(METHOD, 100, "API calls from the server require an appsecret_proof argument")
        proof = hmac.digest(known.app_secret.encode(), known.access_token.encode(), "sha256").hex()
        if not same(query["appsecret_proof"], proof):
            raise _error(METHOD, 100, "Invalid appsecret_proof provided in the API argument")
        requested = [name for name in query.get("fields", "").split(",") if name] or DEFAULT_FIELDS
        if unknown := [name for name in requested if name not in FIELDS]:
            raise _error(OAUTH, 100, f"(#100) Tried accessing nonexisting field ({unknown[0]}) on node type (Lead)")
        leadgen_id = incoming.params["leadgen_id"]
        lead = self._leads.get(leadgen_id)
        if lead is None:
            text = f"Unsupported get request. Object with ID '{leadgen_id}' does not exist, or is not visible"
            raise _error(METHOD, 100, text, error_subcode=33)
        return Answer.of(200, {name: lead[name] for name in dict.fromkeys((*requested, "id")) if name in lead})

    def _add(
        self,
        answers: Mapping[str, str | list[str]],
        leadgen_id: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,32}$")] | None = None,
        **fields: Any,
    ) -> dict[str, Any]:
        """Add a lead. `fields` are further fields as Graph has them."""
        lead = {
            "id": leadgen_id or str(next(self._numbers)),
            "created_time": f"{datetime.fromtimestamp(self.clock(), UTC):%Y-%m-%dT%H:%M:%S}+0000",
            "form_id": "234567890123456",
            "platform": "fb",
            "is_organic": False,
            "field_data": [
                {"name": name, "values": [answer] if isinstance(answer, str) else answer}
                for name, answer in answers.items()
            ],
            **fields,
        }
        self._leads[lead["id"]] = lead
        return lead

    def _delete(self, leadgen_id: str) -> None:
        del self._leads[leadgen_id]


def _describe(incoming: Incoming) -> dict[str, Any]:
    return {"fields": incoming.query.get("fields"), "access_token_sha256": digest(incoming.bearer)}


def _error(kind: str, code: int, message: str, status: int = 400, **more: object) -> Refusal:
    error = {"message": message, "type": kind, "code": code, **more, "fbtrace_id": secrets.token_urlsafe(16)}
    return Refusal(Answer.of(status, {"error": error}, refused=f"code {code}"))
