"""What partners are made to do wrong: none of it a lie that their contracts would let nobody see through.

Match-Trade says yes by any 2xx, with or without an account: that it says so untruly nobody could know.
"""

from __future__ import annotations

from random import Random
from typing import Any

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


def fault(random: Random, faults: dict[str, dict[str, Any]]) -> tuple[str, str | None, str, dict[str, Any]]:
    """A partner, one of its operations (None: any), what it does wrong in words, and the sandbox's order for it."""
    partner = random.choices(list(OPERATIONS), [5, 3, 3, 1])[0]
    operation = random.choice(OPERATIONS[partner])
    name = random.choice(list(faults))
    order = faults[name]
    if partner == "matchtrade" and order.get("status") == 200 and not order.get("processed"):
        return partner, operation, "loses its answer", faults.get("loses its answer", order)
    return partner, operation, name, order
