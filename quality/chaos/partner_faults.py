"""What partners are made to do wrong: none of it a lie that their contracts would let nobody see through.

Match-Trade says yes by any 2xx, with or without an account: that it says so untruly nobody could know.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

from devstack.sandbox.remote import Remote
from quality.chaos.people import Visitor

OPERATIONS = {
    "leadleader": ("authorize", "create", "create", "create", "status"),
    "matchtrade": ("token", "create", "create", "list"),
    "leeloo": (None,),
    "graph": ("lead",),
}

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
# How each partner refuses a lead for good, in its own words. The status tells a refusal from all other faults.
REFUSED_STATUS = 400
REFUSALS: dict[str, dict[str, Any]] = {
    "leadleader": {"clientInfo": {"stateCode": ["Клієнт у стоп-листі."]}},
    "matchtrade": {"status": 400, "message": "Country is not allowed", "printableMessage": "Country is not allowed"},
}


def fault(random: Random, faults: dict[str, dict[str, Any]]) -> tuple[str, str | None, str, dict[str, Any]]:
    """A partner, one of its operations (None: any), what it does wrong in words, and the sandbox's order for it."""
    partner = random.choices(list(OPERATIONS), [5, 3, 3, 1])[0]
    operation = random.choice(OPERATIONS[partner])
    name = random.choice(list(faults))
    order = faults[name]
    if partner == "matchtrade" and order.get("status") == 200 and not order.get("processed"):
        return partner, operation, "loses its answer", faults.get("loses its answer", order)
    return partner, operation, name, order


def refusal(partner: str) -> dict[str, Any]:
    """The sandbox's order for a partner that refuses a create for good."""
    return {"kind": "answer", "status": REFUSED_STATUS, "body": REFUSALS[partner]}


@dataclass
class Refusals:
    """Refuses people for good: the lender by tax number, the broker by e-mail. This is no fault that ends."""

    partner: Remote
    people: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, visitor: Visitor) -> None:
        """Have a person refused by the partners that refuse them."""
        known_as = {"leadleader": ("clientInfo.stateCode", visitor.tax_number)}
        known_as["matchtrade"] = ("account.email", visitor.email)
        for name in sorted(visitor.refused_by):
            if known_as[name] not in self.people:
                self.people[known_as[name]] = name
                self._arm(name, known_as[name])

    def arm_again(self) -> None:
        """Refuse everybody once more, after all faults were cleared."""
        for known_as, name in self.people.items():
            self._arm(name, known_as)

    def _arm(self, name: str, known_as: tuple[str, str]) -> None:
        path, value = known_as
        self.partner.arm(name, "create", refusal(name), times=None, match={path: value})
