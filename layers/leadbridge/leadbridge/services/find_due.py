"""Queue the deliveries, messages and fetches that are due."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import batched
from typing import TYPE_CHECKING, Any

from leadbridge.runtime.queues import MAX_BATCH, queue_length, send_batch

if TYPE_CHECKING:
    from leadbridge.storage.leads import DueItem

type FindDue = Callable[[str, datetime, int], Iterable[DueItem]]
"""Returns the due items of a partition of the index, longest due first: partition, now, limit."""


@dataclass(frozen=True)
class DueQueue:
    """A queue, the partitions of the index that fill it, and the body of its messages.

    `counts_in_flight`: messages in flight take part of the room. In the queues of messages and fetches they do not:
    most of them are hidden until their turn or the morning.
    """

    url: str
    partitions: Sequence[str]
    body: Callable[[DueItem], dict[str, Any]]
    counts_in_flight: bool = False


def fill(queue: DueQueue, find_due: FindDue, now: datetime, max_queued: int) -> int:
    """Queue what is due until the queue has `max_queued` messages. Returns the number of messages sent.

    The limit keeps a run short, however much is due: the next run continues with what is longest due. Partitions take
    turns, so that a backlog in one does not starve the others. An item may be queued twice; the second message has no
    effect. Raises Contended.
    """
    room = max_queued - queue_length(queue.url, with_in_flight=queue.counts_in_flight)
    if room <= 0:
        return 0
    share = min(MAX_BATCH, max(1, room // len(queue.partitions)))
    turns = deque(batched(find_due(partition, now, room), share, strict=False) for partition in queue.partitions)
    queued = 0
    while turns and queued < room:
        due = next(turns[0], None)
        if due is None:
            turns.popleft()
            continue
        queued += send_batch(queue.url, [queue.body(one) for one in due[: room - queued]])
        turns.rotate(-1)
    return queued


def delivery_body(due: DueItem) -> dict[str, Any]:
    """Return the message to check_status."""
    return {"lead_id": due.owner, "partner": due.name}


def message_body(due: DueItem) -> dict[str, Any]:
    """Return the message to send_message for a message that is overdue."""
    return {"owner": due.owner, "message_id": due.name, "overdue": True}


def fetch_body(due: DueItem) -> dict[str, Any]:
    """Return the message to fetch_lead for a fetch that is overdue."""
    return {"lead_id": due.owner, "overdue": True}
