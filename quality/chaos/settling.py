"""What has not settled yet, counted by kind."""

from __future__ import annotations

from collections import Counter

from devstack.partners import partner_profiles
from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.fetch import FetchState
from leadbridge.domain.message import UNSETTLED
from quality.chaos.reconciliation import Snapshot


def unsettled(snapshot: Snapshot) -> Counter[str]:
    """Deliveries, messages, postbacks, fetches, queues, and statuses that will change."""
    found: Counter[str] = Counter()
    found["statuses about to change"] = sum(one.moves for one in snapshot.partner_records)
    for queue, number in snapshot.queue_sizes.items():
        found[f"in {queue}"] += number
    for record in snapshot.leads.values():
        if record.fetch is not None and record.fetch.state is FetchState.PENDING:
            found["pending fetches"] += 1
        for message in record.messages:
            if message.state in UNSETTLED:
                found[f"messages {message.state}"] += 1
        for postback in record.postbacks:
            if postback.is_unsettled:
                found[f"postbacks {postback.state}"] += 1
        for delivery in record.deliveries.values():
            if _moves(snapshot, delivery):
                found[f"deliveries {delivery.state}"] += 1
    return +found


def _moves(snapshot: Snapshot, delivery: Delivery) -> bool:
    if delivery.is_erased or snapshot.may_remain(delivery):
        return False
    match delivery.state:
        case State.RECEIVED | State.SUBMITTING:
            return True
        case State.SUBMITTED:
            made = snapshot.partner_record_of(delivery)
            if partner_profiles()[delivery.partner].always_ends and not (made is not None and made.is_pinned):
                return True
            return made is not None and made.status is not None and made.status != delivery.partner_status
        case _:
            return False
