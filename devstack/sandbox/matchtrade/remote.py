"""A client of Match-Trade's controls."""

from typing import Any
from urllib.parse import urlencode

from devstack.sandbox.control_client import ControlClient

SAMPLES_TIMEOUT_SECONDS = 60


class Accounts(ControlClient):
    """The accounts at Match-Trade."""

    __slots__ = ()

    def add_accounts(self, count: int | None = None, **options: Any) -> dict[str, Any]:
        """Sample accounts of Match-Trade's (`start` and `end` in RFC 3339, `foreign`, `emails`, `status` as options).

        Returns how many were `added`, the `total`, and the uuids of the `first` and `last` of them.
        """
        order = {"count": count, **_window(options)}
        added: dict[str, Any] = self.order("POST", "/control/matchtrade/accounts", order, SAMPLES_TIMEOUT_SECONDS)
        return added

    def accounts(self, email: str | None = None, offset: int = 0, limit: int = 100) -> list[dict[str, Any]]:
        """Match-Trade's accounts, first created first, 1,000 at most; the one with this email, or none."""
        asked = {"email": email, "offset": offset, "limit": limit}
        query = urlencode({name: value for name, value in asked.items() if value is not None})
        accounts: list[dict[str, Any]] = self.order("GET", f"/control/matchtrade/accounts?{query}")["accounts"]
        return accounts

    def account(self, account_uuid: str) -> dict[str, Any]:
        account: dict[str, Any] = self.order("GET", f"/control/matchtrade/accounts/{account_uuid}")
        return account

    def put_account(self, account_uuid: str, status: str) -> dict[str, Any]:
        """Put one of Match-Trade's accounts in a status, for good."""
        account: dict[str, Any] = self.order("POST", f"/control/matchtrade/accounts/{account_uuid}", {"status": status})
        return account

    def put_accounts(self, status: str, **which: Any) -> int:
        """The same for many: `uuids`, or all created from `start` to `end`. Returns how many were in another."""
        changed: int = self.order("POST", "/control/matchtrade/statuses", {"status": status, **_window(which)})[
            "changed"
        ]
        return changed

    def change_accounts(self, *changes: dict[str, Any], page: int | None = None) -> None:
        """Have accounts inserted, removed, moved or put in a status: now, or just before that page is answered."""
        self.order("POST", "/control/matchtrade/changes", {"page": page, "changes": changes})

    def set_broker(self, **settings: Any) -> dict[str, Any]:
        """Change what differs between Match-Trade's brokers; returns all the settings."""
        broker: dict[str, Any] = self.order("POST", "/control/matchtrade/broker", settings)
        return broker

    def expire_tokens(self, *, refresh: bool = True) -> int:
        """End all of Match-Trade's access tokens now, and the refresh tokens too; returns how many were alive."""
        expired: int = self.order("POST", "/control/matchtrade/expire", {"refresh": refresh})["expired"]
        return expired


def _window(options: dict[str, Any]) -> dict[str, Any]:
    """`start` and `end` by the names they have on the wire, which Python keeps for itself."""
    names = {"start": "from", "end": "to"}
    return {names.get(name, name): value for name, value in options.items()}
