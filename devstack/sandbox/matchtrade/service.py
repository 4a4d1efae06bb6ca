"""Match-Trade as a partner of the sandbox: its endpoints, its controls and its secret."""

import secrets
import uuid
from dataclasses import asdict, replace
from typing import Annotated, Any

from pydantic import Field

from devstack.sandbox.matchtrade.accounts import Account, Change, Registry, Status
from devstack.sandbox.matchtrade.broker import Broker, Credentials, Tokens, form_of, refusal
from devstack.sandbox.matchtrade.requests import KNOWN, PARAMETERS, by_path, fit, page, query_of, registration, row
from devstack.sandbox.partner import Answer, Context, Controls, Endpoint, Incoming, Partner, digest

LIST_PATH = "/proxy/statistic/api/partner/{partner_id}/accounts/view/for-lead-provider"
MAX_PENDING = 1000
MAX_SHOWN = 1000


class MatchTrade(Partner):
    rotations = ("password", "client_secret", "offer_uuid", "partner_id")
    credentials: Credentials

    def __init__(self, context: Context) -> None:
        super().__init__(context, Credentials)
        self._first = self._broker = Broker(**context.settings)
        self._accounts = Registry(context.clock, context.pace)
        self._tokens = Tokens(context.clock)
        self._pending: list[tuple[int, list[Change]]] = []

    @property
    def _offers(self) -> dict[str, str]:
        """The ids of the further offers by name. They change with the id of the first one."""
        first = uuid.UUID(self.credentials.offer_uuid)
        return {name: str(uuid.uuid5(first, name)) for name in self._broker.offers}

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint("token", "POST", "/proxy/auth/oauth/token", self._grant, _describe),
            Endpoint("create", "POST", "/proxy/processing/api/accounts", self._create, _describe),
            Endpoint("list", "GET", LIST_PATH, self._list, _describe),
        ]

    def controls(self) -> Controls:
        return {
            "POST /broker": self._change_broker,
            "POST /expire": self._tokens.expire,
            "GET /accounts": self._list_accounts,
            "POST /accounts": self._accounts.add_samples,
            "GET /accounts/{account_uuid}": lambda account_uuid: self._shown(self._accounts.get(account_uuid)),
            "POST /accounts/{account_uuid}": self._put_account,
            "POST /changes": self._change_accounts,
        }

    def secret(self, root: str) -> dict[str, Any]:
        secret = {"base_url": root, **asdict(self.credentials)}
        return secret | ({"offers": offers} if (offers := self._offers) else {})

    def rotate(self, what: str) -> None:
        if what == "partner_id":
            self.store(replace(self.credentials, partner_id=self.credentials.partner_id + 1))
        else:
            super().rotate(what)

    def refused(self, status: int, detail: str) -> Answer:
        return refusal(status, detail).answer

    def finish(self, answer: Answer) -> Answer:
        """Add a session cookie, as in the document's examples. Clients must not return it."""
        cookie = f"JSESSIONID={secrets.token_hex(16).upper()}; Path=/; HttpOnly"
        return replace(answer, headers={**answer.headers, "Set-Cookie": cookie})

    def advance(self) -> None:
        self._accounts.all()

    def reset(self) -> None:
        self._accounts.clear()
        self._tokens.expire()
        self._pending.clear()
        self._broker = self._first

    def _grant(self, incoming: Incoming) -> Answer:
        return self._tokens.grant(incoming, self._broker, self.credentials)

    def _create(self, incoming: Incoming) -> Answer:
        """Check in this order: token, model, offer, duplicate, columns."""
        self._admit(incoming)
        broker, credentials = self._broker, self.credentials
        body = registration(incoming, broker, credentials)
        if body["offerUuid"].lower() not in {credentials.offer_uuid, *self._offers.values()}:
            raise refusal(404, "Entity not found: [status 404 reading OfferClient#findOne(UUID)]")
        email = body["account"].get("email", "")
        if self._accounts.with_email(email):
            raise refusal(409, f"Account [{email}:{credentials.partner_id}] already exists", "already exists")
        fit(body["account"], broker)
        account = self._accounts.register(body["account"])
        if not broker.create_uuid or broker.create_status in {204, 205}:
            return Answer(broker.create_status, facts={"account_uuid": account.uuid})
        return Answer.of(broker.create_status, row(account, broker), account_uuid=account.uuid)

    def _list(self, incoming: Incoming) -> Answer:
        self._admit(incoming)
        if incoming.params["partner_id"] != str(self.credentials.partner_id):
            raise refusal(403, "Access is denied", "another partner")
        query = query_of(incoming.query)
        changed = sum(self._accounts.apply(changes) for due, changes in self._pending if due == query.page)
        self._pending = [order for order in self._pending if order[0] != query.page]
        return page(self._accounts, query, self._broker, **({"changed": changed} if changed else {}))

    def _admit(self, incoming: Incoming) -> None:
        token = incoming.bearer
        if token is None or not self._tokens.admits(token):
            message = "java.nio.charset.MalformedInputException: Input length = 1"
            raise refusal(401, message, "no token" if token is None else "token")

    def _change_broker(self, **settings: Any) -> dict[str, Any]:
        self._broker = Broker(**(self._broker.model_dump() | settings))
        return self._broker.model_dump()

    def _shown(self, account: Account) -> dict[str, Any]:
        """An account's row, and what the broker does not show."""
        person = account.person if account.origin == "registered" else None
        shown = {"leadSource": account.lead_source, "origin": account.origin, "account": person}
        progress = {"moves": bool(account.progress.ahead), "history": account.progress.as_json()}
        return row(account, self._broker) | shown | progress

    def _list_accounts(self, email: str | None = None, offset: Annotated[int, Field(ge=0)] = 0) -> dict[str, Any]:
        found = self._accounts.all() if email is None else self._accounts.with_email(email)
        return {"accounts": [self._shown(account) for account in found[offset : offset + MAX_SHOWN]]}

    def _put_account(self, account_uuid: str, status: Status) -> dict[str, Any]:
        return self._shown(self._accounts.put(account_uuid, status))

    def _change_accounts(self, changes: list[Change], page: Annotated[int, Field(ge=0)]) -> None:
        """Change accounts once, before the next answer with that page."""
        if len(self._pending) >= MAX_PENDING:
            raise OverflowError(f"{MAX_PENDING} orders are pending: clear some")
        self._pending.append((page, changes))


def _describe(incoming: Incoming) -> dict[str, Any]:
    """What was sent, without credentials, and as `violations` what the document forbids but the broker accepts."""
    fields, account = incoming.fields, incoming.fields.get("account")
    sent = {"account": account, "email": account.get("email") if isinstance(account, dict) else None}
    sent |= {"offerUuid": fields.get("offerUuid"), "grant_type": form_of(incoming).get("grant_type")}
    sent |= {name: incoming.query.get(name) for name in PARAMETERS}
    sent["access_token_sha256"] = digest(incoming.bearer)
    found = ["Cookie"] if "Cookie" in incoming.headers else []
    found += ["body"] if incoming.method == "GET" and incoming.raw else []
    found += sorted(set(incoming.query) - (set(PARAMETERS) if incoming.method == "GET" else set()))
    found += [path for path, _ in by_path(fields) if path not in KNOWN]
    return sent | ({"violations": found} if found else {})
