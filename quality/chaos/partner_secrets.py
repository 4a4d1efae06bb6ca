"""Secrets that are rotated during a run: those of sources, and partners' credentials."""

from __future__ import annotations

from abc import ABC, abstractmethod
from random import Random
from typing import Any

from devstack.partners import kind_of, partner_profiles
from devstack.sandbox.remote import Remote

ROTATED_SOURCES = ("web", "web-trading", "plain-credit")


class SecretRotation(ABC):
    """`late` are partners' new secrets that are not stored in the stack yet."""

    def __init__(self, partner: Remote, random: Random) -> None:
        self.partner, self.random = partner, random
        self.late: dict[str, dict[str, Any]] = {}

    @abstractmethod
    def secret(self, name: str) -> dict[str, Any]: ...

    @abstractmethod
    def put_secret(self, name: str, value: dict[str, Any]) -> None: ...

    @abstractmethod
    def new_source_secret(self) -> str: ...

    def put_tracker(self, stored: dict[str, Any]) -> None:
        """Store a secret of trackers whose addresses need no click id: the run's forms have none."""
        entries = {name: {**one, "url": one["url"].replace("{click_id}", "{sub1}")} for name, one in stored.items()}
        self.put_secret("feedback", entries)

    def rotate_source(self) -> str:
        """Add a new secret to a source, or drop the old one. Returns the source."""
        sources = self.secret("sources")
        source = self.random.choice(ROTATED_SOURCES)
        known = sources[source]["secrets"]
        sources[source]["secrets"] = known[:1] if len(known) > 1 else [self.new_source_secret(), *known]
        self.put_secret("sources", sources)
        return source

    def rotate_partner(self) -> str:
        """A partner replaces credentials; the stack gets them with `put_late`. Returns the partner."""
        rotations = {name: one.rotations for name, one in partner_profiles().items()} | {"leeloo": ("token",)}
        name = self.random.choice([one for one in rotations if one not in self.late] or list(rotations))
        renewed = self.partner.rotate(name, self.random.choice(rotations[name]))
        if name in partner_profiles():
            partner_profiles()[name].after_rotation(self.partner)
        self.late[name] = renewed
        return name

    def put_late(self) -> None:
        for name, renewed in self.late.items():
            stored = self.secret(kind_of(name))
            new = {name: renewed} if name in partner_profiles() else renewed
            self.put_secret(kind_of(name), {**stored, **new})
        self.late.clear()
