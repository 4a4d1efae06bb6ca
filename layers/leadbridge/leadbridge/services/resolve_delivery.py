"""Settle an unknown delivery for an operator, correct a settlement, or withdraw it.

An id is verified at the partner before it is stored. If the partner is unavailable, nothing is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from leadbridge.domain import message as messages
from leadbridge.domain.accounts.match import Accounts
from leadbridge.domain.clock import Clock
from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.errors import partner_errors
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.lead import Lead
from leadbridge.domain.message import MessageState
from leadbridge.domain.operator_steps import (
    NO_EFFECTS,
    ResolutionEffects,
    WrongState,
    resolve_found,
    resolve_not_found,
    withdraw_resolution,
)
from leadbridge.domain.statuses.status_change import record_status
from leadbridge.domain.transitions import AlreadyLinked, Conflict
from leadbridge.runtime.aws_errors import Contended
from leadbridge.runtime.budget import Budget
from leadbridge.settings import Partner as PartnerSettings

if TYPE_CHECKING:
    from leadbridge.services.ports.deliveries import DealStatuses, IdVerifier, ResolutionLedger

MAX_SKIPPED = 40  # messages that one change skips; the sender skips the rest
MAX_LISTED_STATUSES = 5  # statuses that a timeline entry names
MAX_STATUS_LENGTH = 60  # characters of a status in a timeline entry
POSSIBLY_SENT = {MessageState.SENT, MessageState.SENDING, MessageState.UNKNOWN}


class IdNotFound(Exception):
    """The partner does not have the id, or has it for another person."""


class WrongIdKind(Exception):
    """The partner does not use ids of this kind."""


@dataclass(frozen=True)
class Resolution:
    """An operator's resolution: the partner's id of the delivery; None if the partner does not have it.

    `is_withdrawn`: an earlier resolution is withdrawn. `expected_state` is the state that the operator saw.
    """

    created: int | str | None = None
    is_withdrawn: bool = False
    expected_state: State | None = None


@dataclass(frozen=True)
class ConfirmedId:
    """An id in the partner's spelling, and its status."""

    created: int | str
    status: str | None


@dataclass(frozen=True)
class DealVerifier:
    """Verifies a deal's number by its status. The partner does not return the person of the deal."""

    deals: DealStatuses

    def confirm(self, _: Lead, created: int | str, budget: Budget) -> ConfirmedId:
        """Read the deal's status. Raises IdNotFound, PartnerError."""
        try:
            return ConfirmedId(created, self.deals.status(int(created), budget))
        except partner_errors.Rejected:
            raise IdNotFound from None


@dataclass(frozen=True)
class AccountVerifier:
    """Verifies an account's id with the account of the lead's e-mail."""

    accounts: Accounts

    def confirm(self, lead: Lead, created: int | str, budget: Budget) -> ConfirmedId:
        """Look the account up. Raises IdNotFound, PartnerError."""
        account = self.accounts.find(lead.person.email, budget) if lead.person.email else None
        if account is None or account.uuid is None or account.uuid.casefold() != str(created).casefold():
            raise IdNotFound
        return ConfirmedId(account.uuid, account.status)


@dataclass(frozen=True)
class Resolver:
    """Resolves deliveries for operators. `register(partner)` returns the verifier of the partner's ids.

    `with_crm_note`: a status is also written to Leeloo's CRM.
    """

    ledger: ResolutionLedger
    partners: Mapping[str, PartnerSettings]
    register: Callable[[str], IdVerifier]
    clock: Clock
    with_crm_note: bool = False

    def resolve(self, delivery: Delivery, lead: Lead, asked: Resolution, operator: str, budget: Budget) -> Delivery:
        """Settle, correct or withdraw; return the delivery after the change.

        Raises WrongState, WrongIdKind, AlreadyLinked, IdNotFound, PartnerError, Conflict, Contended.
        """
        if asked.expected_state is not None and asked.expected_state is not delivery.state:
            raise WrongState(f"The delivery is {delivery.state}, not {asked.expected_state}. Reload it and try again.")
        settings = self.partners.get(delivery.partner)
        can_be_looked_up = settings is not None and settings.sync is not None
        now, aftermath = self.clock(), self._aftermath(delivery)
        created = asked.created
        if asked.is_withdrawn:
            change = withdraw_resolution(
                delivery, now, operator, can_be_looked_up=can_be_looked_up, aftermath=aftermath
            )
            return self.ledger.apply(change)
        if created is None:
            return self.ledger.apply(resolve_not_found(delivery, now, operator, aftermath=aftermath))
        is_followed = settings is not None and settings.is_followed
        # Check the state before the partner is called.
        resolve_found(delivery, now, operator, created, is_followed=is_followed)
        if settings is not None and isinstance(created, str) is not can_be_looked_up:
            raise WrongIdKind
        asked_at = self.clock()
        confirmed = self._confirmed(delivery, lead, created, budget)
        change = resolve_found(
            delivery, self.clock(), operator, confirmed.created, is_followed=is_followed, aftermath=aftermath
        )
        after = self.ledger.apply(change)
        return self._with_status(after, confirmed.status, settings, asked_at)

    def _confirmed(self, delivery: Delivery, lead: Lead, created: int | str, budget: Budget) -> ConfirmedId:
        """Verify that no other lead has the id and that the partner has it."""
        owner = self.ledger.owner_of(delivery.partner, created)
        if owner not in {None, delivery.lead_id}:
            raise AlreadyLinked(str(owner))
        if delivery.partner not in self.partners:
            text = "the partner is not configured"
            raise partner_errors.Misconfigured(delivery.partner, "status", text, code=ErrorCode.PARTNER_NOT_CONFIGURED)
        return self.register(delivery.partner).confirm(lead, created, budget)

    def _with_status(
        self,
        delivery: Delivery,
        status: str | None,
        settings: PartnerSettings | None,
        asked_at: datetime,
    ) -> Delivery:
        """Store the status of the verified id. If this fails, the next check stores it."""
        if status is None or settings is None:
            return delivery
        change = record_status(
            delivery,
            status,
            settings,
            self.clock(),
            with_crm_note=self.with_crm_note,
            learned_at=asked_at,
        )
        with suppress(Conflict, Contended):
            return self.ledger.apply(change)
        return delivery

    def _aftermath(self, delivery: Delivery) -> ResolutionEffects:
        """Return the effects of an earlier settlement: statuses, sent messages, and waiting messages to skip."""
        journey = self.ledger.journey(delivery.lead_id) if delivery.settled_at is not None else None
        if journey is None or delivery.settled_at is None:
            return NO_EFFECTS
        now, since = self.clock(), delivery.settled_at
        statuses = [
            str(entry.data.get("status", ""))
            for entry in journey.timeline
            if (entry.what, entry.partner) == ("status_changed", delivery.partner) and entry.at >= since
        ]
        about = [
            one
            for one in journey.messages
            if one.partner == delivery.partner and one.partner_status is not None and one.created_at >= since
        ]
        sent = [one.partner_status or "" for one in about if one.state in POSSIBLY_SENT and not one.is_crm_note]
        waiting = [one for one in about if one.state is MessageState.PENDING][:MAX_SKIPPED]
        skipped = tuple(
            messages.skip(one, now, "the deal was entered wrongly", ErrorCode.WRONG_DEAL) for one in waiting
        )
        effects = {"statuses": statuses, "messages_sent": sent}
        parts = [f"{what.replace('_', ' ')}: {len(some)} ({_names(some)})" for what, some in effects.items() if some]
        parts += [f"messages skipped: {len(skipped)}"] if skipped else []
        data = {what: len(some) for what, some in {**effects, "messages_skipped": skipped}.items() if some}
        return ResolutionEffects(f"; it led to {', '.join(parts)}" if parts else "", data, skipped)


def _names(statuses: list[str]) -> str:
    names = [status[:MAX_STATUS_LENGTH] for status in dict.fromkeys(statuses)]
    return ", ".join(names[:MAX_LISTED_STATUSES]) + (", …" if len(names) > MAX_LISTED_STATUSES else "")
