"""A client of `/control`, for tests, chaos runs and demonstrations. The README describes the routes."""

from dataclasses import dataclass, replace
from typing import Any, Self

import urllib3

TIMEOUT_SECONDS = 60  # to make 100,000 accounts takes long

type Rows = list[dict[str, Any]]


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
        return self._order("GET", path, fields={name: value for name, value in query.items() if value is not None})

    def post(self, path: str, body: object = None) -> Any:
        return self._order("POST", path, json={} if body is None else body)

    def delete(self, path: str) -> None:
        self._order("DELETE", path)

    def _order(self, method: str, path: str, **content: Any) -> Any:
        try:
            with urllib3.PoolManager(retries=False, timeout=TIMEOUT_SECONDS) as http:
                answer = http.request(method, f"{self.url}/control/{path}", **content)
        except urllib3.exceptions.HTTPError as error:
            raise ConnectionError(f"{method} {path}: {error}") from error
        if answer.status >= 400:
            raise ControlError(f"{answer.status} {answer.data.decode()}")
        return answer.json() if answer.data else None

    def _own(self, kind: str, path: str) -> str:
        return f"{self.partner or kind}/{path}"

    def _rows(self, path: str, **query: Any) -> Rows:
        return list(self.get(path, **query)[path.rpartition("/")[2]])

    def arm(self, partner: str, operation: str | None, fault: dict[str, Any], **options: Any) -> str:
        """Order a fault. Options: `times`, `skip`, `match`. Returns its id."""
        return str(self.post("faults", {"partner": partner, "operation": operation, "fault": fault, **options})["id"])

    def faults(self) -> Rows:
        return self._rows("faults")

    def disarm(self, fault_id: str | None = None) -> None:
        self.delete("faults" if fault_id is None else f"faults/{fault_id}")

    def calls(self, partner: str | None = None, operation: str | None = None, since: int = 0) -> Rows:
        return self._rows("calls", partner=partner, operation=operation, since=since)

    def set_pace(self, seconds: float) -> None:
        self.post("pace", {"seconds": seconds})

    def rotate(self, partner: str, what: str | None = None) -> dict[str, Any]:
        """Replace something in a partner's secret, by default its password or token. Returns the new secret."""
        return dict(self.post(f"{partner}/rotate", {"what": what}))

    def reset(self) -> None:
        self.post("reset")

    def deals(self) -> Rows:
        return self._rows(self._own("leadleader", "deals"))

    def deal(self, deal_id: int) -> dict[str, Any]:
        return dict(self.get(self._own("leadleader", f"deals/{deal_id}")))

    def pin(self, deal_id: int, status: str) -> dict[str, Any]:
        return dict(self.post(self._own("leadleader", f"deals/{deal_id}"), {"status": status}))

    def add_accounts(self, count: int | None = None, **options: Any) -> dict[str, Any]:
        """Add samples. Options: `start` and `end` in RFC 3339, `foreign`, `emails`, `status`."""
        return dict(self.post(self._own("matchtrade", "accounts"), {"count": count, **options}))

    def accounts(self, email: str | None = None, offset: int = 0, limit: int = 100) -> Rows:
        """Accounts, first created first, 1,000 at most; with an email at most one."""
        return self._rows(self._own("matchtrade", "accounts"), email=email, offset=offset, limit=limit)

    def account(self, account_uuid: str) -> dict[str, Any]:
        return dict(self.get(self._own("matchtrade", f"accounts/{account_uuid}")))

    def put_account(self, account_uuid: str, status: str) -> dict[str, Any]:
        """Set an account's status, which then no longer changes."""
        return dict(self.post(self._own("matchtrade", f"accounts/{account_uuid}"), {"status": status}))

    def change_accounts(self, *changes: dict[str, Any], page: int | None = None) -> None:
        """Insert, remove or move accounts, or set statuses: now, or just before that page is answered."""
        self.post(self._own("matchtrade", "changes"), {"page": page, "changes": changes})

    def set_broker(self, **settings: Any) -> dict[str, Any]:
        """Change settings of the broker. Returns all settings."""
        return dict(self.post(self._own("matchtrade", "broker"), settings))

    def expire_tokens(self, *, refresh: bool = True) -> int:
        """End all tokens now. Returns how many access tokens were valid."""
        return int(self.post(self._own("matchtrade", "expire"), {"refresh": refresh})["expired"])

    def people(self) -> Rows:
        return self._rows("leeloo/people")

    def add_person(self, name: str, **options: Any) -> dict[str, Any]:
        """Options: `phone`, `email`, `tags` by name, `accounts` by type (`TELEGRAM`…)."""
        return dict(self.post("leeloo/people", {"name": name, **options}))

    def messages(self, phone: str | None = None, account_id: str | None = None) -> Rows:
        return self._rows("leeloo/messages", phone=phone, account_id=account_id)

    def limit_calls(self, calls: int | None, **options: Any) -> None:
        """Limit the calls per window. Options: `seconds`, `status`, `retry_after`. None is no limit."""
        self.post("leeloo/limit", {"calls": calls, **options})

    def add_lead(self, answers: dict[str, Any], **options: Any) -> dict[str, Any]:
        """Add a lead at Meta. Options: `leadgen_id`, `form_id`, `platform`, `disclaimers`. Returns what Graph does."""
        return dict(self.post("graph/leads", {"answers": answers, **options}))

    def postbacks(self) -> Rows:
        """The events that the tracker accepted, in order, each with the number of times it was `received`."""
        return self._rows("feedback/postbacks")

    def alerts(self) -> Rows:
        """The messages in the chats of Telegram's bot, oldest first."""
        return self._rows("telegram/messages")
