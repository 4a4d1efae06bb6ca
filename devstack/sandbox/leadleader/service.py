"""Lead Leader as a partner of the sandbox: its endpoints and its controls."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import StringConstraints

from devstack.sandbox.leadleader.authorization import FIELDS, Credentials, TokenPairs, authorization_error
from devstack.sandbox.leadleader.deals import Deals
from devstack.sandbox.leadleader.fields import TEXTS, CheckStatus, Create, Fields, field_errors
from devstack.sandbox.partner import Answer, Context, Controls, Endpoint, Incoming, Partner, Refusal, digest

INPUT = "/api/partners/input"
ROTATIONS = {"password": "password", "keys": "private_key"}
NOT_AUTHENTICATED = {"detail": "Authentication credentials were not provided.", "code": "not_authenticated"}
TOKEN_NOT_VALID = {
    "detail": "Given token not valid for any token type",
    "code": "token_not_valid",
    "messages": [{"token_class": "AccessToken", "token_type": "access", "message": "Token is invalid or expired"}],
}


class LeadLeader(Partner):
    rotations = tuple(ROTATIONS)
    credentials: Credentials

    def __init__(self, context: Context) -> None:
        super().__init__(context, Credentials)
        self._tokens = TokenPairs(context.clock)
        self._deals = Deals(context.clock, context.pace)

    def endpoints(self) -> list[Endpoint]:
        """The document's authorization section prints the create URL. Both readings work; the keys distinguish them."""
        create, status = f"{INPUT}/create-short-deal/", f"{INPUT}/check-status/"
        return [
            Endpoint("authorize", "POST", f"{INPUT}/authorization/", self._authorize),
            Endpoint("authorize", "POST", create, self._authorize, matches=_is_authorization),
            Endpoint("create", "POST", create, self._create, _describe_create),
            Endpoint("status", "POST", status, self._status, _describe_status),
            Endpoint("status", "GET", status, self._status, _describe_status),
        ]

    def controls(self) -> Controls:
        return {
            "GET /deals": lambda: {"deals": [deal.as_json() for deal in self._deals.all()]},
            "GET /deals/{deal_id}": self._show,
            "POST /deals/{deal_id}": self._pin,
        }

    def secret(self, root: str) -> dict[str, str]:
        credentials = self.credentials
        return {
            "auth_url": f"{root}{INPUT}/authorization/",
            "base_url": f"{root}{INPUT}/",
            "email": credentials.email,
            "password": credentials.password,
            "partner_public_key": credentials.partner_public_key,
            "private_key": credentials.private_key,
        }

    def rotate(self, what: str) -> None:
        super().rotate(ROTATIONS[what])

    def refused(self, status: int, detail: str) -> Answer:
        return Answer.of(status, {"detail": detail})

    def advance(self) -> None:
        self._deals.all()

    def reset(self) -> None:
        self._deals.clear()
        self._tokens.clear()

    def _authorize(self, incoming: Incoming) -> Answer:
        body = _object(incoming)
        if unknown := body.keys() - FIELDS:
            raise _refusal(400, {name: [TEXTS["extra_forbidden"]] for name in sorted(unknown)})
        error = authorization_error(body, self.credentials)
        if error is not None:
            raise _refusal(400, {"error": error}, error)
        pair = self._tokens.issue()
        return Answer.of(
            200,
            {"message": "Токени отримано", "access_token": pair.access, "security_token": pair.security},
            access_token_sha256=digest(pair.access),
            security_token_sha256=digest(pair.security),
        )

    def _create(self, incoming: Incoming) -> Answer:
        deal_id = self._deals.create(self._admitted(incoming, Create)).deal_id
        return Answer.of(200, {"message": "Заявку було успішно створено", "deal_id": deal_id}, deal_id=deal_id)

    def _status(self, incoming: Incoming) -> Answer:
        deal_id = self._admitted(incoming, CheckStatus)["deal_id"]
        try:
            status = self._deals.get(deal_id).progress.status
        except KeyError as error:
            raise _refusal(404, {"error": "Заявку не знайдено"}, "unknown deal") from error
        return Answer.of(200, {"message": "Статус отримано", "status": status}, deal_status=status)

    def _admitted(self, incoming: Incoming, model: type[Fields]) -> dict[str, Any]:
        """The valid body of a call with a valid pair of tokens. A readable call with an access token spends them."""
        access = incoming.bearer
        if access is None:
            raise _refusal(401, NOT_AUTHENTICATED, "no access token")
        body = _object(incoming)
        security = body.get("security_token")
        refused = self._tokens.spend(access, security if isinstance(security, str) else None)
        if refused is not None:
            raise _refusal(401, TOKEN_NOT_VALID, f"token {refused}")
        if errors := field_errors(model, body):
            raise _refusal(400, errors)
        return body

    def _show(self, deal_id: int) -> dict[str, Any]:
        return self._deals.get(deal_id).as_json()

    def _pin(
        self, deal_id: int, status: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    ) -> dict[str, Any]:
        return self._deals.pin(deal_id, status).as_json()


def _is_authorization(incoming: Incoming) -> bool:
    keys = incoming.fields.keys()
    return bool(keys & FIELDS) and not keys & Create.model_fields.keys()


def _object(incoming: Incoming) -> dict[str, Any]:
    if incoming.content_type != "application/json":
        detail = f'Unsupported media type "{incoming.content_type}" in request.'
        raise _refusal(415, {"detail": detail}, "media type")
    try:
        body = incoming.json
    except ValueError as error:
        raise _refusal(400, {"detail": f"JSON parse error - {error}"}, "malformed JSON") from error
    if not isinstance(body, dict):
        raise _refusal(400, {"non_field_errors": [TEXTS["model_type"]]})
    return body


def _refusal(status: int, body: Mapping[str, Any], reason: object = None) -> Refusal:
    """`reason` is for the call log only; by default it is the body."""
    return Refusal(Answer.of(status, body, refused=body if reason is None else reason))


def _describe_create(incoming: Incoming) -> dict[str, Any]:
    body = incoming.fields
    client = body.get("clientInfo")
    return {
        "telephone": client.get("telephone") if isinstance(client, dict) else None,
        "clientInfo": client,
        "termin": body.get("termin"),
        "summa": None if body.get("summa") is None else str(body["summa"]),
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
