"""What partners can replace in the credentials that they gave us."""

from __future__ import annotations

from typing import Any

from devstack.sandbox.profile import profiles
from devstack.sandbox.remote import Remote


def rotations() -> dict[str, tuple[str, ...]]:
    """What each partner can replace."""
    return {name: one.rotations for name, one in profiles().items()} | {"leeloo": ("token",)}


def rotate(partner: Remote, name: str, what: str) -> dict[str, Any]:
    """Have a partner replace something, from now on; return its new secret."""
    renewed = partner.rotate(name, what)
    if name in profiles():
        profiles()[name].after_rotation(partner)
    return renewed
