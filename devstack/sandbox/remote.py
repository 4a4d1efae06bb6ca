"""A client of `/control`, for tests and demonstrations."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

TIMEOUT_SECONDS = 10
EMIT_TIMEOUT_SECONDS = 40
"""Longer than a webhook may take."""

SAMPLES_TIMEOUT_SECONDS = 60


class ControlError(RuntimeError):
    """The control refused an order; the message has its status and its reason."""


@dataclass(frozen=True, slots=True)
class Remote:
    """The controls of the sandbox at `url`."""

    url: str

    def arm(self, partner: str, operation: str | None, fault: dict[str, Any], **options: Any) -> str:
        """Order a fault (`times`, `skip`, `match` as options); returns its id."""
        order = {"partner": partner, "operation": operation, "fault": fault, **options}
        fault_id: str = self._ask("POST", "/control/faults", order)["id"]
        return fault_id

    def faults(self) -> list[dict[str, Any]]:
        faults: list[dict[str, Any]] = self._ask("GET", "/control/faults")["faults"]
        return faults

    def disarm(self, fault_id: str | None = None) -> None:
        """Clear one fault, or all of them."""
        self._ask("DELETE", "/control/faults" if fault_id is None else f"/control/faults/{fault_id}")

    def calls(self, partner: str | None = None, operation: str | None = None, since: int = 0) -> list[dict[str, Any]]:
        asked = {"partner": partner, "operation": operation, "since": since}
        query = urlencode({name: value for name, value in asked.items() if value is not None})
        calls: list[dict[str, Any]] = self._ask("GET", f"/control/calls?{query}")["calls"]
        return calls

    def deals(self) -> list[dict[str, Any]]:
        deals: list[dict[str, Any]] = self._ask("GET", "/control/leadleader/deals")["deals"]
        return deals

    def deal(self, deal_id: int) -> dict[str, Any]:
        deal: dict[str, Any] = self._ask("GET", f"/control/leadleader/deals/{deal_id}")
        return deal

    def pin(self, deal_id: int, status: str) -> dict[str, Any]:
        deal: dict[str, Any] = self._ask("POST", f"/control/leadleader/deals/{deal_id}", {"status": status})
        return deal

    def company(self) -> dict[str, Any]:
        """What is set up in Leeloo: `connections`, `categories`, `templates` with their texts, `tags`, `tunnels`…"""
        company: dict[str, Any] = self._ask("GET", "/control/leeloo/company")
        return company

    def people(self) -> list[dict[str, Any]]:
        """Leeloo's people, oldest first."""
        people: list[dict[str, Any]] = self._ask("GET", "/control/leeloo/people")["people"]
        return people

    def add_person(self, name: str, **options: Any) -> dict[str, Any]:
        """A person of Leeloo's: `phone`, `email`, `tags` by name and `accounts` by type (`TELEGRAM`…) as options."""
        person: dict[str, Any] = self._ask("POST", "/control/leeloo/people", {"name": name, **options})
        return person

    def messages(self, phone: str | None = None, account_id: str | None = None) -> list[dict[str, Any]]:
        """What Leeloo sent to people, in order."""
        asked = {"phone": phone, "account_id": account_id}
        query = urlencode({name: value for name, value in asked.items() if value is not None})
        messages: list[dict[str, Any]] = self._ask("GET", f"/control/leeloo/messages?{query}")["messages"]
        return messages

    def limit_calls(self, calls: int | None, **options: Any) -> None:
        """Leeloo takes so many calls per window (`seconds`, `status`, `retry_after` as options); None is any number."""
        self._ask("POST", "/control/leeloo/limit", {"calls": calls, **options})

    def emit(self, kind: str, data: dict[str, Any], url: str) -> dict[str, Any]:
        """Have Leeloo post a webhook of its own; returns what came back: `status` and `body`, or `error`."""
        answer: dict[str, Any] = self._ask(
            "POST", "/control/leeloo/emit", {"type": kind, "data": data, "url": url}, EMIT_TIMEOUT_SECONDS
        )
        return answer

    def add_accounts(self, count: int | None = None, **options: Any) -> dict[str, Any]:
        """Sample accounts of Match-Trade's (`start` and `end` in RFC 3339, `foreign`, `emails`, `status` as options).

        Returns how many were `added`, the `total`, and the uuids of the `first` and `last` of them.
        """
        order = {"count": count, **_window(options)}
        added: dict[str, Any] = self._ask("POST", "/control/matchtrade/accounts", order, SAMPLES_TIMEOUT_SECONDS)
        return added

    def accounts(self, email: str | None = None, offset: int = 0, limit: int = 100) -> list[dict[str, Any]]:
        """Match-Trade's accounts, first created first, 1,000 at most; the one with this email, or none."""
        asked = {"email": email, "offset": offset, "limit": limit}
        query = urlencode({name: value for name, value in asked.items() if value is not None})
        accounts: list[dict[str, Any]] = self._ask("GET", f"/control/matchtrade/accounts?{query}")["accounts"]
        return accounts

    def account(self, account_uuid: str) -> dict[str, Any]:
        account: dict[str, Any] = self._ask("GET", f"/control/matchtrade/accounts/{account_uuid}")
        return account

    def put_account(self, account_uuid: str, status: str) -> dict[str, Any]:
        """Put one of Match-Trade's accounts in a status, for good."""
        account: dict[str, Any] = self._ask("POST", f"/control/matchtrade/accounts/{account_uuid}", {"status": status})
        return account

    def put_accounts(self, status: str, **which: Any) -> int:
        """The same for many: `uuids`, or all created from `start` to `end`. Returns how many were in another."""
        changed: int = self._ask("POST", "/control/matchtrade/statuses", {"status": status, **_window(which)})[
            "changed"
        ]
        return changed

    def change_accounts(self, *changes: dict[str, Any], page: int | None = None) -> None:
        """Have accounts inserted, removed, moved or put in a status: now, or just before that page is answered."""
        self._ask("POST", "/control/matchtrade/changes", {"page": page, "changes": changes})

    def set_broker(self, **settings: Any) -> dict[str, Any]:
        """Change what differs between Match-Trade's brokers; returns all the settings."""
        broker: dict[str, Any] = self._ask("POST", "/control/matchtrade/broker", settings)
        return broker

    def expire_tokens(self, *, refresh: bool = True) -> int:
        """End all of Match-Trade's access tokens now, and the refresh tokens too; returns how many were alive."""
        expired: int = self._ask("POST", "/control/matchtrade/expire", {"refresh": refresh})["expired"]
        return expired

    def add_lead(self, answers: dict[str, Any], **options: Any) -> dict[str, Any]:
        """A lead of Meta's (`leadgen_id`, `form_id`, `platform` as options), as Graph tells of it."""
        lead: dict[str, Any] = self._ask("POST", "/control/graph/leads", {"answers": answers, **options})
        return lead

    def delete_lead(self, leadgen_id: str) -> None:
        self._ask("DELETE", f"/control/graph/leads/{leadgen_id}")

    def set_pace(self, seconds: float) -> None:
        self._ask("POST", "/control/pace", {"seconds": seconds})

    def rotate(self, partner: str, what: str | None = None) -> dict[str, Any]:
        """The partner's new secret; without `what` its password or its token is replaced."""
        secret: dict[str, Any] = self._ask("POST", f"/control/{partner}/rotate", {"what": what})
        return secret

    def reset(self) -> None:
        self._ask("POST", "/control/reset")

    def _ask(self, method: str, path: str, body: object = None, timeout: float = TIMEOUT_SECONDS) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.url + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urlopen(request, timeout=timeout) as response:
                raw = response.read()
        except HTTPError as error:
            with error:
                raise ControlError(f"{error.code} {error.read().decode()}") from None
        return json.loads(raw) if raw else None


def _window(options: dict[str, Any]) -> dict[str, Any]:
    """`start` and `end` by the names they have on the wire, which Python keeps for itself."""
    names = {"start": "from", "end": "to"}
    return {names.get(name, name): value for name, value in options.items()}
