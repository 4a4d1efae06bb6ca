"""A client of Match-Trade's controls."""

from typing import Any

from devstack.sandbox.control_client import ControlClient

SAMPLES_TIMEOUT_SECONDS = 60


class Accounts(ControlClient):
    __slots__ = ()

    def add_accounts(self, count: int | None = None, **options: Any) -> dict[str, Any]:
        """Add samples. Options: `start` and `end` in RFC 3339, `foreign`, `emails`, `status`.

        Returns how many were `added`, the `total`, and the uuids of the `first` and the `last` one.
        """
        order = {"count": count, **_window(options)}
        return dict(self.post(self.path("matchtrade", "accounts"), order, SAMPLES_TIMEOUT_SECONDS))

    def accounts(self, email: str | None = None, offset: int = 0, limit: int = 100) -> list[dict[str, Any]]:
        """Accounts, first created first, 1,000 at most; with an email at most one."""
        return list(self.get(self.path("matchtrade", "accounts"), email=email, offset=offset, limit=limit)["accounts"])

    def account(self, account_uuid: str) -> dict[str, Any]:
        return dict(self.get(self.path("matchtrade", f"accounts/{account_uuid}")))

    def put_account(self, account_uuid: str, status: str) -> dict[str, Any]:
        """Set an account's status, which then no longer changes."""
        return dict(self.post(self.path("matchtrade", f"accounts/{account_uuid}"), {"status": status}))

    def put_accounts(self, status: str, **which: Any) -> int:
        """Set the status of `uuids`, or of all created from `start` to `end`. Returns how many had another one."""
        return int(self.post(self.path("matchtrade", "statuses"), {"status": status, **_window(which)})["changed"])

    def change_accounts(self, *changes: dict[str, Any], page: int | None = None) -> None:
        """Insert, remove or move accounts, or set statuses: now, or just before that page is answered."""
        self.post(self.path("matchtrade", "changes"), {"page": page, "changes": changes})

    def set_broker(self, **settings: Any) -> dict[str, Any]:
        """Change settings of the broker. Returns all settings."""
        return dict(self.post(self.path("matchtrade", "broker"), settings))

    def expire_tokens(self, *, refresh: bool = True) -> int:
        """End all tokens now. Returns how many access tokens were valid."""
        return int(self.post(self.path("matchtrade", "expire"), {"refresh": refresh})["expired"])


def _window(options: dict[str, Any]) -> dict[str, Any]:
    """`from` is a keyword in Python."""
    names = {"start": "from", "end": "to"}
    return {names.get(name, name): value for name, value in options.items()}
