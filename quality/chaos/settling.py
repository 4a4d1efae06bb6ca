"""Whether everything is where it will stay: what still moves, counted by kind."""

from __future__ import annotations

from collections import Counter

from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.fetch import FetchState
from leadbridge.domain.message import UNSETTLED
from quality.chaos.reconciliation import Books

LAST = {"ACTIVE_CLIENT", "NO_POTENTIAL", "Видано", "Відмовлено", "Скасовано"}  # statuses after which none comes
LENDERS_OPEN = ("В обробці", "Погоджено", "На підписі")  # statuses of a deal that do not close it


def unsettled(books: Books) -> Counter[str]:
    """What still moves: deliveries, messages, fetches, queues, and what partners have not told yet."""
    found: Counter[str] = Counter()
    status = {deal["deal_id"]: deal["status"] for deal in books.deals}
    status |= {account["uuid"]: account["leadStatus"] for account in books.accounts}
    pinned = {deal["deal_id"] for deal in books.deals if deal["pinned"]}
    found["accounts on their way"] = sum(account["moves"] for account in books.accounts)
    for queue, number in books.waiting.items():
        found[f"in {queue}"] += number
    for file in books.files.values():
        if file.fetch is not None and file.fetch.state is FetchState.PENDING:
            found["leads to be fetched"] += 1
        for message in file.messages:
            if message.state in UNSETTLED:
                found[f"messages {message.state}"] += 1
        for delivery in file.deliveries.values():
            there = status.get(delivery.deal_id or delivery.account_uuid)
            if _moves(books, delivery, there, will_change=delivery.deal_id not in pinned):
                found[f"deliveries {delivery.state}"] += 1
    return +found


def _moves(books: Books, delivery: Delivery, status: str | None, *, will_change: bool) -> bool:
    if delivery.is_erased or books.waits_for_ever(delivery):
        return False
    match delivery.state:
        case State.RECEIVED | State.SUBMITTING:
            return True
        case State.SUBMITTED if delivery.partner == "leadleader" and will_change:
            return True  # its deals all come to an end
        case State.SUBMITTED:
            return status is not None and status != delivery.partner_status
        case _:
            return False
