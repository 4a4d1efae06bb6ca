"""The partners of the local stack: one of each kind, and those of `partners.toml` in this folder."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from devstack.sandbox.profile import Profile, profiles

FILE = Path(__file__).with_suffix(".toml")
TELEGRAM = "telegram"  # gets alerts, and is a part of another secret


@cache
def further() -> dict[str, dict[str, Any]]:
    """The further partners by name, each with its `kind` and what it does differently."""
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


def kind_of(partner: str) -> str:
    return str(further().get(partner, {"kind": partner})["kind"])


@cache
def partner_profiles() -> dict[str, Profile]:
    names = sorted({*profiles(), *further()})
    return {name: profiles()[kind_of(name)].with_words(further().get(name, {}).get("words", {})) for name in names}


def stored_secrets(secrets: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The sandbox's secrets as the stack stores them: those of all partners of a kind are objects of one secret."""
    shared = {one["kind"] for one in further().values()}
    stored: dict[str, dict[str, Any]] = {}
    for partner, secret in secrets.items():
        kind = "alerts" if partner == TELEGRAM else kind_of(partner)
        if kind in {*shared, "alerts"}:
            stored.setdefault(kind, {})[partner] = secret
        else:
            stored[kind] = secret
    return stored
