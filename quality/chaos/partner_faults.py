"""Faults of partners. None is a false answer that the contract makes undetectable.

A kind's profile (`devstack/sandbox/profile.py`) has its operations. A partner whose contract treats every 2xx as
success never returns a false one.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

from devstack.partners import partner_profiles
from devstack.sandbox.remote import ControlError, Remote
from quality.chaos.people import Visitor

OTHERS: dict[str, tuple[int, tuple[str | None, ...]]] = {"leeloo": (3, (None,)), "graph": (1, ("lead",))}
"""The partners without leads: the weight of each, and the operations that fail (None: any)."""

DOWN: dict[str, dict[str, Any]] = {
    "closes the connection": {"kind": "drop", "when": "before"},
    "loses its answer": {"kind": "drop", "when": "after"},
    "returns a proxy's error page": {"kind": "html", "status": 502},
    "returns a proxy's error page, and processed it": {"kind": "html", "status": 504, "processed": True},
    "returns nothing": {"kind": "empty", "status": 200},
    "returns nothing, and processed it": {"kind": "empty", "status": 200, "processed": True},
    "returns success without processing": {"kind": "answer", "status": 200, "body": {"message": "OK"}},
    "fails": {"kind": "answer", "status": 500, "body": {"detail": "internal error"}},
    "fails, and processed it": {"kind": "answer", "status": 503, "body": {"detail": "busy"}, "processed": True},
    "limits the rate": {"kind": "rate_limit", "retry_after": 2},
    "limits the rate without Retry-After": {"kind": "rate_limit"},
    "limits the rate until a Unix time": {"kind": "rate_limit", "retry_after": "unix_time"},
    "limits the rate for years": {"kind": "rate_limit", "retry_after": "years"},
    "limits the rate until a date, by its proxy": {"kind": "rate_limit", "retry_after": "date", "by": "proxy"},
    "is behind a firewall's challenge": {"kind": "html", "status": 403, "page": "challenge"},
    "is behind a proxy that knows no such page": {"kind": "html", "status": 404},
    "is behind a proxy that takes another host": {"kind": "html", "status": 421},
    "is locked": {"kind": "empty", "status": 423},
    "is asked too early": {"kind": "empty", "status": 425},
    "is behind a proxy that stops waiting": {"kind": "html", "status": 408},
    "is behind a proxy that stops waiting, and processed it": {"kind": "html", "status": 408, "processed": True},
}
AWAY = DOWN["closes the connection"]
SLOW: dict[str, dict[str, Any]] = {
    "is slow": {"kind": "delay", "seconds": 1.5},
    "is too slow, and processed it": {"kind": "delay", "seconds": 5.5, "when": "after"},
    "is too slow, and processes it late": {"kind": "delay", "seconds": 5.5, "when": "before"},
    "sends slowly": {"kind": "slow_body", "seconds": 0.05, "chunk": 40},
}
TRACKER_FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "drop", "when": "before"},
    {"kind": "drop", "when": "after"},
    {"kind": "answer", "status": 500, "body": {}},
    {"kind": "answer", "status": 503, "body": {}, "processed": True},
    {"kind": "answer", "status": 410, "body": {}},
    {"kind": "rate_limit", "retry_after": 2},
    {"kind": "html", "status": 404},
)


def targets() -> dict[str, tuple[int, tuple[str | None, ...]]]:
    """Every partner with its weight, and the operations that fail."""
    return {name: (one.weight, one.operations) for name, one in partner_profiles().items()} | OTHERS


def fault(random: Random, faults: dict[str, dict[str, Any]]) -> tuple[str, str | None, str, dict[str, Any]]:
    """A partner, one of its operations (None: any), the fault's name, and the sandbox's order."""
    found = targets()
    partner = random.choices(list(found), [weight for weight, _ in found.values()])[0]
    operation = random.choice(found[partner][1])
    name = random.choice(list(faults))
    order = faults[name]
    profile = partner_profiles().get(partner)
    if profile is not None and profile.trusts_success and order.get("status") == 200 and not order.get("processed"):
        return partner, operation, "loses its answer", faults.get("loses its answer", order)
    return partner, operation, name, order


@dataclass
class Outages:
    """Partners that are away in turn, until the next one is. In one of the turns all are there."""

    partner: Remote
    turn: int = 0
    armed: str | None = None

    def next(self) -> str | None:
        """End an outage and begin the next one. Returns the partner that is away now."""
        if self.armed is not None:
            with suppress(ControlError):  # all faults were cleared
                self.partner.disarm(self.armed)
        names = [*partner_profiles(), None]
        name = names[self.turn % len(names)]
        self.turn += 1
        self.armed = None if name is None else self.partner.arm(name, None, AWAY, times=None)
        return name


@dataclass
class Refusals:
    """People that partners refuse permanently."""

    partner: Remote
    people: dict[tuple[str, str, str], None] = field(default_factory=dict)

    def add(self, visitor: Visitor) -> None:
        for name in sorted(visitor.refused_by):
            profile = partner_profiles()[name]
            known_as = (name, profile.refused_field, str(getattr(visitor, profile.refused_by)))
            if known_as not in self.people:
                self.people[known_as] = None
                self._arm(*known_as)

    def arm_again(self) -> None:
        """Repeat the orders after all faults were cleared."""
        for known_as in self.people:
            self._arm(*known_as)

    def _arm(self, name: str, path: str, value: str) -> None:
        self.partner.arm(name, "create", partner_profiles()[name].refusing, times=None, match={path: value})
