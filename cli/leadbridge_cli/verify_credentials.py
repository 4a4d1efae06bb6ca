"""Verify with one read-only call that each partner accepts the stack's credentials."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from leadbridge_cli.cloud import Cloud
from leadbridge_cli.exit_codes import Code, Failure, not_found, partner_errors, usage_error

if TYPE_CHECKING:
    from leadbridge.partners.http import Transport
    from leadbridge.runtime.budget import Budget
    from leadbridge.settings.sections import Timeouts
    from leadbridge_cli.partner_secrets import PartnerEntry

LEELOO, ALERTS = "leeloo", "alerts"
CONNECT, READ = 5, 25  # seconds
MAX_SECONDS = 90  # seconds that all the calls of one command may take together


@dataclass(frozen=True)
class Verification:
    """A partner's answer. `failure` is None if it accepts the credentials."""

    partner: str
    kind: str
    failure: Failure | None = None

    @property
    def detail(self) -> str:
        """Return the failure's text; empty if there is none."""
        return "" if self.failure is None else self.failure.text

    @property
    def document(self) -> dict[str, Any]:
        """Return the answer for scripts."""
        return {
            "partner": self.partner,
            "kind": self.kind,
            "accepted": self.failure is None,
            "detail": self.detail,
        }


def secret_names() -> list[str]:
    """Return the names of the secrets with credentials that can be verified."""
    from leadbridge.partners.registry import kind_names

    return sorted((*kind_names(), LEELOO))


def verify(cloud: Cloud, name: str) -> list[Verification]:
    """Call the partners of a kind, one partner, or Leeloo with the stack's credentials.

    A failure is returned, not raised. Raises Failure if nothing has this name.
    """
    if name == LEELOO:
        return [_verification(LEELOO, LEELOO, lambda: _call_leeloo(secret_of(cloud, LEELOO)))]
    if name == ALERTS:
        return _chats(cloud)
    try:
        entries = _entries(cloud, name)
    except Failure as failure:
        if failure.code is Code.USAGE:
            raise
        return [Verification(name, name, failure)]
    return [_verification(one.partner, one.kind, partial(_authorize, cloud, one)) for one in entries]


def has_alerts(cloud: Cloud) -> bool:
    """Return whether the secret of the alerts has a value. Raises Failure."""
    from leadbridge_cli.secrets_store import SecretsStore

    try:
        return bool(SecretsStore(cloud).read(ALERTS).value)
    except Failure as failure:
        if failure.code is not Code.NOT_FOUND:
            raise
        return False


def _chats(cloud: Cloud) -> list[Verification]:
    """Let Telegram's bot read each chat. Nothing is posted, and webhooks are not called."""
    from leadbridge.partners.alerts.targets import BrokenTarget, targets_of
    from leadbridge.partners.alerts.telegram import TelegramChat

    try:
        targets = targets_of(secret_of(cloud, ALERTS).get())
    except Failure as failure:
        return [Verification(ALERTS, ALERTS, failure)]
    broken = [target for target in targets if isinstance(target, BrokenTarget)]
    chats = [target for target in targets if isinstance(target, TelegramChat)]
    return [
        *(Verification(ALERTS, ALERTS, usage_error(target.problem)) for target in broken),
        *(_verification(chat.name, ALERTS, partial(chat.verify, call_budget())) for chat in chats),
    ]


def _entries(cloud: Cloud, name: str) -> "list[PartnerEntry]":
    from leadbridge_cli.partner_secrets import entries_of, find_entry

    if name in secret_names():
        return entries_of(cloud, name)
    entry = find_entry(cloud, name)
    if entry is None:
        raise usage_error(f"Unknown partner: {name}. Neither the configuration of this folder nor a secret has it.")
    return [entry]


def _verification(partner: str, kind: str, call: Callable[[], object]) -> Verification:
    try:
        with partner_errors():
            call()
    except Failure as failure:
        return Verification(partner, kind, failure)
    return Verification(partner, kind)


def _call_leeloo(secret: "PartnerSecret") -> None:
    from leadbridge.partners.leeloo import Client
    from leeloo_api import LeelooApi

    LeelooApi(Client(transport_to(LEELOO), secret)).catalog.connections(budget=call_budget())


def _authorize(cloud: Cloud, entry: "PartnerEntry") -> None:
    from leadbridge.partners.registry import kind_named
    from leadbridge_cli.partner_secrets import no_value

    if entry.value is None:
        raise no_value(cloud, entry.partner)
    kind_named(entry.kind).client(entry.partner, PartnerSecret(entry.value), timeouts()).authorize(call_budget())


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
