"""How a lead that its form only named is fetched, and becomes a lead like any other: one read, one transaction."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from leadbridge.domain import fetch as steps
from leadbridge.domain.clock import Clock
from leadbridge.domain.delivery import Delivery, State, receive
from leadbridge.domain.error_codes import ErrorCode, ErrorInfo, last_error
from leadbridge.domain.fetch import Fetch, FetchChange, FetchState
from leadbridge.domain.lead import Lead, build_usable_lead
from leadbridge.domain.partner_errors import Misconfigured, PartnerError
from leadbridge.domain.routing import Decision, decide
from leadbridge.domain.transitions import overdue_wait
from leadbridge.forms.base import FetchByIdAdapter, adapter_named
from leadbridge.forms.mapping import with_defaults
from leadbridge.runtime.budget import Budget
from leadbridge.services.submit_lead import backoff
from leadbridge.settings import Settings, Source
from leadbridge.settings.sources import Fetching
from leadbridge.storage.items import hashes_of
from leadbridge.storage.table import Conflict


class Ledger(Protocol):
    """The part of the table that fetching needs."""

    def fetch(self, lead_id: str) -> Fetch | None:
        """The fetch as it is now."""
        ...

    def apply(self, change: FetchChange) -> Fetch:
        """Write a change; raises Conflict if somebody was quicker."""
        ...

    def defer(self, fetch: Fetch, due_at: datetime) -> None:
        """Move the time at which a fetch is due, and nothing else."""
        ...

    def complete(
        self,
        change: FetchChange,
        lead: Lead,
        deliveries: Sequence[Delivery],
        *,
        phone_hash: str | None,
        email_hash: str | None,
        tax_hash: str | None,
    ) -> None:
        """Write what was fetched, all or nothing; raises Conflict if somebody was quicker."""
        ...


class Origin(Protocol):
    """Where a form's builder keeps leads."""

    @property
    def seconds_per_fetch(self) -> float:
        """Seconds that one fetch can take."""
        ...

    def lead(self, keys: Mapping[str, str], budget: Budget) -> dict[str, Any]:
        """The lead as the builder has it. Reading it is always safe to repeat. Raises PartnerError."""
        ...


class Outcome(StrEnum):
    """What a visit of the worker came to, for logs and metrics."""

    FETCHED = "fetched"
    TEST = "test"
    INVALID = "invalid"
    COMES_AGAIN = "comes_again"
    FAILED = "failed"
    NOTHING_TO_DO = "nothing_to_do"
    GONE = "gone"


@dataclass(frozen=True)
class Visit:
    """What came of a visit. `again` is when the message should come back, None when it is done with."""

    outcome: Outcome
    again: timedelta | None = None
    error: PartnerError | None = None


@dataclass(frozen=True)
class Fetcher:
    """Fetches leads of all sources that only name them. `origin(source)` is where a source's leads are.

    `dead_letter` is told of a lead that cannot be fetched before that is written, so that a crash between the two
    leaves one word too many and never one too few.
    """

    ledger: Ledger
    origin: Callable[[str], Origin]
    settings: Settings
    keyed_hash: Callable[[str], str]
    clock: Clock
    dead_letter: Callable[[Fetch, ErrorInfo], None]
    jitter: Callable[[], float] = random.random

    def visit(self, lead_id: str, budget: Budget, *, overdue: bool = False) -> Visit:
        """Do what can be done now for one lead. Safe to repeat and to run twice at once.

        `overdue` is for a fetch that the sweep found: if it is still due, its due time is moved on.
        Raises whatever the ledger raises, and KeyError for a source that is not configured any more; the lead waits.
        """
        fetch = self.ledger.fetch(lead_id)
        if fetch is None:
            return Visit(Outcome.GONE)
        if fetch.state is not FetchState.PENDING:
            return Visit(Outcome.NOTHING_TO_DO)
        now = self.clock()
        if overdue and fetch.due_at is not None and fetch.due_at <= now:
            self.ledger.defer(fetch, now + overdue_wait(fetch.waiting_since, now))
        if fetch.next_attempt_at is not None and fetch.next_attempt_at > now:
            return Visit(Outcome.COMES_AGAIN, again=fetch.next_attempt_at - now)
        source = self.settings.sources[fetch.source]
        origin = self.origin(fetch.source)
        if not budget.allows(origin.seconds_per_fetch):
            return Visit(Outcome.COMES_AGAIN, again=timedelta())
        try:
            found = origin.lead(fetch.keys, budget)
        except PartnerError as error:
            return self._come_again(fetch, source, error)
        return self._complete(fetch, source, found)

    def _complete(self, fetch: Fetch, source: Source, found: dict[str, Any]) -> Visit:
        adapter = adapter_named(source.adapter)
        if not isinstance(adapter, FetchByIdAdapter):
            raise LookupError(f"source {fetch.source}: its adapter names no leads")
        submission, now = adapter.read(found, fetch.keys, source), self.clock()
        lead, lacking = build_usable_lead(
            with_defaults(submission.values, source),
            lead_id=fetch.lead_id,
            source=fetch.source,
            received_at=fetch.received_at,
            partners=self.settings.partners,
            choose=lambda asked: (
                Decision(()) if submission.is_test else decide(source.partners, asked.value, submission.answers)
            ),
        )
        deliveries = []
        for partner in lead.partners:
            delivery = replace(receive(lead.lead_id, partner, lead.source, now), received_at=lead.received_at)
            if errors := lacking.get(partner):
                wrong = "; ".join(f"{error.field} {error.message}" for error in errors)
                fields = [error.field for error in errors]
                lacking_error = ErrorInfo(ErrorCode.MISSING_FIELDS, f"not sent: {wrong}", {"fields": fields})
                delivery = replace(delivery, state=State.REJECTED, due_at=None, **last_error(lacking_error))
            deliveries.append(delivery)
        change = steps.was_test(fetch, now) if submission.is_test else steps.fetched(fetch, now)
        try:
            self.ledger.complete(change, lead, deliveries, **hashes_of(lead, self.keyed_hash))
        except Conflict:
            return Visit(Outcome.NOTHING_TO_DO)
        if submission.is_test:
            return Visit(Outcome.TEST)
        return Visit(Outcome.INVALID if lacking else Outcome.FETCHED)

    def _come_again(self, fetch: Fetch, source: Source, error: PartnerError) -> Visit:
        now, policy = self.clock(), _policy(source)
        if now - (fetch.first_attempt_at or now) >= policy.retry.give_up_after:
            self.dead_letter(fetch, error.info)
            change = steps.fail(fetch, now, error.info)
            return self._write(change, Visit(Outcome.FAILED, error=error))
        jitter = self.jitter()
        wait = backoff(policy.retry, fetch.attempts + 1, jitter)
        if isinstance(error, Misconfigured):
            wait = policy.refused_delay * (0.5 + jitter / 2)
        if error.retry_after is not None:
            wait = max(wait, min(timedelta(seconds=error.retry_after), policy.retry.give_up_after))
        change = steps.schedule_retry(fetch, now, error.info, wait)
        return self._write(change, Visit(Outcome.COMES_AGAIN, again=wait, error=error))

    def _write(self, change: FetchChange, visit: Visit) -> Visit:
        try:
            self.ledger.apply(change)
        except Conflict:
            return Visit(Outcome.NOTHING_TO_DO, error=visit.error)
        return visit


def _policy(source: Source) -> Fetching:
    if source.fetch is None:
        raise LookupError("the source's configuration does not say how its leads are fetched")
    return source.fetch
