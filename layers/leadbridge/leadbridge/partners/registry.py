"""The partner kinds: every folder of this package with a `kind.py`. A kind is imported on first use."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path

from leadbridge.partners.kind import PartnerKind


class UnknownKind(LookupError):
    """No partner kind has this name."""


@cache
def kind_names() -> tuple[str, ...]:
    """Return the names of all kinds. Imports no kind."""
    return tuple(sorted(module.parent.name for module in Path(__file__).parent.glob("*/kind.py")))


def kind_named(name: str) -> PartnerKind:
    """Return a kind. Raises UnknownKind."""
    if name not in kind_names():
        raise UnknownKind(name)
    kind: PartnerKind = import_module(f"leadbridge.partners.{name}.kind").KIND
    return kind


def all_kinds() -> tuple[PartnerKind, ...]:
    """Return all kinds."""
    return tuple(kind_named(name) for name in kind_names())
