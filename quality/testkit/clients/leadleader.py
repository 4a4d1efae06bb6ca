"""What every test of the client needs: a secret that can be broken, short timeouts, a budget, a lead, time."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from devstack.sandbox.remote import Remote
from leadbridge.domain.acceptance.build import build_lead
from leadbridge.domain.lead import Lead
from leadbridge.partners.http import Transport
from leadbridge.partners.leadleader.client import LeadLeader
from leadbridge.runtime.budget import Budget
from leadbridge.settings import Partner, Settings, Timeouts
from quality.testkit.template import ROOT
from tools.config import read_toml

PARTNER = "leadleader"
SHORT = 0.2  # seconds
SETTINGS = Settings.model_validate(read_toml(ROOT / "config", "prod")).partners[PARTNER]

type Operation = Literal["authorize", "create", "status"]


@dataclass
class Clock:
    """The flows' time: stands still until a test moves it."""

    now: datetime = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Vault:
    """Stands where Secrets Manager does. `kept` is what a client has cached, `current` what it would read now.

    `just_read` says that it was read a moment ago, so that it is not read again. `reads` lists the requests.
    """

    current: Callable[[], dict[str, Any]]
    kept: dict[str, Any]
    just_read: bool = False
    reads: list[str] = field(default_factory=list)

    def get(self) -> dict[str, Any]:
        self.reads.append("cached")
        return self.kept

    def refresh(self) -> dict[str, Any] | None:
        self.reads.append("anew")
        if self.just_read:
            return None
        self.kept = self.current()
        return self.kept

    def replace(self, **changes: Any) -> None:
        """Break the secret permanently: the cached and the stored value."""
        secret = {**self.current(), **changes}
        self.kept, self.current = secret, lambda: secret


@dataclass
class World:
    """One client, one partner, and what is wrong with it. `stack` closes what a test opens.

    Calls have the configured timeouts; what is about time sets `hasty`, and they become short.
    """

    remote: Remote
    vault: Vault
    repaired: Callable[[], dict[str, Any]]
    stack: ExitStack
    partner: str = PARTNER
    hasty: bool = False

    def client(self, timeouts: Timeouts | None = None, status_method: Literal["GET", "POST"] = "POST") -> LeadLeader:
        return LeadLeader(
            Transport(self.partner, timeouts or (short() if self.hasty else SETTINGS.timeouts)),
            self.vault,
            status_method=status_method,
        )

    def point(self, operation: Operation, url: str) -> None:
        """Send the calls of one operation (creates and status calls share an address) elsewhere."""
        self.vault.replace(**{"auth_url" if operation == "authorize" else "base_url": f"{url}/"})

    def repair(self) -> None:
        """Whatever was broken works again."""
        self.hasty = False
        self.remote.disarm()
        self.vault.current = self.repaired
        self.vault.kept = self.repaired()
        self.vault.just_read = False

    def tokens_shown(self) -> list[str]:
        """Digests of all tokens that creates and status calls came with, two a call, in order."""
        calls = [call for call in self.remote.calls(self.partner) if call["operation"] in {"create", "status"}]
        return [call[name] for call in calls for name in ("access_token_sha256", "security_token_sha256")]


def short(connect: float = SHORT, read: float = SHORT) -> Timeouts:
    """Timeouts in fractions of a second, which no configuration may have."""
    return Timeouts.model_construct(connect=timedelta(seconds=connect), read=timedelta(seconds=read))


def budget(seconds: float = 60) -> Budget:
    """A budget of so many seconds for calls."""
    return Budget(time.monotonic() + seconds + 3, reserve=3)


def lead(lead_id: str = "ld_1", settings: Partner = SETTINGS, **changes: Any) -> Lead:
    """A lead for the lender; `changes` are dotted fields with `__` for the dot, None for an empty one."""
    values: dict[str, dict[str, Any]] = {
        "person": {
            "full_name": "Мар'яненко Ольга Петрівна",
            "phone": "+380 50 123-45-67",
            "tax_number": "3652504575",
            "activity": "Вчителька",
        },
        "loan": {"amount": "6000.00", "term": 12},
    }
    for path, value in changes.items():
        section, _, name = path.partition("__")
        values[section][name] = value
    received_at = datetime(2026, 1, 31, 9, tzinfo=UTC)
    return build_lead(values, lead_id=lead_id, source="web", received_at=received_at, partners={PARTNER: settings})
