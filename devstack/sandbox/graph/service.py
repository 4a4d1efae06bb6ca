"""Graph as a partner of the sandbox: one endpoint, and the leads that the control made."""

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import count
from typing import Annotated, Any

from pydantic import StringConstraints

from devstack.sandbox.partner import (
    Answer,
    Context,
    Controls,
    Endpoint,
    Incoming,
    Partner,
    Refusal,
    Rows,
    digest,
    rfc3339,
    same,
)

FIELDS = {
    *("id", "created_time", "field_data", "form_id", "is_organic", "platform", "custom_disclaimer_responses"),
    *("ad_id", "ad_name", "adset_id", "adset_name", "campaign_id", "campaign_name"),
}
DEFAULT_FIELDS = ("created_time", "id", "field_data")
READ_MORE = "Please read the Graph API documentation at https://developers.facebook.com/docs/graph-api"
OAUTH, METHOD = "OAuthException", "GraphMethodException"

type Number = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,32}$")]


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
        self._leads = Rows[str, dict[str, Any]]()
        self._numbers = count(120_210_000_000_000_001)

    def endpoints(self) -> list[Endpoint]:
        return [Endpoint("lead", "GET", "/{leadgen_id:[0-9]{1,32}}", self._read, _describe)]

    def controls(self) -> Controls:
        return {
            "GET /leads": lambda: {"leads": list(self._leads.values())},
            "POST /leads": self._add,
            "DELETE /leads/{leadgen_id}": self._delete,
        }

    def secret(self, root: str) -> dict[str, str]:
        return {"graph_url": root, **asdict(self.credentials)}

    def refused(self, status: int, detail: str) -> Answer:
        if status == 429:
            return _error(400, OAUTH, 4, "(#4) Application request limit reached", is_transient=True).answer
        return _error(status, METHOD, 100, f"Unsupported request. {detail} {READ_MORE}").answer

    def reset(self) -> None:
        self._leads.clear()

    def _read(self, incoming: Incoming) -> Answer:
        """Check in this order: token, proof, fields, lead."""
        known, token, query = self.credentials, incoming.bearer or incoming.query.get("access_token"), incoming.query
        if token is None:
            raise _error(400, OAUTH, 104, "An access token is required to request this resource.")
        if not same(token, known.access_token):
            raise _error(400, OAUTH, 190, "Invalid OAuth access token - Cannot parse access token")
        proof = hmac.digest(known.app_secret.encode(), known.access_token.encode(), "sha256").hex()
        if "appsecret_proof" not in query:
            raise _error(400, METHOD, 100, "API calls from the server require an appsecret_proof argument")
        if not same(query["appsecret_proof"], proof):
            raise _error(400, METHOD, 100, "Invalid appsecret_proof provided in the API argument")
        requested = [name for name in query.get("fields", "").split(",") if name] or DEFAULT_FIELDS
        for name in requested:
            if name not in FIELDS:
                raise _error(400, OAUTH, 100, f"(#100) Tried accessing nonexisting field ({name}) on node type (Lead)")
        leadgen_id = incoming.params["leadgen_id"]
        lead = self._leads.get(leadgen_id)
        if lead is None:
            message = f"Unsupported get request. Object with ID '{leadgen_id}' does not exist. {READ_MORE}"
            raise _error(400, METHOD, 100, message, error_subcode=33)
        return Answer.of(200, {name: lead[name] for name in dict.fromkeys((*requested, "id")) if name in lead})

    def _add(
        self,
        answers: Mapping[str, str | list[str]],
        leadgen_id: Number | None = None,
        form_id: Number = "234567890123456",
        platform: str = "fb",
        disclaimers: Mapping[str, bool] | None = None,
    ) -> dict[str, Any]:
        """Add a lead. `disclaimers` are the boxes of the form's custom disclaimer: whether each is checked, by key."""
        lead: dict[str, Any] = {
            "id": leadgen_id or str(next(self._numbers)),
            "created_time": rfc3339(self.clock()).partition(".")[0] + "+0000",
            "form_id": form_id,
            "platform": platform,
            "is_organic": False,
            "field_data": [
                {"name": name, "values": [answer] if isinstance(answer, str) else answer}
                for name, answer in answers.items()
            ],
        }
        if disclaimers:
            lead["custom_disclaimer_responses"] = [
                {"checkbox_key": key, "is_checked": "1" if checked else ""} for key, checked in disclaimers.items()
            ]
        self._leads.add(lead["id"], lead)
        return lead

    def _delete(self, leadgen_id: str) -> None:
        del self._leads[leadgen_id]


def _describe(incoming: Incoming) -> dict[str, Any]:
    return {
        "leadgen_id": incoming.params["leadgen_id"],
        "fields": incoming.query.get("fields"),
        "access_token_sha256": digest(incoming.bearer),
        "has_proof": "appsecret_proof" in incoming.query,
    }


def _error(status: int, kind: str, code: int, message: str, **more: object) -> Refusal:
    """HTTP 400 for nearly all, with `code` and `error_subcode`."""
    error = {"message": message, "type": kind, "code": code, **more, "fbtrace_id": secrets.token_urlsafe(16)}
    return Refusal(Answer.of(status, {"error": error}, refused=f"code {code}"))
