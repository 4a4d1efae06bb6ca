"""Verify that each partner accepts the stack's credentials, by one call that creates nothing."""

import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from leadbridge_cli.cloud import Cloud
from leadbridge_cli.exit_codes import Failure, not_found, partner_errors

if TYPE_CHECKING:
    from leadbridge.partners.http import Transport
    from leadbridge.runtime.budget import Budget
    from leadbridge.settings.sections import Timeouts

LEELOO = "leeloo"
CONNECT, READ = 5, 25  # seconds
MAX_SECONDS = 90  # seconds that all the calls of one command may take together


@dataclass(frozen=True)
class Verification:
    """A partner's answer. `failure` is None if it accepts the credentials."""

    partner: str
    failure: Failure | None = None

    @property
    def told(self) -> str:
        """The same in words."""
        return "" if self.failure is None else self.failure.text


def partners() -> list[str]:
    """The partners whose credentials can be verified."""
    from leadbridge.partners.registry import kind_names

    return sorted((*kind_names(), LEELOO))


def verify(cloud: Cloud, partner: str) -> Verification:
    """Call a partner with the stack's credentials. A failure of the partner's is returned and not raised."""
    try:
        with partner_errors():
            _authorize(partner, secret_of(cloud, partner))
    except Failure as failure:
        return Verification(partner, failure)
    return Verification(partner)


def _authorize(partner: str, secret: "Held") -> None:
    if partner == LEELOO:
        from leadbridge.partners.leeloo import Client, Leeloo

        Leeloo(Client(transport_to(partner), secret)).catalog.connections(budget=patience())
        return
    from leadbridge.partners.registry import kind_named

    kind_named(partner).client(partner, secret, timeouts()).authorize(patience())


def transport_to(partner: str) -> "Transport":
    """The one transport, with the command's own timeouts."""
    from leadbridge.partners.http import Transport

    return Transport(partner, timeouts())


def timeouts() -> "Timeouts":
    """The command's own timeouts."""
    from leadbridge.settings.sections import Timeouts

    return Timeouts.model_construct(connect=timedelta(seconds=CONNECT), read=timedelta(seconds=READ))


@dataclass(frozen=True)
class Held:
    """A partner's secret as it is now: a refusal of it is final."""

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


def patience(seconds: float = MAX_SECONDS) -> "Budget":
    """The time that a command has for its calls."""
    from leadbridge.runtime.budget import Budget

    return Budget(time.monotonic() + seconds, reserve=0)
