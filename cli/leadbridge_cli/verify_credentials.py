"""Verify with one read-only call that each partner accepts the stack's credentials."""

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
    def detail(self) -> str:
        """Return the failure's text; empty if there is none."""
        return "" if self.failure is None else self.failure.text


def partners() -> list[str]:
    """Return the partners whose credentials can be verified."""
    from leadbridge.partners.registry import kind_names

    return sorted((*kind_names(), LEELOO))


def verify(cloud: Cloud, partner: str) -> Verification:
    """Call a partner with the stack's credentials. A failure is returned, not raised."""
    try:
        with partner_errors():
            _authorize(partner, secret_of(cloud, partner))
    except Failure as failure:
        return Verification(partner, failure)
    return Verification(partner)


def _authorize(partner: str, secret: "PartnerSecret") -> None:
    if partner == LEELOO:
        from leadbridge.partners.leeloo import Client
        from leeloo_api import LeelooApi

        LeelooApi(Client(transport_to(partner), secret)).catalog.connections(budget=call_budget())
        return
    from leadbridge.auth.partner_secret import is_keyed
    from leadbridge.partners.registry import kind_named

    value = secret.get()
    budget = call_budget()
    for name, entry in value.items() if is_keyed(value) else ((partner, value),):
        kind_named(partner).client(name, PartnerSecret(entry), timeouts()).authorize(budget)


def transport_to(partner: str) -> "Transport":
    """Return the transport with the command's timeouts."""
    from leadbridge.partners.http import Transport

    return Transport(partner, timeouts())


def timeouts() -> "Timeouts":
    """Return the command's timeouts."""
    from leadbridge.settings.sections import Timeouts

    return Timeouts.model_construct(connect=timedelta(seconds=CONNECT), read=timedelta(seconds=READ))


@dataclass(frozen=True)
class PartnerSecret:
    """A partner's secret as it was read; it is not refreshed."""

    value: dict[str, Any] = field(repr=False)

    def get(self) -> dict[str, Any]:
        """Return the secret."""
        return self.value

    def refresh(self) -> dict[str, Any] | None:
        """Return the same value."""
        return self.value


def secret_of(cloud: Cloud, partner: str) -> PartnerSecret:
    """Return the partner's secret. Raises Failure, also if it has no value yet."""
    from leadbridge_cli.secrets_store import SecretsStore

    value = SecretsStore(cloud).read(partner).value
    if value is None:
        raise not_found(f"{cloud.prefix}/{partner} has no value yet. Run `leadbridge secrets put {partner}`.")
    return PartnerSecret(value)


def call_budget(seconds: float = MAX_SECONDS) -> "Budget":
    """Return the time budget for the calls of one command."""
    from leadbridge.runtime.budget import Budget

    return Budget(time.monotonic() + seconds, reserve=0)
