"""Lead Leader as a partner of the sandbox: fields, deals and their statuses, endpoints and controls."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from devstack.sandbox.leadleader.authorization import FIELDS, Credentials, TokenPairs, authorization_error, digests
from devstack.sandbox.partner import (
    Answer,
    Context,
    Controls,
    Endpoint,
    Filled,
    Incoming,
    Partner,
    Progress,
    Refusal,
    Rows,
)

INPUT = "/api/partners/input"
NOT_AUTHENTICATED = {"detail": "Authentication credentials were not provided.", "code": "not_authenticated"}
TOKEN_NOT_VALID = {
    "detail": "Given token not valid for any token type",
    "code": "token_not_valid",
    "messages": [{"token_class": "AccessToken", "token_type": "access", "message": "Token is invalid or expired"}],
}
TEXTS = {"missing": "Це поле обов'язкове.", "extra_forbidden": "Невідоме поле."}  # by Pydantic's type of an error
WRONG_VALUE = "Неправильне значення."
GRANTED_PATH = ("В обробці", "Погоджено", "Видано")
REFUSED_PATH = ("В обробці", "Відмовлено")
REFUSED_ABOVE = 500_000
SUMMA = re.compile(r"[0-9]+(\.[0-9]{1,2})?(E\+[0-9]+)?")


def _summa(value: object) -> Decimal:
    if not isinstance(value, int | Decimal) or value <= 0 or not SUMMA.fullmatch(str(value)):
        raise ValueError("not a positive number with two decimal places")
    return Decimal(value)


class Fields(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class ClientInfo(Fields):
    PIB: Filled
    telephone: Annotated[str, StringConstraints(pattern="^0[0-9]{9}$")]
    stateCode: Annotated[str, StringConstraints(pattern="^[0-9]{10}$")]
    activity: Filled
    email: Filled = ""
    city: Filled = ""
    region: Filled = ""


class Create(Fields):
    clientInfo: ClientInfo
    termin: Annotated[int, Field(gt=0)]
    summa: Annotated[Decimal, BeforeValidator(_summa)]
    security_token: Filled


class CheckStatus(Fields):
    deal_id: int
    security_token: Filled


def field_errors(model: type[Fields], body: Mapping[str, Any]) -> dict[str, Any]:
    """The errors in the shape of the request: `{"clientInfo": {"stateCode": ["…"]}, "summa": ["…"]}`; empty if none."""
    errors: dict[str, Any] = {}
    try:
        model.model_validate(body)
    except ValidationError as error:
        for found in error.errors(include_url=False, include_input=False):
            *outer, name = map(str, found["loc"])
            place = errors
            for each in outer:
                place = place.setdefault(each, {})
            place[name] = [TEXTS.get(found["type"], WRONG_VALUE)]
    return errors


@dataclass(slots=True)
class Deal:
    """`summa` is the text that was sent. A pinned deal keeps its status."""

    deal_id: int
    body: Mapping[str, Any]
    progress: Progress
    pinned: bool = False

    def as_json(self) -> dict[str, Any]:
        sent = {"clientInfo": self.body["clientInfo"], "termin": self.body["termin"], "summa": str(self.body["summa"])}
        history = self.progress.as_json()
        at = {"created_at": history[0]["at"], "status": self.progress.status, "pinned": self.pinned, "history": history}
        return {"deal_id": self.deal_id, **sent, **at}


class LeadLeader(Partner):
    rotations = ("password", "private_key")
    credentials: Credentials

    def __init__(self, context: Context) -> None:
        super().__init__(context, Credentials)
        self._pace = context.pace
        self._tokens = TokenPairs(context.clock)
        self._deals = Rows[int, Deal]()
        self._numbers = count(1)

    def endpoints(self) -> list[Endpoint]:
        """The document's authorization section prints the create URL. Both readings work; the keys distinguish them."""
        create, status = f"{INPUT}/create-short-deal/", f"{INPUT}/check-status/"
        return [
            Endpoint("authorize", "POST", f"{INPUT}/authorization/", self._authorize),
            Endpoint("authorize", "POST", create, self._authorize, matches=_is_authorization),
            Endpoint("create", "POST", create, self._create, _describe),
            Endpoint("status", "POST", status, self._status, _describe),
            Endpoint("status", "GET", status, self._status, _describe),
        ]

    def controls(self) -> Controls:
        return {
            "GET /deals": lambda: {"deals": [self._deal(number).as_json() for number in self._deals]},
            "GET /deals/{deal_id}": self._show,
            "POST /deals/{deal_id}": self._pin,
        }

    def secret(self, root: str) -> dict[str, str]:
        names = ("email", "password", "partner_public_key", "private_key")
        urls = {"auth_url": f"{root}{INPUT}/authorization/", "base_url": f"{root}{INPUT}/"}
        return urls | {name: getattr(self.credentials, name) for name in names}

    def refused(self, status: int, detail: str) -> Answer:
        return Answer.of(status, {"detail": detail})

    def advance(self) -> None:
        for number in self._deals:
            self._deal(number)

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
        shown = {"message": "Токени отримано", "access_token": pair.access, "security_token": pair.security}
        return Answer.of(200, shown, **digests(pair.access, pair.security))

    def _create(self, incoming: Incoming) -> Answer:
        body = self._admitted(incoming, Create)
        first, *ahead = REFUSED_PATH if body["summa"] > REFUSED_ABOVE else GRANTED_PATH
        deal = Deal(next(self._numbers), body, Progress([(first, self.clock())], tuple(ahead)))
        self._deals.add(deal.deal_id, deal)
        answer = {"message": "Заявку було успішно створено", "deal_id": deal.deal_id}
        return Answer.of(200, answer, deal_id=deal.deal_id)

    def _status(self, incoming: Incoming) -> Answer:
        deal_id = self._admitted(incoming, CheckStatus)["deal_id"]
        if deal_id not in self._deals:
            raise _refusal(404, {"error": "Заявку не знайдено"}, "unknown deal")
        return Answer.of(200, {"message": "Статус отримано", "status": self._deal(deal_id).progress.status})

    def _admitted(self, incoming: Incoming, model: type[Fields]) -> dict[str, Any]:
        """The valid body of a call with a valid pair of tokens. A readable call with an access token spends them."""
        access = incoming.bearer
        if access is None:
            raise _refusal(401, NOT_AUTHENTICATED, "no access token")
        body = _object(incoming)
        refused = self._tokens.spend(access, _security_token(incoming))
        if refused is not None:
            raise _refusal(401, TOKEN_NOT_VALID, f"token {refused}")
        if errors := field_errors(model, body):
            raise _refusal(400, errors)
        return body

    def _deal(self, deal_id: int) -> Deal:
        deal = self._deals[deal_id]
        deal.progress.advance(self.clock(), self._pace)
        return deal

    def _show(self, deal_id: int) -> dict[str, Any]:
        return self._deal(deal_id).as_json()

    def _pin(self, deal_id: int, status: Filled) -> dict[str, Any]:
        """Set any status, which then no longer changes."""
        deal = self._deal(deal_id)
        deal.pinned = True
        deal.progress.put(status, self.clock())
        return deal.as_json()


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
        raise _refusal(400, {"non_field_errors": [WRONG_VALUE]})
    return body


def _refusal(status: int, body: Mapping[str, Any], reason: object = None) -> Refusal:
    """`reason` is for the call log only; by default it is the body."""
    return Refusal(Answer.of(status, body, refused=body if reason is None else reason))


def _describe(incoming: Incoming) -> dict[str, Any]:
    """The fields as sent, but for the tokens, of which the log has digests."""
    fields = incoming.fields
    sent: dict[str, Any] = {
        name: fields[name] for name in ("clientInfo", "termin", "summa", "deal_id") if name in fields
    }
    client = sent.get("clientInfo")
    sent["telephone"] = client.get("telephone") if isinstance(client, dict) else None
    if "summa" in sent:
        sent["summa"] = str(sent["summa"])
    return sent | digests(incoming.bearer, _security_token(incoming))


def _security_token(incoming: Incoming) -> str | None:
    token = incoming.fields.get("security_token")
    return token if isinstance(token, str) else None
