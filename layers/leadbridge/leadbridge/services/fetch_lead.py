"""Fetch a lead of which the form sent only the id, and store it like any other lead."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from leadbridge.domain import fetch as steps
from leadbridge.domain.acceptance.build import build_lead
from leadbridge.domain.clock import Clock
from leadbridge.domain.delivery import new_delivery
from leadbridge.domain.errors.error_codes import ErrorInfo
from leadbridge.domain.errors.partner_errors import Misconfigured, PartnerError
from leadbridge.domain.fetch import Fetch, FetchChange
from leadbridge.domain.fields.hashes import hashes_of
from leadbridge.domain.fields.reading import reading_rules
from leadbridge.domain.routing.rules import Decision, RoutingFacts, choose_partners
from leadbridge.domain.transitions import Conflict
from leadbridge.forms.base import FetchByIdAdapter, adapter_named
from leadbridge.forms.mapping import find_unmapped_names, with_defaults
from leadbridge.runtime.budget import Budget
from leadbridge.services.ports.fetches import FetchLedger, LeadOrigin
from leadbridge.services.worker import Outcome, Result, RetryingWorker, requested_delay, retry_delay
from leadbridge.settings import RetryPolicy, Settings, Source
from leadbridge.settings.sources import FetchSettings


@dataclass(frozen=True)
class Fetcher(RetryingWorker[Fetch, FetchChange]):
    """Fetches leads of all sources whose forms send only ids. `origin(source)` reads leads."""

    ledger: FetchLedger
    origin: Callable[[str], LeadOrigin]
    settings: Settings
    keyed_hash: Callable[[str], str]
    clock: Clock
    dead_letter: Callable[[Fetch, ErrorInfo], None]
    jitter: Callable[[], float] = random.random

    def process(self, lead_id: str, budget: Budget, *, overdue: bool = False) -> Result:
        """Process one lead. Safe to repeat and to run concurrently.

        `overdue`: the sweep found the fetch. If it is still due, its due time is deferred. Raises what the ledger
        raises, and KeyError for a source that is not configured any more; then the lead waits.
        """
        fetch = self.ledger.fetch(lead_id)
        return self._process(fetch, lambda waiting, now: self._fetch(waiting, now, budget), overdue=overdue)

    def _fetch(self, fetch: Fetch, now: datetime, budget: Budget) -> Result:
        if (early := self._until_scheduled(fetch, now)) is not None:
            return early
        source = self.settings.sources[fetch.source]
        origin = self.origin(fetch.source)
        if not budget.allows(origin.seconds_per_fetch):
            return self._wait()
        try:
            found = origin.lead(fetch.keys, budget)
        except PartnerError as error:
            return self._retry(fetch, error)  # also after wrong credentials, which a person can correct
        return self._complete(fetch, source, found)

    def _complete(self, fetch: Fetch, source: Source, found: dict[str, Any]) -> Result:
        adapter = adapter_named(source.adapter)
        if not isinstance(adapter, FetchByIdAdapter):
            raise LookupError(f"source {fetch.source}: its adapter cannot fetch leads")
        submission, now = adapter.read(found, fetch.keys, source), self.clock()
        lead = build_lead(
            with_defaults(submission.values, source),
            lead_id=fetch.lead_id,
            source=fetch.source,
            received_at=fetch.received_at,
            partners=self.settings.partners,
            rules=reading_rules(source, self.settings.partners),
            choose=lambda asked: (
                Decision(())
                if submission.is_test
                else choose_partners(
                    source, RoutingFacts(asked.value, submission.answers, fetch.received_at, self.keyed_hash)
                )
            ),
            answers=submission.answers,
            count_by=source.count_by,
            time_zone=self.settings.alerts.time_zone,
            unmapped=None if submission.is_test else find_unmapped_names(submission, source),
        )
        deliveries = [
            new_delivery(lead.lead_id, partner, lead.source, lead.received_at, now) for partner in lead.partners
        ]
        change = steps.complete_test(fetch, now) if submission.is_test else steps.complete(fetch, now)
        try:
            self.ledger.complete(change, lead, deliveries, **hashes_of(lead, self.keyed_hash))
        except Conflict:
            return Result(Outcome.NO_ACTION)
        if submission.is_test:
            return Result(Outcome.TEST)
        return Result(Outcome.INVALID if lead.problems else Outcome.FETCHED)

    def _delay(self, fetch: Fetch, error: PartnerError) -> timedelta:
        """Return the wait. After wrong credentials it is constant, because a person must correct them."""
        policy, jitter = self._fetching(fetch), self.jitter()
        if isinstance(error, Misconfigured):
            return max(policy.refused_delay * (0.5 + jitter / 2), requested_delay(policy.retry, error))
        return retry_delay(policy.retry, fetch.attempt_number, jitter, error)

    def _fetching(self, fetch: Fetch) -> FetchSettings:
        source = self.settings.sources[fetch.source]
        if source.fetch is None:
            raise LookupError("the source has no section `fetch` in config/sources.toml")
        return source.fetch

    def _policy(self, fetch: Fetch) -> RetryPolicy:
        return self._fetching(fetch).retry

    def _schedule_retry(self, fetch: Fetch, now: datetime, error: ErrorInfo, after: timedelta) -> FetchChange:
        return steps.schedule_retry(fetch, now, error, after)

    def _fail(self, fetch: Fetch, now: datetime, error: ErrorInfo) -> FetchChange:
        return steps.fail(fetch, now, error)
