"""A client of `/control`, for tests, chaos runs and demonstrations."""

import json
from dataclasses import dataclass, replace
from typing import Any, Self
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import urllib3

TIMEOUT_SECONDS = 60  # to make 100,000 accounts takes long


class ControlError(RuntimeError):
    """The control refused an order. The message has the status and the reason."""


@dataclass(frozen=True, slots=True)
class Remote:
    """The controls of the sandbox at `url`.

    `partner` is the partner that the methods of one kind are about; empty for the one that has the kind's name.
    """

    url: str
    partner: str = ""

    def at(self, partner: str) -> Self:
        return replace(self, partner=partner)

    def get(self, path: str, **query: Any) -> Any:
        """Return the JSON. Parameters that are None are left out."""
        given = urlencode({name: value for name, value in query.items() if value is not None})
        return self.order("GET", f"/control/{path}{'?' if given else ''}{given}")

    def post(self, path: str, body: object = None) -> Any:
        return self.order("POST", f"/control/{path}", body)

    def order(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.url + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urlopen(request, timeout=TIMEOUT_SECONDS) as response:
                raw = response.read()
        except HTTPError as error:
            with error:
                raise ControlError(f"{error.code} {error.read().decode()}") from None
        return json.loads(raw) if raw else None

    # All partners

    def arm(self, partner: str, operation: str | None, fault: dict[str, Any], **options: Any) -> str:
        """Order a fault. Options: `times`, `skip`, `match`. Returns its id."""
        return str(self.post("faults", {"partner": partner, "operation": operation, "fault": fault, **options})["id"])

    def faults(self) -> list[dict[str, Any]]:
        return list(self.get("faults")["faults"])

    def disarm(self, fault_id: str | None = None) -> None:
        self.order("DELETE", "/control/faults" if fault_id is None else f"/control/faults/{fault_id}")

    def calls(self, partner: str | None = None, operation: str | None = None, since: int = 0) -> list[dict[str, Any]]:
        return list(self.get("calls", partner=partner, operation=operation, since=since)["calls"])

    def set_pace(self, seconds: float) -> None:
        self.post("pace", {"seconds": seconds})

    def rotate(self, partner: str, what: str | None = None) -> dict[str, Any]:
        """Replace something in a partner's secret, by default its password or token. Returns the new secret."""
        return dict(self.post(f"{partner}/rotate", {"what": what}))

    def reset(self) -> None:
        self.post("reset")

    # Lead Leader

    def deals(self) -> list[dict[str, Any]]:
        return list(self.get(f"{self.partner or 'leadleader'}/deals")["deals"])

    def deal(self, deal_id: int) -> dict[str, Any]:
        return dict(self.get(f"{self.partner or 'leadleader'}/deals/{deal_id}"))

    def pin(self, deal_id: int, status: str) -> dict[str, Any]:
        return dict(self.post(f"{self.partner or 'leadleader'}/deals/{deal_id}", {"status": status}))

    # Match-Trade

    def add_accounts(self, count: int | None = None, **options: Any) -> dict[str, Any]:
        """Add samples. Options: `start` and `end` in RFC 3339, `foreign`, `emails`, `status`.

        Returns how many were `added`, the `total`, and the uuids of the `first` and the `last` one.
        """
        return dict(self.post(f"{self._broker}/accounts", {"count": count, **options}))

    def accounts(self, email: str | None = None, offset: int = 0, limit: int = 100) -> list[dict[str, Any]]:
        """Accounts, first created first, 1,000 at most; with an email at most one."""
        return list(self.get(f"{self._broker}/accounts", email=email, offset=offset, limit=limit)["accounts"])

    def account(self, account_uuid: str) -> dict[str, Any]:
        return dict(self.get(f"{self._broker}/accounts/{account_uuid}"))

    def put_account(self, account_uuid: str, status: str) -> dict[str, Any]:
        """Set an account's status, which then no longer changes."""
        return dict(self.post(f"{self._broker}/accounts/{account_uuid}", {"status": status}))

    def change_accounts(self, *changes: dict[str, Any], page: int | None = None) -> None:
        """Insert, remove or move accounts, or set statuses: now, or just before that page is answered."""
        self.post(f"{self._broker}/changes", {"page": page, "changes": changes})

    def set_broker(self, **settings: Any) -> dict[str, Any]:
        """Change settings of the broker. Returns all settings."""
        return dict(self.post(f"{self._broker}/broker", settings))

    def expire_tokens(self, *, refresh: bool = True) -> int:
        """End all tokens now. Returns how many access tokens were valid."""
        return int(self.post(f"{self._broker}/expire", {"refresh": refresh})["expired"])

    @property
    def _broker(self) -> str:
        return self.partner or "matchtrade"

    # Leeloo

    def company(self) -> dict[str, Any]:
        """The set-up: `connections`, `categories`, `templates` with their texts, `tags`, `tunnels`…"""
        return dict(self.get("leeloo/company"))

    def people(self) -> list[dict[str, Any]]:
        return list(self.get("leeloo/people")["people"])

    def add_person(self, name: str, **options: Any) -> dict[str, Any]:
        """Options: `phone`, `email`, `tags` by name, `accounts` by type (`TELEGRAM`…)."""
        return dict(self.post("leeloo/people", {"name": name, **options}))

    def messages(self, phone: str | None = None, account_id: str | None = None) -> list[dict[str, Any]]:
        return list(self.get("leeloo/messages", phone=phone, account_id=account_id)["messages"])

    def limit_calls(self, calls: int | None, **options: Any) -> None:
        """Limit the calls per window. Options: `seconds`, `status`, `retry_after`. None is no limit."""
        self.post("leeloo/limit", {"calls": calls, **options})

    def emit(self, kind: str, data: dict[str, Any], url: str) -> dict[str, Any]:
        """Post a webhook as Leeloo does, once. Returns the response: `status` and `body`."""
        with urllib3.PoolManager(retries=False, timeout=TIMEOUT_SECONDS) as http:
            response = http.request("POST", url, json={"type": kind, "data": data}, redirect=False)
        return {"status": response.status, "body": response.data.decode(errors="replace")}

    # Others

    def add_lead(self, answers: dict[str, Any], **options: Any) -> dict[str, Any]:
        """Add a lead at Meta. Options: `leadgen_id`, `form_id`, `platform`, `disclaimers`. Returns what Graph does."""
        return dict(self.post("graph/leads", {"answers": answers, **options}))

    def delete_lead(self, leadgen_id: str) -> None:
        self.order("DELETE", f"/control/graph/leads/{leadgen_id}")

    def postbacks(self) -> list[dict[str, Any]]:
        """The events that the tracker accepted, in order, each with the number of times it was `received`."""
        return list(self.get("feedback/postbacks")["postbacks"])

    def alerts(self) -> list[dict[str, Any]]:
        """The messages in the chats of Telegram's bot, oldest first."""
        return list(self.get("telegram/messages")["messages"])
