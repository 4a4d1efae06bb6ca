"""Match-Trade as a partner of the sandbox: its endpoints, its controls and its secret."""

import secrets
import uuid
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, Field

from devstack.sandbox.matchtrade.accounts import MAX_STORED, Registry
from devstack.sandbox.matchtrade.broker import BAD_TOKEN, UNKNOWN_OFFER, Broker, Credentials, refusal
from devstack.sandbox.matchtrade.changes import Change, Email, Status, apply
from devstack.sandbox.matchtrade.listing import PARAMETERS, page, query_of, row, shown
from devstack.sandbox.matchtrade.registration import fit, registration, unknown_fields
from devstack.sandbox.matchtrade.tokens import Tokens, fields_of
from devstack.sandbox.partner import Answer, Context, Controls, Endpoint, Incoming, Partner, Refusal, digest

TOKEN_PATH = "/proxy/auth/oauth/token"
CREATE_PATH = "/proxy/processing/api/accounts"
LIST_PATH = "/proxy/statistic/api/partner/{partner_id}/accounts/view/for-lead-provider"
BEGINNING = datetime(2019, 1, 1, tzinfo=UTC)
MAX_PENDING = 1000


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
            Endpoint("token", "POST", TOKEN_PATH, self._grant, _describe_token),
            Endpoint("create", "POST", CREATE_PATH, self._create, _describe_create),
            Endpoint("list", "GET", LIST_PATH, self._list, _describe_list),
        ]

    def controls(self) -> Controls:
        return {
            "GET /broker": self._show_broker,
            "POST /broker": self._change_broker,
            "POST /expire": self._tokens.expire,
            "GET /accounts": self._list_accounts,
            "POST /accounts": self._add_accounts,
            "GET /accounts/{account_uuid}": self._show_account,
            "POST /accounts/{account_uuid}": self._put_account,
            "POST /changes": self._change_accounts,
        }

    def secret(self, root: str) -> dict[str, Any]:
        known = asdict(self.credentials)
        del known["manager_uuid"]
        return {"base_url": root, **known, **({"offers": offers} if (offers := self._offers) else {})}

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
        self._accounts.advance()

    def reset(self) -> None:
        self._accounts.clear()
        self._tokens.expire()
        self._pending.clear()
        self._broker = self._first

    # The contract

    def _grant(self, incoming: Incoming) -> Answer:
        return self._tokens.grant(incoming, self._broker, self.credentials)

    def _create(self, incoming: Incoming) -> Answer:
        """Check in this order: token, model, offer, duplicate, columns."""
        self._admit(incoming)
        broker, credentials = self._broker, self.credentials
        body = registration(incoming, broker, credentials)
        if body["offerUuid"].lower() not in {credentials.offer_uuid, *self._offers.values()}:
            raise refusal(404, UNKNOWN_OFFER)
        email = body["account"].get("email", "")
        if self._accounts.with_email(email) is not None:
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
        changed = sum(apply(changes, self._accounts) for due, changes in self._pending if due == query.page)
        self._pending = [order for order in self._pending if order[0] != query.page]
        answer = page(self._accounts, query, self._broker)
        return replace(answer, facts={**answer.facts, "changed": changed}) if changed else answer

    def _admit(self, incoming: Incoming) -> None:
        token = incoming.bearer
        if token is None or not self._tokens.admits(token):
            raise refusal(401, BAD_TOKEN, "no token" if token is None else "token")

    # The control

    def _show_broker(self) -> dict[str, Any]:
        return self._broker.model_dump()

    def _change_broker(self, **settings: Any) -> dict[str, Any]:
        self._broker = Broker(**(self._show_broker() | settings))
        return self._show_broker()

    def _list_accounts(
        self,
        email: str | None = None,
        offset: Annotated[int, Field(ge=0)] = 0,
        limit: Annotated[int, Field(ge=0, le=1000)] = 100,
    ) -> dict[str, Any]:
        found = self._accounts.all()
        if email is not None:
            account = self._accounts.with_email(email)
            found = [] if account is None else [account]
        rows = [shown(account, self._broker) for account in found[offset : offset + limit]]
        return {"accounts": rows, "total": len(found)}

    def _add_accounts(
        self,
        count: Annotated[int, Field(ge=1, le=MAX_STORED)] | None = None,
        start: AwareDatetime = BEGINNING,
        end: AwareDatetime | None = None,
        emails: list[Email] = [],
        foreign: bool = True,
        status: Status | None = None,
    ) -> dict[str, Any]:
        """Add samples. `count` is by default the number of emails."""
        count, first = count or len(emails), start.timestamp()
        last = self._accounts.now if end is None else end.timestamp()
        if not count or count < len(emails) or len({email.lower() for email in emails}) < len(emails):
            raise ValueError("count or emails: not fewer accounts than emails, and no email twice")
        if last < first:
            raise ValueError("start: not after end")
        added = self._accounts.add_samples(count, first, last, "foreign" if foreign else "ours", status, emails)
        total = len(self._accounts.all())
        return {"added": count, "total": total, "first": added[0].uuid, "last": added[-1].uuid}

    def _show_account(self, account_uuid: str) -> dict[str, Any]:
        return shown(self._accounts.get(account_uuid), self._broker)

    def _put_account(self, account_uuid: str, status: Status) -> dict[str, Any]:
        self._accounts.put(self._accounts.get(account_uuid), status)
        return self._show_account(account_uuid)

    def _change_accounts(
        self, changes: list[Change], page: Annotated[int, Field(ge=0)] | None = None
    ) -> dict[str, int]:
        """Change accounts now, or once before the first answer with that page."""
        if page is None:
            return {"changed": apply(changes, self._accounts)}
        if len(self._pending) >= MAX_PENDING:
            raise OverflowError(f"{MAX_PENDING} orders are pending: clear some")
        self._pending.append((page, changes))
        return {"pending": len(self._pending)}


def _violations(incoming: Incoming) -> dict[str, Any]:
    """What the document does not allow but the broker accepts."""
    found = ["Cookie"] if "Cookie" in incoming.headers else []
    if incoming.method == "GET":
        found += ["body"] if incoming.raw else []
        found += sorted(set(incoming.query) - set(PARAMETERS))
    else:
        found += ["query"] if incoming.query else []
        found += unknown_fields(incoming.fields)
    return {"violations": found} if found else {}


def _describe_token(incoming: Incoming) -> dict[str, Any]:
    grant_type = None
    with suppress(Refusal):
        grant_type = fields_of(incoming).get("grant_type")
    return {"grant_type": grant_type, **_violations(incoming)}


def _describe_create(incoming: Incoming) -> dict[str, Any]:
    body = incoming.fields
    account = body.get("account")
    return {
        "email": account.get("email") if isinstance(account, dict) else None,
        "offerUuid": body.get("offerUuid"),
        "account": account,
        "access_token_sha256": digest(incoming.bearer),
        **_violations(incoming),
    }


def _describe_list(incoming: Incoming) -> dict[str, Any]:
    given = {name: incoming.query.get(name) for name in PARAMETERS}
    return {**given, "access_token_sha256": digest(incoming.bearer), **_violations(incoming)}
