"""A client of `/control`, for tests and demonstrations. The controls of each partner kind are in its folder."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from devstack.sandbox.control_client import ControlError
from devstack.sandbox.leadleader.remote import Deals
from devstack.sandbox.matchtrade.remote import Accounts

__all__ = ["ControlError", "Remote"]

EMIT_TIMEOUT_SECONDS = 40
"""Longer than a webhook may take."""


@dataclass(frozen=True, slots=True)
class Remote(Deals, Accounts):
    """The controls of the sandbox at `url`."""

    def arm(self, partner: str, operation: str | None, fault: dict[str, Any], **options: Any) -> str:
        """Order a fault (`times`, `skip`, `match` as options); returns its id."""
        order = {"partner": partner, "operation": operation, "fault": fault, **options}
        fault_id: str = self.order("POST", "/control/faults", order)["id"]
        return fault_id

    def faults(self) -> list[dict[str, Any]]:
        faults: list[dict[str, Any]] = self.order("GET", "/control/faults")["faults"]
        return faults

    def disarm(self, fault_id: str | None = None) -> None:
        """Clear one fault, or all of them."""
        self.order("DELETE", "/control/faults" if fault_id is None else f"/control/faults/{fault_id}")

    def calls(self, partner: str | None = None, operation: str | None = None, since: int = 0) -> list[dict[str, Any]]:
        asked = {"partner": partner, "operation": operation, "since": since}
        query = urlencode({name: value for name, value in asked.items() if value is not None})
        calls: list[dict[str, Any]] = self.order("GET", f"/control/calls?{query}")["calls"]
        return calls

    def company(self) -> dict[str, Any]:
        """What is set up in Leeloo: `connections`, `categories`, `templates` with their texts, `tags`, `tunnels`…"""
        company: dict[str, Any] = self.order("GET", "/control/leeloo/company")
        return company

    def people(self) -> list[dict[str, Any]]:
        """Leeloo's people, oldest first."""
        people: list[dict[str, Any]] = self.order("GET", "/control/leeloo/people")["people"]
        return people

    def add_person(self, name: str, **options: Any) -> dict[str, Any]:
        """A person of Leeloo's: `phone`, `email`, `tags` by name and `accounts` by type (`TELEGRAM`…) as options."""
        person: dict[str, Any] = self.order("POST", "/control/leeloo/people", {"name": name, **options})
        return person

    def messages(self, phone: str | None = None, account_id: str | None = None) -> list[dict[str, Any]]:
        """What Leeloo sent to people, in order."""
        asked = {"phone": phone, "account_id": account_id}
        query = urlencode({name: value for name, value in asked.items() if value is not None})
        messages: list[dict[str, Any]] = self.order("GET", f"/control/leeloo/messages?{query}")["messages"]
        return messages

    def limit_calls(self, calls: int | None, **options: Any) -> None:
        """Leeloo takes so many calls per window (`seconds`, `status`, `retry_after` as options); None is any number."""
        self.order("POST", "/control/leeloo/limit", {"calls": calls, **options})

    def emit(self, kind: str, data: dict[str, Any], url: str) -> dict[str, Any]:
        """Have Leeloo post a webhook of its own; returns what came back: `status` and `body`, or `error`."""
        answer: dict[str, Any] = self.order(
            "POST", "/control/leeloo/emit", {"type": kind, "data": data, "url": url}, EMIT_TIMEOUT_SECONDS
        )
        return answer

    def add_lead(self, answers: dict[str, Any], **options: Any) -> dict[str, Any]:
        """A lead of Meta's (`leadgen_id`, `form_id`, `platform` as options), as Graph tells of it."""
        lead: dict[str, Any] = self.order("POST", "/control/graph/leads", {"answers": answers, **options})
        return lead

    def delete_lead(self, leadgen_id: str) -> None:
        self.order("DELETE", f"/control/graph/leads/{leadgen_id}")

    def set_pace(self, seconds: float) -> None:
        self.order("POST", "/control/pace", {"seconds": seconds})

    def rotate(self, partner: str, what: str | None = None) -> dict[str, Any]:
        """The partner's new secret; without `what` its password or its token is replaced."""
        secret: dict[str, Any] = self.order("POST", f"/control/{partner}/rotate", {"what": what})
        return secret

    def reset(self) -> None:
        self.order("POST", "/control/reset")
