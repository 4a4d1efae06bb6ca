"""Lead Leader as a partner of the sandbox: its endpoints and its controls."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from aiohttp import web
from pydantic import StringConstraints

from devstack.sandbox.credentials import StoredCredentials
from devstack.sandbox.leadleader import authorization, rsa1024
from devstack.sandbox.leadleader.credentials import Credentials
from devstack.sandbox.leadleader.deals import Deal, Deals
from devstack.sandbox.leadleader.fields import UNKNOWN, create_errors, status_errors
from devstack.sandbox.leadleader.tokens import TokenPairs
from devstack.sandbox.orders import Order, existing, get, post
from devstack.sandbox.partner import Answer, Context, Endpoint, Incoming, Operation, digest
from devstack.sandbox.strict_json import raw_text

INPUT = "/api/partners/input"
CREATE_KEYS = frozenset({"clientInfo", "termin", "summa", "security_token"})
NOT_AUTHENTICATED = {"detail": "Authentication credentials were not provided.", "code": "not_authenticated"}
TOKEN_NOT_VALID = {
    "detail": "Given token not valid for any token type",
    "code": "token_not_valid",
    "messages": [{"token_class": "AccessToken", "token_type": "access", "message": "Token is invalid or expired"}],
}


class StatusOrder(Order):
    """The body of `POST /control/leadleader/deals/{id}`."""

    status: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class LeadLeader:
    """The partner's side of the contract, for its one client."""

    kind = "leadleader"
    operations = frozenset({"authorize", "create", "status"})

    def __init__(self, context: Context) -> None:
        self.name = context.name
        self._credentials = StoredCredentials(Credentials, context.credentials_file)
        self._tokens = TokenPairs(context.clock)
        self._deals = Deals(context.clock, context.pace)
        self._authorize = Operation("authorize", self._process_authorize)
        self._create = Operation("create", self._process_create, _describe_create)
        self._status = Operation("status", self._process_status, _describe_status)
        self.rotations: Mapping[str, Callable[[], None]] = {
            "password": lambda: self._credentials.rotate("password"),
            "keys": lambda: self._credentials.rotate("private_key"),
        }

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint(("POST",), f"{INPUT}/authorization/", self._authorize),
            Endpoint(("POST",), f"{INPUT}/create-short-deal/", self._authorize_or_create),
            Endpoint(("GET", "POST"), f"{INPUT}/check-status/", self._status),
        ]

    def controls(self) -> list[web.RouteDef]:
        deal = "/deals/{id:[0-9]{1,15}}"
        return [
            get("/deals", lambda _: {"deals": [each.as_json() for each in self._deals.all()]}),
            get(deal, lambda request: existing(self._deals.get(_id(request))).as_json()),
            post(deal, StatusOrder, self._pin),
        ]

    def secret(self, root: str) -> dict[str, str]:
        credentials = self._credentials.values
        return {
            "auth_url": f"{root}{INPUT}/authorization/",
            "base_url": f"{root}{INPUT}/",
            "email": credentials.email,
            "password": credentials.password,
            "partner_public_key": rsa1024.public_pem(credentials.partner_private_key),
            "private_key": credentials.private_key,
        }

    def refused(self, status: int, detail: str) -> Answer:
        return Answer.of(status, {"detail": detail})

    def advance(self) -> None:
        self._deals.advance()

    def reset(self) -> None:
        self._deals.clear()
        self._tokens.clear()

    def _authorize_or_create(self, incoming: Incoming) -> Operation:
        """The document's authorization section prints the create URL. Both readings work; the keys distinguish them."""
        keys = incoming.fields.keys()
        return self._authorize if keys & authorization.FIELDS and not keys & CREATE_KEYS else self._create

    def _process_authorize(self, incoming: Incoming) -> Answer:
        unreadable = _unreadable(incoming)
        if unreadable is not None:
            return unreadable
        unknown = incoming.json.keys() - authorization.FIELDS
        if unknown:
            return _field_errors({name: [UNKNOWN] for name in sorted(unknown)})
        refusal = authorization.refusal(incoming.json, self._credentials.values)
        if refusal is not None:
            return Answer.of(400, {"error": refusal}, refused=refusal)
        pair = self._tokens.issue()
        return Answer.of(
            200,
            {"message": "Токени отримано", "access_token": pair.access, "security_token": pair.security},
            access_token_sha256=digest(pair.access),
            security_token_sha256=digest(pair.security),
        )

    def _process_create(self, incoming: Incoming) -> Answer:
        refused = self._unauthorized(incoming) or _refused_fields(create_errors(incoming.json))
        if refused is not None:
            return refused
        deal_id = self._deals.create(incoming.json).deal_id
        return Answer.of(200, {"message": "Заявку було успішно створено", "deal_id": deal_id}, deal_id=deal_id)

    def _process_status(self, incoming: Incoming) -> Answer:
        refused = self._unauthorized(incoming) or _refused_fields(status_errors(incoming.json))
        if refused is not None:
            return refused
        deal = self._deals.get(incoming.json["deal_id"])
        if deal is None:
            return Answer.of(404, {"error": "Заявку не знайдено"}, refused="unknown deal")
        return Answer.of(200, {"message": "Статус отримано", "status": deal.status}, deal_status=deal.status)

    def _unauthorized(self, incoming: Incoming) -> Answer | None:
        """The refusal of a call without a valid pair of tokens. A readable call with an access token spends them."""
        access = incoming.bearer
        if access is None:
            return Answer.of(401, NOT_AUTHENTICATED, refused="no access token")
        unreadable = _unreadable(incoming)
        if unreadable is not None:
            return unreadable
        security = incoming.json.get("security_token")
        refusal = self._tokens.spend(access, security if isinstance(security, str) else None)
        return None if refusal is None else Answer.of(401, TOKEN_NOT_VALID, refused=f"token {refusal}")

    def _pin(self, order: StatusOrder, request: web.Request) -> object:
        deal: Deal = existing(self._deals.pin(_id(request), order.status))
        return deal.as_json()


SERVICE = LeadLeader


def _id(request: web.Request) -> int:
    return int(request.match_info["id"])


def _unreadable(incoming: Incoming) -> Answer | None:
    """The refusal of a body that is not a JSON object."""
    if incoming.content_type != "application/json":
        detail = f'Unsupported media type "{incoming.content_type}" in request.'
        return Answer.of(415, {"detail": detail}, refused="media type")
    if incoming.json_error is not None:
        return Answer.of(400, {"detail": f"JSON parse error - {incoming.json_error}"}, refused="malformed JSON")
    return None if isinstance(incoming.json, dict) else _field_errors({"non_field_errors": ["Очікувався об'єкт."]})


def _refused_fields(errors: Mapping[str, Any]) -> Answer | None:
    return _field_errors(errors) if errors else None


def _field_errors(errors: Mapping[str, Any]) -> Answer:
    return Answer.of(400, errors, refused=errors)


def _describe_create(incoming: Incoming) -> dict[str, Any]:
    body = incoming.fields
    client = body.get("clientInfo")
    return {
        "telephone": client.get("telephone") if isinstance(client, dict) else None,
        "clientInfo": client,
        "termin": body.get("termin"),
        "summa": raw_text(body.get("summa")),
        **_digests(incoming),
    }


def _describe_status(incoming: Incoming) -> dict[str, Any]:
    return {"deal_id": incoming.fields.get("deal_id"), **_digests(incoming)}


def _digests(incoming: Incoming) -> dict[str, str | None]:
    security = incoming.fields.get("security_token")
    return {
        "access_token_sha256": digest(incoming.bearer),
        "security_token_sha256": digest(security if isinstance(security, str) else None),
    }
