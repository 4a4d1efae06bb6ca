"""Match-Trade as a partner of the sandbox: its endpoints and its secret."""

import secrets
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from aiohttp import web

from devstack.sandbox.credentials import StoredCredentials
from devstack.sandbox.matchtrade import listing, refusals
from devstack.sandbox.matchtrade.broker import Broker
from devstack.sandbox.matchtrade.controls import Controls
from devstack.sandbox.matchtrade.credentials import Credentials
from devstack.sandbox.matchtrade.granting import fields_of, grant
from devstack.sandbox.matchtrade.refusals import NoToken, Refusal
from devstack.sandbox.matchtrade.registration import Registration, fit, registration, unknown_fields
from devstack.sandbox.matchtrade.state import State
from devstack.sandbox.matchtrade.times import millis_now
from devstack.sandbox.partner import Answer, Context, Endpoint, Incoming, Operation, digest

TOKEN_PATH = "/proxy/auth/oauth/token"
CREATE_PATH = "/proxy/processing/api/accounts"
LIST_PATH = "/proxy/statistic/api/partner/{partner_id}/accounts/view/for-lead-provider"


class MatchTrade:
    """The broker's side of the contract, for one lead provider."""

    kind = "matchtrade"
    operations = frozenset({"token", "create", "list"})

    def __init__(self, context: Context) -> None:
        self.name = context.name
        self._stored = StoredCredentials(Credentials, context.credentials_file)
        self._state = State(context.clock, context.pace, Broker(**context.settings))
        self.rotations: Mapping[str, Callable[[], None]] = {
            **{name: partial(self._stored.rotate, name) for name in ("password", "client_secret", "offer_uuid")},
            "partner_id": lambda: self._stored.change(partner_id=self._credentials.partner_id + 1),
        }

    @property
    def _credentials(self) -> Credentials:
        return self._stored.values

    @property
    def _offers(self) -> dict[str, str]:
        """The ids of the further offers by name. They change with the id of the first one."""
        first = uuid.UUID(self._credentials.offer_uuid)
        return {name: str(uuid.uuid5(first, name)) for name in self._state.broker.offers}

    def endpoints(self) -> list[Endpoint]:
        return [
            self._endpoint("POST", TOKEN_PATH, Operation("token", self._process_token, _describe_token)),
            self._endpoint("POST", CREATE_PATH, Operation("create", self._process_create, _describe_create)),
            self._endpoint("GET", LIST_PATH, Operation("list", self._process_list, _describe_list)),
        ]

    def controls(self) -> list[web.RouteDef]:
        return Controls(self._state).routes()

    def secret(self, root: str) -> dict[str, Any]:
        credentials = self._credentials
        return {
            "base_url": root,
            "client_id": credentials.client_id,
            "client_secret": credentials.client_secret,
            "username": credentials.username,
            "password": credentials.password,
            "offer_uuid": credentials.offer_uuid,
            "partner_id": credentials.partner_id,
            **({"offers": offers} if (offers := self._offers) else {}),
        }

    def refused(self, status: int, detail: str) -> Answer:
        return Refusal(status, detail).answer(self._now())

    def advance(self) -> None:
        self._state.accounts.advance()

    def reset(self) -> None:
        self._state.clear()

    def _now(self) -> int:
        return millis_now(self._state.clock)

    def _endpoint(self, method: str, path: str, operation: Operation) -> Endpoint:
        whole = Operation(
            operation.name,
            lambda incoming: self._answered(operation, incoming),
            lambda incoming: {**operation.describe(incoming), **_violations(incoming)},
        )
        return Endpoint((method,), path, whole)

    def _answered(self, operation: Operation, incoming: Incoming) -> Answer:
        """Add a session cookie, as in the document's examples. Clients must not return it."""
        try:
            answer = operation.process(incoming)
        except Refusal as refusal:
            answer = refusal.answer(self._now())
        except NoToken as refusal:
            answer = refusal.answer()
        cookie = f"JSESSIONID={secrets.token_hex(16).upper()}; Path=/; HttpOnly"
        return replace(answer, headers={**answer.headers, "Set-Cookie": cookie})

    def _process_token(self, incoming: Incoming) -> Answer:
        return grant(incoming, self._state, self._credentials)

    def _process_create(self, incoming: Incoming) -> Answer:
        """Check in this order: token, model, offer, duplicate, columns."""
        self._admit(incoming)
        asked = registration(incoming, self._state.broker, self._credentials)
        if asked.offer_uuid.lower() not in {self._credentials.offer_uuid, *self._offers.values()}:
            raise Refusal(404, refusals.UNKNOWN_OFFER)
        known = self._state.accounts.with_email(asked.email)
        if known is not None:
            raise refusals.already_exists(asked.email, self._credentials.partner_id)
        fit(asked, self._state.broker)
        return self._created(asked)

    def _created(self, asked: Registration) -> Answer:
        broker = self._state.broker
        account = self._state.accounts.register(asked.account)
        if not broker.create_uuid or broker.create_status in {204, 205}:
            return Answer(broker.create_status, facts={"account_uuid": account.uuid})
        return Answer.of(broker.create_status, listing.row(account, broker), account_uuid=account.uuid)

    def _process_list(self, incoming: Incoming) -> Answer:
        self._admit(incoming)
        if incoming.params["partner_id"] != str(self._credentials.partner_id):
            raise Refusal(403, "Access is denied", "another partner")
        asked = listing.asked(incoming.query, self._state.broker)
        changed = self._state.pending.execute(asked.page)
        answer = listing.page(self._state.accounts, asked, self._state.broker)
        return replace(answer, facts={**answer.facts, "changed": changed}) if changed else answer

    def _admit(self, incoming: Incoming) -> None:
        token = incoming.bearer
        if token is None or not self._state.tokens.admits(token):
            raise Refusal(401, refusals.BAD_TOKEN, "no token" if token is None else "token")


SERVICE = MatchTrade


def _violations(incoming: Incoming) -> dict[str, Any]:
    """What the document does not allow but the broker accepts."""
    found = ["Cookie"] if "Cookie" in incoming.headers else []
    match incoming.method:
        case "GET":
            found += ["body"] if incoming.raw else []
            found += sorted(set(incoming.query) - set(listing.PARAMETERS))
        case _:
            found += ["query"] if incoming.query else []
            found += unknown_fields(incoming.json)
    return {"violations": found} if found else {}


def _describe_token(incoming: Incoming) -> dict[str, Any]:
    try:
        return {"grant_type": fields_of(incoming).get("grant_type")}
    except NoToken:
        return {"grant_type": None}


def _describe_create(incoming: Incoming) -> dict[str, Any]:
    body = incoming.fields
    account = body.get("account")
    email = account.get("email") if isinstance(account, dict) else None
    return {
        "email": email,
        "offerUuid": body.get("offerUuid"),
        "account": account,
        "access_token_sha256": digest(incoming.bearer),
    }


def _describe_list(incoming: Incoming) -> dict[str, Any]:
    return {
        **{name: incoming.query.get(name) for name in listing.PARAMETERS},
        "access_token_sha256": digest(incoming.bearer),
    }
