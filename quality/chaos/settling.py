"""Whether everything is where it will stay: what still moves, counted by kind."""

from __future__ import annotations

from collections import Counter

from devstack.sandbox.profile import profiles
from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.fetch import FetchState
from leadbridge.domain.message import UNSETTLED
from quality.chaos.reconciliation import Books


def unsettled(books: Books) -> Counter[str]:
    """What still moves: deliveries, messages, fetches, queues, and what partners have not told yet."""
    found: Counter[str] = Counter()
    found["statuses about to change"] = sum(one.moves for one in books.made)
    for queue, number in books.waiting.items():
        found[f"in {queue}"] += number
    for file in books.files.values():
        if file.fetch is not None and file.fetch.state is FetchState.PENDING:
            found["leads to be fetched"] += 1
        for message in file.messages:
            if message.state in UNSETTLED:
                found[f"messages {message.state}"] += 1
        for delivery in file.deliveries.values():
            if _moves(books, delivery):
                found[f"deliveries {delivery.state}"] += 1
    return +found


def _moves(books: Books, delivery: Delivery) -> bool:
    if delivery.is_erased or books.waits_for_ever(delivery):
        return False
    match delivery.state:
        case State.RECEIVED | State.SUBMITTING:
            return True
        case State.SUBMITTED:
            made = books.made_as(delivery)
            if profiles()[delivery.partner].always_ends and not (made is not None and made.is_pinned):
                return True
            return made is not None and made.status is not None and made.status != delivery.partner_status
        case _:
            return False
