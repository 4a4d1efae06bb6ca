"""A client of `/control`, for tests and demonstrations. The partners' folders have the methods of the partner kinds."""

from dataclasses import dataclass
from typing import Any

from devstack.sandbox.control_client import ControlError
from devstack.sandbox.leadleader.remote import Deals
from devstack.sandbox.matchtrade.remote import Accounts

__all__ = ["ControlError", "Remote"]

EMIT_TIMEOUT_SECONDS = 40
"""Longer than the sandbox waits for a webhook."""


@dataclass(frozen=True, slots=True)
class Remote(Deals, Accounts):
    """The controls of the sandbox at `url`."""

    def arm(self, partner: str, operation: str | None, fault: dict[str, Any], **options: Any) -> str:
        """Order a fault. Options: `times`, `skip`, `match`. Returns its id."""
        return str(self.post("faults", {"partner": partner, "operation": operation, "fault": fault, **options})["id"])

    def faults(self) -> list[dict[str, Any]]:
        return list(self.get("faults")["faults"])

    def disarm(self, fault_id: str | None = None) -> None:
        """Clear one fault, or all."""
        self.order("DELETE", "/control/faults" if fault_id is None else f"/control/faults/{fault_id}")

    def calls(self, partner: str | None = None, operation: str | None = None, since: int = 0) -> list[dict[str, Any]]:
        return list(self.get("calls", partner=partner, operation=operation, since=since)["calls"])

    def company(self) -> dict[str, Any]:
        """Leeloo's set-up: `connections`, `categories`, `templates` with their texts, `tags`, `tunnels`…"""
        return dict(self.get("leeloo/company"))

    def people(self) -> list[dict[str, Any]]:
        """Leeloo's people, oldest first."""
        return list(self.get("leeloo/people")["people"])

    def add_person(self, name: str, **options: Any) -> dict[str, Any]:
        """Add a person in Leeloo. Options: `phone`, `email`, `tags` by name, `accounts` by type (`TELEGRAM`…)."""
        return dict(self.post("leeloo/people", {"name": name, **options}))

    def messages(self, phone: str | None = None, account_id: str | None = None) -> list[dict[str, Any]]:
        """The messages that Leeloo sent, in order."""
        return list(self.get("leeloo/messages", phone=phone, account_id=account_id)["messages"])

    def limit_calls(self, calls: int | None, **options: Any) -> None:
        """Limit Leeloo's calls per window. Options: `seconds`, `status`, `retry_after`. None is no limit."""
        self.post("leeloo/limit", {"calls": calls, **options})

    def emit(self, kind: str, data: dict[str, Any], url: str) -> dict[str, Any]:
        """Let Leeloo post a webhook. Returns the response: `status` and `body`, or `error`."""
        return dict(self.post("leeloo/emit", {"type": kind, "data": data, "url": url}, EMIT_TIMEOUT_SECONDS))

    def postbacks(self) -> list[dict[str, Any]]:
        """The events that the tracker accepted, in order, each with the number of times it was `received`."""
        return list(self.get("feedback/postbacks")["postbacks"])

    def add_lead(self, answers: dict[str, Any], **options: Any) -> dict[str, Any]:
        """Add a lead at Meta. Options: `leadgen_id`, `form_id`, `platform`, `disclaimers`. Returns what Graph does."""
        return dict(self.post("graph/leads", {"answers": answers, **options}))

    def alerts(self) -> list[dict[str, Any]]:
        """The messages in the chats of Telegram's bot, oldest first."""
        return list(self.get("telegram/messages")["messages"])

    def delete_lead(self, leadgen_id: str) -> None:
        self.order("DELETE", f"/control/graph/leads/{leadgen_id}")

    def set_pace(self, seconds: float) -> None:
        self.post("pace", {"seconds": seconds})

    def rotate(self, partner: str, what: str | None = None) -> dict[str, Any]:
        """Replace something in a partner's secret, by default its password or token. Returns the new secret."""
        return dict(self.post(f"{partner}/rotate", {"what": what}))

    def reset(self) -> None:
        self.post("reset")
