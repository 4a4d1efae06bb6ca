"""The secrets of a run in one process."""

from __future__ import annotations

import base64
from random import Random
from typing import Any

from devstack.partners import stored_secrets
from devstack.sandbox.profile import profiles
from devstack.sandbox.remote import Remote
from quality.chaos.partner_secrets import ROTATED_SOURCES, SecretRotation
from quality.chaos.people import META
from quality.testkit.aws.moto_stack import MotoStack

TOKEN = "an-operator-of-the-chaos"


class Secrets(SecretRotation):
    def __init__(self, stack: MotoStack, partner: Remote, random: Random) -> None:
        super().__init__(partner, random)
        self.stack = stack
        self.values: dict[str, dict[str, Any]] = {}
        self.number = 0

    def secret(self, name: str) -> dict[str, Any]:
        return self.values[name]

    def put_secret(self, name: str, value: dict[str, Any]) -> None:
        self.values[name] = value
        self.stack.put_secret(name, value)

    def new_source_secret(self) -> str:
        self.number += 1
        return "whsec_" + base64.b64encode(f"secret {self.number} of the chaos".encode()).decode()

    def put_all(self, of_partners: dict[str, dict[str, Any]]) -> None:
        """Store the first secrets."""
        stored = stored_secrets(of_partners)
        for name in profiles():
            self.put_secret(name, stored[name])
        self.put_secret("leeloo", {**of_partners["leeloo"], "webhook_token": "leeloo-of-the-chaos"})
        self.put_tracker(of_partners["feedback"])
        graph = of_partners["graph"]
        sources: dict[str, Any] = {name: {"secrets": [self.new_source_secret()]} for name in ROTATED_SOURCES}
        meta = {"access_token": graph["access_token"], "graph_url": graph["graph_url"]}
        self.put_secret("sources", {**sources, META: {"secrets": [graph["app_secret"]], **meta}})
        self.put_secret("operators", {"anna": TOKEN})

    def of(self, source: str) -> str:
        """A valid secret of a source."""
        return str(self.random.choice(self.values["sources"][source]["secrets"]))
