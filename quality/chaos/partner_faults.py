"""What partners are made to do wrong: none of it a lie that their contracts would let nobody see through.

What a kind's stand-in can do wrong is in its profile (`devstack/sandbox/profile.py`). A partner whose contract takes
any 2xx for a yes never says it untruly: nobody could know.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

from devstack.sandbox.profile import profiles
from devstack.sandbox.remote import Remote
from quality.chaos.people import Visitor

OTHERS: dict[str, tuple[int, tuple[str | None, ...]]] = {"leeloo": (3, (None,)), "graph": (1, ("lead",))}
"""The partners that take no leads: how often each is chosen, and in which operations it fails (None: any)."""

DOWN: dict[str, dict[str, Any]] = {
    "refuses to answer": {"kind": "drop", "when": "before"},
    "loses its answer": {"kind": "drop", "when": "after"},
    "answers with a proxy's page": {"kind": "html", "status": 502},
    "answers with a proxy's page, and did it": {"kind": "html", "status": 504, "processed": True},
    "answers nothing": {"kind": "empty", "status": 200},
    "answers nothing, and did it": {"kind": "empty", "status": 200, "processed": True},
    "says yes to what it did not do": {"kind": "answer", "status": 200, "body": {"message": "OK"}},
    "fails": {"kind": "answer", "status": 500, "body": {"detail": "internal error"}},
    "fails, and did it": {"kind": "answer", "status": 503, "body": {"detail": "busy"}, "processed": True},
    "limits the rate": {"kind": "rate_limit", "retry_after": 2},
    "limits the rate without a word": {"kind": "rate_limit"},
}
SLOW: dict[str, dict[str, Any]] = {
    "is slow": {"kind": "delay", "seconds": 1.5},
    "is too slow, and does it": {"kind": "delay", "seconds": 5.5, "when": "after"},
    "is too slow, and does it late": {"kind": "delay", "seconds": 5.5, "when": "before"},
    "trickles": {"kind": "slow_body", "seconds": 0.05, "chunk": 40},
}
REFUSED_STATUS = 400  # tells a refusal for good from all other faults


def targets() -> dict[str, tuple[int, tuple[str | None, ...]]]:
    """Every partner with how often it is chosen, and the operations in which it fails."""
    return {name: (one.weight, one.operations) for name, one in profiles().items()} | OTHERS


def fault(random: Random, faults: dict[str, dict[str, Any]]) -> tuple[str, str | None, str, dict[str, Any]]:
    """A partner, one of its operations (None: any), what it does wrong in words, and the sandbox's order for it."""
    found = targets()
    partner = random.choices(list(found), [weight for weight, _ in found.values()])[0]
    operation = random.choice(found[partner][1])
    name = random.choice(list(faults))
    order = faults[name]
    trusts_success = partner in profiles() and profiles()[partner].trusts_success
    if trusts_success and order.get("status") == 200 and not order.get("processed"):
        return partner, operation, "loses its answer", faults.get("loses its answer", order)
    return partner, operation, name, order


def refusal(partner: str) -> dict[str, Any]:
    """The sandbox's order for a partner that refuses a create for good."""
    return {"kind": "answer", "status": REFUSED_STATUS, "body": profiles()[partner].refusal}


@dataclass
class Refusals:
    """Refuses people for good, each partner by what its profile says. This is no fault that ends."""

    partner: Remote
    people: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, visitor: Visitor) -> None:
        """Have a person refused by the partners that refuse them."""
        for name in sorted(visitor.refused_by):
            profile = profiles()[name]
            known_as = (profile.refused_field, str(getattr(visitor, profile.refused_by)))
            if known_as not in self.people:
                self.people[known_as] = name
                self._arm(name, known_as)

    def arm_again(self) -> None:
        """Refuse everybody once more, after all faults were cleared."""
        for known_as, name in self.people.items():
            self._arm(name, known_as)

    def _arm(self, name: str, known_as: tuple[str, str]) -> None:
        path, value = known_as
        self.partner.arm(name, "create", refusal(name), times=None, match={path: value})
