"""Retry all leads of a group of the inbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from leadbridge.domain.clock import Clock
from leadbridge.domain.delivery import State
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.fetch import FetchState, refetch
from leadbridge.domain.inbox.trouble import LETTERS, MAX_TROUBLES, InboxGroup, Trouble, TroubleKind
from leadbridge.domain.lead import Lead, find_missing_fields
from leadbridge.domain.operator_steps import ConfirmationRequired, WrongState, retry_by_operator
from leadbridge.domain.transitions import Conflict
from leadbridge.runtime.aws_errors import Contended
from leadbridge.settings import Partner

if TYPE_CHECKING:
    from leadbridge.services.dead_letters.queues import RedriveResult
    from leadbridge.services.ports.deliveries import Deliveries
    from leadbridge.services.ports.fetches import FetchLedger

STATES = {TroubleKind.FAILED: State.FAILED, TroubleKind.UNKNOWN: State.UNKNOWN}


@dataclass
class RetriedGroup:
    """The number of retried leads, and those that were not retried, with codes.

    `has_more`: there may be others that were not tried. What has been settled or retried since counts as neither.
    """

    retried: int = 0
    kept: list[tuple[str | None, ErrorCode]] = field(default_factory=list)
    has_more: bool = False


class NotRetried(Exception):
    """A lead was not retried, for this reason; without a code, it needs no retry any more."""

    def __init__(self, code: ErrorCode | None = None) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class GroupRetrier:
    """Retries a group for an operator. `redrive` redrives the dead letters of a queue with some ids."""

    leads: Deliveries
    find_lead: Callable[[str], Lead | None]
    fetches: FetchLedger
    redrive: Callable[[str, frozenset[str]], RedriveResult]
    partners: Mapping[str, Partner]
    operator: str
    clock: Clock

    def retry(
        self, group: InboxGroup, before: datetime, may_continue: Callable[[], bool], *, is_confirmed: bool
    ) -> RetriedGroup:
        """Retry each lead of a group that last changed before a time, up to 200, oldest first, while `may_continue`.

        Repeated with the same `before`, it retries no lead twice. `is_confirmed`: the operator accepts that a partner
        may get a lead twice.
        """
        older = [trouble for trouble in group.troubles if trouble.at < before]
        if group.kind in LETTERS:
            return self._redrive(older)
        done = RetriedGroup(has_more=not group.is_complete)
        for trouble in older:
            if done.retried == MAX_TROUBLES or not may_continue():
                done.has_more = True
                break
            try:
                if trouble.kind is TroubleKind.FETCH:
                    self._refetch(trouble, before)
                else:
                    self._resubmit(trouble, before, is_confirmed=is_confirmed)
            except NotRetried as reason:
                if reason.code is not None:
                    done.kept.append((trouble.lead_id, reason.code))
            else:
                done.retried += 1
        return done

    def _redrive(self, troubles: list[Trouble]) -> RetriedGroup:
        """Redrive the dead letters of a group. All are in one queue."""
        if not troubles:
            return RetriedGroup()
        leads = {one.dead_letter_id or "": one.lead_id for one in troubles}
        result = self.redrive(troubles[0].queue or "", frozenset(leads))
        kept = [(leads[letter_id], code) for letter_id, code in result.kept.items()]
        return RetriedGroup(result.redriven, kept)

    def _resubmit(self, trouble: Trouble, before: datetime, *, is_confirmed: bool) -> None:
        delivery = self.leads.delivery(trouble.lead_id or "", trouble.partner or "")
        lead = self.find_lead(trouble.lead_id or "")
        if delivery is None or lead is None or lead.erased_at is not None or delivery.state != STATES[trouble.kind]:
            raise NotRetried
        if delivery.changed_at >= before:  # the group was read from an index, which may be a moment behind
            raise NotRetried
        if find_missing_fields(lead, self.partners.get(delivery.partner)):
            raise NotRetried(ErrorCode.MISSING_FIELDS)
        try:
            self.leads.apply(retry_by_operator(delivery, self.clock(), self.operator, is_confirmed=is_confirmed))
        except ConfirmationRequired:
            raise NotRetried(ErrorCode.NEEDS_CONFIRMATION) from None
        except WrongState:
            raise NotRetried(ErrorCode.STATE_CONFLICT) from None
        except (Conflict, Contended):
            raise NotRetried(ErrorCode.CONCURRENT_CHANGE) from None

    def _refetch(self, trouble: Trouble, before: datetime) -> None:
        fetch = self.fetches.fetch(trouble.lead_id or "")
        if fetch is None or fetch.state is not FetchState.FAILED:
            raise NotRetried
        if (fetch.first_attempt_at or fetch.received_at) >= before:
            raise NotRetried
        if fetch.restored_at is not None:
            raise NotRetried(ErrorCode.NEEDS_CONFIRMATION)
        try:
            self.fetches.apply(refetch(fetch, self.clock(), self.operator))
        except (Conflict, Contended):
            raise NotRetried(ErrorCode.CONCURRENT_CHANGE) from None
