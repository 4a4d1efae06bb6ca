"""Faults of partners. A kind's profile (`devstack/sandbox/profile.py`) has its operations."""

from random import Random
from typing import Any

from devstack.partners import partner_profiles

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
    "limits the rate until a Unix time": {"kind": "rate_limit", "retry_after": 1_800_000_000},
    "limits the rate for years": {"kind": "rate_limit", "retry_after": 315_360_000},
    "limits the rate until a date, by its proxy": {"kind": "rate_limit", "retry_after": "date", "by": "proxy"},
    "is behind a firewall's challenge": {"kind": "html", "status": 403, "page": "challenge"},
    "is behind a proxy that knows no such page": {"kind": "html", "status": 404},
    "is behind a proxy that takes another host": {"kind": "html", "status": 421},
    "is locked": {"kind": "empty", "status": 423},
    "is asked too early": {"kind": "empty", "status": 425},
    "is behind a proxy that stops waiting": {"kind": "html", "status": 408},
    "is behind a proxy that stops waiting, and processed it": {"kind": "html", "status": 408, "processed": True},
}
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


def fault(random: Random, faults: dict[str, dict[str, Any]]) -> tuple[str, str | None, str, dict[str, Any]]:
    """A partner, one of its operations (None: any), the fault's name, and the sandbox's order.

    A partner whose contract treats every 2xx as success never returns a false one, which cannot be detected.
    """
    found = {name: (one.weight, one.operations) for name, one in partner_profiles().items()} | OTHERS
    partner = random.choices(list(found), [weight for weight, _ in found.values()])[0]
    operation = random.choice(found[partner][1])
    name = random.choice(list(faults))
    order, profile = faults[name], partner_profiles().get(partner)
    if profile is not None and profile.trusts_success and order.get("status") == 200 and not order.get("processed"):
        name = "loses its answer"
    return partner, operation, name, faults[name]
