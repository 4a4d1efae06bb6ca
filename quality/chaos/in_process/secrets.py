"""The secrets of one run, and how they are changed in its middle."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from random import Random
from typing import Any

from devstack.sandbox.profile import profiles
from devstack.sandbox.remote import Remote
from quality.chaos.partner_secrets import rotate, rotations
from quality.chaos.people import META
from quality.testkit.aws.moto_stack import MotoStack

TOKEN = "an-operator-of-the-chaos"


@dataclass
class Secrets:
    """Who proves what. `late` are partners' new secrets that nobody has put yet."""

    stack: MotoStack
    partner: Remote
    random: Random
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    late: dict[str, dict[str, Any]] = field(default_factory=dict)
    number: int = 0

    def put_all(self, of_partners: dict[str, dict[str, Any]]) -> None:
        """The first ones."""
        for name in profiles():
            self.stack.put_secret(name, of_partners[name])
        self.stack.put_secret("leeloo", {**of_partners["leeloo"], "webhook_token": "leeloo-of-the-chaos"})
        graph = of_partners["graph"]
        self.sources = {name: {"secrets": [self._new()]} for name in ("web", "web-trading", "plain-credit")}
        self.sources[META] = {
            "secrets": [graph["app_secret"]],
            "access_token": graph["access_token"],
            "graph_url": graph["graph_url"],
        }
        self.stack.put_secret("sources", self.sources)
        self.stack.put_secret("operators", {"anna": TOKEN})

    def of(self, source: str) -> str:
        """What a form of this source proves itself with: any of those that hold."""
        return str(self.random.choice(self.sources[source]["secrets"]))

    def rotate_source(self) -> str:
        """Put a new one beside the old one, or drop the old one; the source."""
        source = self.random.choice([name for name in self.sources if name != META])
        known = self.sources[source]["secrets"]
        self.sources[source] = {"secrets": [known[0]] if len(known) > 1 else [self._new(), known[0]]}
        self.stack.put_secret("sources", self.sources)
        return source

    def rotate_partner(self) -> str:
        """A partner changes what it wants of us; it is put here later, or at once."""
        found = rotations()
        name = self.random.choice(list(found))
        renewed = rotate(self.partner, name, self.random.choice(found[name]))
        self.late[name] = {**self.stack.secret(name), **renewed}
        return name

    def put_late(self) -> None:
        """Put what partners have changed."""
        for name, secret in self.late.items():
            self.stack.put_secret(name, secret)
        self.late.clear()

    def _new(self) -> str:
        self.number += 1
        return "whsec_" + base64.b64encode(f"secret {self.number} of the chaos".encode()).decode()
