"""Whether everything is where it will stay: what still moves, counted by kind."""

from __future__ import annotations

from collections import Counter

from chaos.books import Books
from leadbridge.leads.delivery import Delivery, State
from leadbridge.leads.fetch import FetchState
from leadbridge.leads.message import UNSETTLED

LAST = {"ACTIVE_CLIENT", "NO_POTENTIAL"}  # the broker's statuses after which none comes in the sandbox


def unsettled(books: Books) -> Counter[str]:
    """What still moves: deliveries, messages, fetches, queues, and what partners have not told yet."""
    found: Counter[str] = Counter()
    status = {deal["deal_id"]: deal["status"] for deal in books.deals}
    status |= {account["uuid"]: account["leadStatus"] for account in books.accounts}
    found["accounts on their way"] = sum(account["leadStatus"] not in LAST for account in books.accounts)
    for queue, number in books.waiting.items():
        found[f"in {queue}"] += number
    for file in books.files.values():
        if file.fetch is not None and file.fetch.state is FetchState.PENDING:
            found["leads to be fetched"] += 1
        for message in file.messages:
            if message.state in UNSETTLED:
                found[f"messages {message.state}"] += 1
        for delivery in file.deliveries.values():
            if _moves(delivery, status.get(delivery.deal_id or delivery.account_uuid)):
                found[f"deliveries {delivery.state}"] += 1
    return +found


def _moves(delivery: Delivery, status: str | None) -> bool:
    if delivery.is_erased:
        return False
    match delivery.state:
        case State.RECEIVED | State.SUBMITTING:
            return True
        case State.SUBMITTED if delivery.partner == "leadleader":
            return True  # its deals all come to an end
        case State.SUBMITTED:
            return status is not None and status != delivery.partner_status
        case _:
            return False
