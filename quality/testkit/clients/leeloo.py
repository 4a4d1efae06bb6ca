"""What every test of Leeloo's client needs: the sandbox, a secret that can be broken, what the company has set up."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from devstack.sandbox.remote import Remote
from devstack.sandbox.server import Sandbox
from leadbridge.partners.http import Transport
from leadbridge.partners.leeloo import Client
from leadbridge.runtime.budget import Budget
from leadbridge.settings import Timeouts
from leeloo_api import LeelooApi
from quality.testkit.clients.leadleader import Vault

PARTNER = "leeloo"
SHORT = 0.2  # seconds
PHONE = "+380501234567"
EMAIL = "olha@example.com"


@dataclass
class LeelooWorld:
    """One client, one partner, and what is wrong with it. `stack` closes what a test opens."""

    remote: Remote
    vault: Vault
    company: dict[str, Any]
    stack: ExitStack
    hasty: bool = False

    def api(self, form_data: Collection[str] = ()) -> LeelooApi:
        seconds = SHORT if self.hasty else 20
        timeouts = Timeouts.model_construct(connect=timedelta(seconds=seconds), read=timedelta(seconds=seconds))
        return LeelooApi(Client(Transport(PARTNER, timeouts), self.vault, form_data=form_data))

    def id_of(self, what: str, name: str | None = None) -> str:
        """The id of the thing of this name, of the first one without."""
        things = self.company[what]
        return str(next(each["id"] for each in things if name in {None, each.get("name"), each.get("message_name")}))

    def person(self, **options: Any) -> dict[str, Any]:
        """A new person at the partner, with a Telegram account unless told otherwise."""
        asked = {"phone": PHONE, "email": EMAIL, "accounts": ["TELEGRAM"], **options}
        return dict(self.remote.post("leeloo/people", {"name": "Ольга", **asked}))

    def arrived(self, operation: str) -> dict[str, Any]:
        """The one call of this operation."""
        (call,) = self.remote.calls(PARTNER, operation)
        return call


@contextmanager
def leeloo_world(sandbox: Sandbox) -> Iterator[LeelooWorld]:
    """A client's surroundings, with nothing wrong yet."""
    remote = Remote(sandbox.url)
    remote.reset()

    def secret() -> dict[str, str]:
        return sandbox.secrets()[PARTNER]

    with ExitStack() as stack:
        yield LeelooWorld(remote, Vault(secret, secret()), remote.get("leeloo/company"), stack)


def budget(seconds: float = 60) -> Budget:
    """A budget of so many seconds for calls."""
    return Budget(time.monotonic() + seconds + 3, reserve=3)
