"""Lead Leader as a partner of the sandbox: its endpoints, its controls, its part of the page."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, StringConstraints

from devstack.sandbox.control import ordered, reply
from devstack.sandbox.leadleader import authorization, rsa1024
from devstack.sandbox.leadleader.account import Account
from devstack.sandbox.leadleader.deals import Deal, Deals
from devstack.sandbox.leadleader.fields import create_errors, status_errors
from devstack.sandbox.leadleader.tokens import TokenPairs, digest
from devstack.sandbox.partner import Answer, Endpoint, Incoming, Operation, Panel, Surroundings
from devstack.sandbox.strict_json import raw_text

INPUT = "/api/partners/input"
SHOWN_ON_PAGE = 50
CREATE_KEYS = frozenset({"clientInfo", "termin", "summa", "security_token"})


class StatusOrder(BaseModel):
    """The body of `POST /control/leadleader/deals/{id}`."""

    model_config = ConfigDict(extra="forbid")
    status: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class LeadLeader:
    """The partner's side of the contract, for the one client it knows."""

    name = "leadleader"
    title = "Lead Leader"

    def __init__(self, surroundings: Surroundings) -> None:
        self._kept = surroundings.kept
        self._account = Account.kept_in(self._kept)
        self._tokens = TokenPairs(surroundings.clock)
        self._deals = Deals(surroundings.clock, surroundings.pace)
        self._authorize = Operation("authorize", self._process_authorize)
        self._create = Operation("create", self._process_create, _describe_create)
        self._status = Operation("status", self._process_status, _describe_status)
        self.operations = frozenset({"authorize", "create", "status"})
        self.rotations: Mapping[str, Callable[[], None]] = {
            "password": lambda: self._replace_account(self._account.with_new_password()),
            "keys": lambda: self._replace_account(self._account.with_new_client_key()),
        }

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint(("POST",), f"{INPUT}/authorization/", lambda _incoming: self._authorize),
            Endpoint(("POST",), f"{INPUT}/create-short-deal/", self._authorize_or_create),
            Endpoint(("GET", "POST"), f"{INPUT}/check-status/", lambda _incoming: self._status),
        ]

    def controls(self) -> list[web.RouteDef]:
        return [
            web.get("/deals", self._list_deals),
            web.get("/deals/{id:[0-9]{1,15}}", self._show_deal),
            web.post("/deals/{id:[0-9]{1,15}}", self._pin_deal),
        ]

    def secret(self, root: str) -> dict[str, str]:
        return {
            "auth_url": f"{root}{INPUT}/authorization/",
            "base_url": f"{root}{INPUT}/",
            "email": self._account.email,
            "password": self._account.password,
            "partner_public_key": rsa1024.public_pem(self._account.partner_key),
            "private_key": rsa1024.private_pem(self._account.client_key),
        }

    def refused(self, status: int, detail: str) -> Answer:
        return Answer.of(status, {"detail": detail})

    def panels(self) -> list[Panel]:
        rows = [
            (
                str(deal.deal_id),
                deal.status,
                deal.summa,
                str(deal.termin),
                deal.client_info["PIB"],
                deal.client_info["telephone"],
                deal.client_info["stateCode"],
            )
            for deal in self._deals.latest(SHOWN_ON_PAGE)
        ]
        columns = ("Deal", "Status", "Summa", "Termin", "PIB", "Telephone", "State code")
        return [Panel(f"{len(self._deals)} deals, newest first", columns, rows)]

    def advance(self) -> None:
        self._deals.advance()

    def reset(self) -> None:
        self._deals.clear()
        self._tokens.clear()

    def _replace_account(self, account: Account) -> None:
        account.keep(self._kept)
        self._account = account

    def _authorize_or_create(self, incoming: Incoming) -> Operation:
        """The document's authorization section prints the create URL: both readings work, told apart by their keys."""
        keys = incoming.json.keys() if isinstance(incoming.json, dict) else set()
        return self._authorize if keys & authorization.FIELDS and not keys & CREATE_KEYS else self._create

    def _process_authorize(self, incoming: Incoming) -> Answer:
        unreadable = _unreadable(incoming)
        if unreadable is not None:
            return unreadable
        unknown = incoming.json.keys() - authorization.FIELDS
        if unknown:
            return _field_errors({name: ["Невідоме поле."] for name in sorted(unknown)})
        refusal = authorization.refusal(incoming.json, self._account)
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
        refused = self._unauthorized(incoming)
        if refused is not None:
            return refused
        errors = create_errors(incoming.json)
        if errors:
            return _field_errors(errors)
        deal = self._deals.create(incoming.json)
        return Answer.of(
            200, {"message": "Заявку було успішно створено", "deal_id": deal.deal_id}, deal_id=deal.deal_id
        )

    def _process_status(self, incoming: Incoming) -> Answer:
        refused = self._unauthorized(incoming)
        if refused is not None:
            return refused
        errors = status_errors(incoming.json)
        if errors:
            return _field_errors(errors)
        deal = self._deals.get(incoming.json["deal_id"])
        if deal is None:
            return Answer.of(404, {"error": "Заявку не знайдено"}, refused="unknown deal")
        return Answer.of(200, {"message": "Статус отримано", "status": deal.status}, deal_status=deal.status)

    def _unauthorized(self, incoming: Incoming) -> Answer | None:
        """The refusal of a call without a good pair of tokens. A readable call with an access token spends them."""
        access = _bearer(incoming)
        if access is None:
            return Answer.of(
                401,
                {"detail": "Authentication credentials were not provided.", "code": "not_authenticated"},
                refused="no access token",
            )
        unreadable = _unreadable(incoming)
        if unreadable is not None:
            return unreadable
        security = incoming.json.get("security_token")
        refusal = self._tokens.spend(access, security if isinstance(security, str) else None)
        if refusal is None:
            return None
        return Answer.of(
            401,
            {
                "detail": "Given token not valid for any token type",
                "code": "token_not_valid",
                "messages": [
                    {
                        "token_class": "AccessToken",
                        "token_type": "access",
                        "message": "Token is invalid or expired",
                    }
                ],
            },
            refused=f"token {refusal}",
        )

    async def _list_deals(self, _request: web.Request) -> web.Response:
        return reply({"deals": [deal.shown() for deal in self._deals.all()]})

    async def _show_deal(self, request: web.Request) -> web.Response:
        return _deal_reply(self._deals.get(int(request.match_info["id"])))

    async def _pin_deal(self, request: web.Request) -> web.Response:
        order = await ordered(request, StatusOrder)
        return _deal_reply(self._deals.pin(int(request.match_info["id"]), order.status))


SERVICE = LeadLeader


def _unreadable(incoming: Incoming) -> Answer | None:
    """The refusal of a body that is no JSON object."""
    if incoming.content_type != "application/json":
        detail = f'Unsupported media type "{incoming.content_type}" in request.'
        return Answer.of(415, {"detail": detail}, refused="media type")
    if incoming.json_error is not None:
        return Answer.of(400, {"detail": f"JSON parse error - {incoming.json_error}"}, refused="malformed JSON")
    if not isinstance(incoming.json, dict):
        return _field_errors({"non_field_errors": ["Очікувався об'єкт."]})
    return None


def _field_errors(errors: Mapping[str, Any]) -> Answer:
    return Answer.of(400, errors, refused=errors)


def _bearer(incoming: Incoming) -> str | None:
    scheme, _, token = incoming.headers.get("Authorization", "").partition(" ")
    return token if scheme == "Bearer" and token else None


def _describe_create(incoming: Incoming) -> dict[str, Any]:
    body = incoming.json if isinstance(incoming.json, dict) else {}
    client = body.get("clientInfo")
    return {
        "telephone": client.get("telephone") if isinstance(client, dict) else None,
        "clientInfo": client,
        "termin": body.get("termin"),
        "summa": raw_text(body.get("summa")),
        **_digests(incoming),
    }


def _describe_status(incoming: Incoming) -> dict[str, Any]:
    body = incoming.json if isinstance(incoming.json, dict) else {}
    return {"deal_id": body.get("deal_id"), **_digests(incoming)}


def _digests(incoming: Incoming) -> dict[str, str | None]:
    access = _bearer(incoming)
    security = incoming.json.get("security_token") if isinstance(incoming.json, dict) else None
    return {
        "access_token_sha256": None if access is None else digest(access),
        "security_token_sha256": digest(security) if isinstance(security, str) else None,
    }


def _deal_reply(deal: Deal | None) -> web.Response:
    if deal is None:
        raise web.HTTPNotFound
    return reply(deal.shown())
