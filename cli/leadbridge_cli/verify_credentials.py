"""Whether each partner accepts the credentials that the stack has: one call each that creates nothing."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from leadbridge_cli.cloud import Cloud
from leadbridge_cli.exit_codes import Failure, not_found, partner_errors

if TYPE_CHECKING:
    from leadbridge.partners.http import Transport
    from leadbridge.runtime.budget import Budget

CONNECT, READ = 5, 25  # seconds
PATIENCE = 90  # seconds that all the calls of one command may take together


@dataclass(frozen=True)
class Proved:
    """What a partner said. `failure` is None where it accepts the credentials."""

    partner: str
    failure: Failure | None = None

    @property
    def told(self) -> str:
        """The same in words."""
        return "" if self.failure is None else self.failure.text


def proved(cloud: Cloud, partner: str) -> Proved:
    """Ask a partner. Raises nothing that is the partner's: it is told."""
    try:
        with partner_errors():
            PROOFS[partner](transport_to(partner), secret_of(cloud, partner), patience())
    except Failure as failure:
        return Proved(partner, failure)
    return Proved(partner)


def transport_to(partner: str) -> "Transport":
    """The one transport, with the command's own timeouts."""
    from leadbridge.partners.http import Transport
    from leadbridge.settings.sections import Timeouts

    timeouts = Timeouts.model_construct(connect=timedelta(seconds=CONNECT), read=timedelta(seconds=READ))
    return Transport(partner, timeouts)


@dataclass(frozen=True)
class Held:
    """A partner's secret as it stands at this moment: whoever refuses it refuses it for certain."""

    value: dict[str, Any] = field(repr=False)

    def get(self) -> dict[str, Any]:
        """The secret."""
        return self.value

    def refresh(self) -> dict[str, Any] | None:
        """The same: it was read a moment ago."""
        return self.value


def secret_of(cloud: Cloud, partner: str) -> Held:
    """The partner's secret. Raises Failure, also where it has no value yet."""
    from leadbridge_cli.secrets_store import Vault

    value = Vault(cloud).read(partner).value
    if value is None:
        raise not_found(f"{cloud.prefix}/{partner} has no value yet: `leadbridge secrets put {partner}`.")
    return Held(value)


def patience(seconds: float = PATIENCE) -> "Budget":
    """The time that a command has for its calls."""
    from leadbridge.runtime.budget import Budget

    return Budget(time.monotonic() + seconds, reserve=0)


def _leadleader(transport: "Transport", secret: Held, budget: "Budget") -> None:
    from leadbridge.partners.leadleader.client import LeadLeader

    LeadLeader(transport, secret, status_method="POST").authorize(budget)


def _leeloo(transport: "Transport", secret: Held, budget: "Budget") -> None:
    from leadbridge.partners.leeloo import Client, Leeloo

    Leeloo(Client(transport, secret)).catalog.connections(budget=budget)


def _matchtrade(transport: "Transport", secret: Held, budget: "Budget") -> None:
    from leadbridge.partners.matchtrade.client import MatchTrade

    MatchTrade(transport, secret).authorize(budget)


PROOFS: dict[str, Callable[["Transport", Held, "Budget"], None]] = {
    "leadleader": _leadleader,
    "leeloo": _leeloo,
    "matchtrade": _matchtrade,
}
