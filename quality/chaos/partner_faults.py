"""Faults of partners (`partner_faults.toml`). A kind's profile (`devstack/sandbox/profile.py`) has its operations."""

import tomllib
from pathlib import Path
from random import Random
from typing import Any

from devstack.partners import partner_profiles

_FAULTS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
DOWN: dict[str, dict[str, Any]] = _FAULTS["down"]
SLOW: dict[str, dict[str, Any]] = _FAULTS["slow"]
TRACKER_FAULTS: tuple[dict[str, Any], ...] = tuple(_FAULTS["tracker"]["faults"])
# The partners without leads: the weight of each, and the operations that fail (None: any).
OTHERS: dict[str, tuple[int, tuple[str | None, ...]]] = {"leeloo": (3, (None,)), "graph": (1, ("lead",))}


def fault(random: Random, faults: dict[str, dict[str, Any]]) -> tuple[str, str | None, str, dict[str, Any]]:
    """A partner, one of its operations (None: any), the fault's name, and the sandbox's order."""
    found = {name: (one.weight, one.operations) for name, one in partner_profiles().items()} | OTHERS
    partner = random.choices(list(found), [weight for weight, _ in found.values()])[0]
    operation, name = random.choice(found[partner][1]), random.choice(list(faults))
    order, profile = faults[name], partner_profiles().get(partner)
    # A partner of which every 2xx counts as success never returns a false one: nothing could detect it.
    if profile is not None and profile.trusts_success and order.get("status") == 200 and not order.get("processed"):
        name = "loses its answer"
    return partner, operation, name, faults[name]
