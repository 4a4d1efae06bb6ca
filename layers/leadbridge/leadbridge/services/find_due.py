"""Queue the deliveries, messages, fetches and postbacks that are due."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import batched, chain, islice
from math import ceil
from typing import TYPE_CHECKING, Any

from leadbridge.domain.admission import find_wait, waiting_partition
from leadbridge.domain.clock import from_text
from leadbridge.runtime.queues import MAX_BATCH, queue_length, send_all, send_batch
from leadbridge.services.checks.batch import BATCH, batch_bodies

if TYPE_CHECKING:
    from leadbridge.domain.admission import PartnerState
    from leadbridge.domain.routing.intake import IntakeStatus, Refusal
    from leadbridge.services.checks.sweep import CheckSweep
    from leadbridge.storage.queries.due_items import DueItem

# Leads that waited, which one run queues for the partners of a kind. Two workers submit about 130 in a minute
# (docs/capacity.md): the other half is for new leads, and one of another partner is behind half a minute of work.
MAX_RELEASED = 60
PROBE_CANDIDATES = 3  # one may be gone: erased, or sent in the meantime

type FindDue = Callable[[str, datetime, int], Iterable[DueItem]]
"""Returns the due items of a partition of the index, longest due first: partition, now, limit."""


@dataclass(frozen=True)
class DueQueue:
    """A queue of messages, fetches or postbacks, the partition of the index that fills it, and its messages' body.

    Messages in flight take no part of the room: most of them are hidden until their turn or the morning.
    """

    url: str
    partition: str
    body: Callable[[DueItem], dict[str, Any]]


def fill(queue: DueQueue, find_due: FindDue, now: datetime, max_queued: int) -> int:
    """Queue what is due until the queue has `max_queued` messages. Returns the number of messages sent.

    The limit keeps a run short, however much is due: the next run continues with what is longest due. An item may be
    queued twice; the second message has no effect. Raises Contended.
    """
    due = iter(find_due(queue.partition, now, max_queued))
    if (longest := next(due, None)) is None:
        return 0
    room = max(0, max_queued - queue_length(queue.url, with_in_flight=False))
    return sum(
        send_batch(queue.url, [queue.body(one) for one in some])
        for some in batched(islice(chain([longest], due), room), MAX_BATCH, strict=False)
    )


def fill_checks(
    queue_url: str, sweeps: Mapping[str, CheckSweep | None], find_due: FindDue, now: datetime, max_queued: int
) -> tuple[int, float]:
    """Queue the deliveries of each partner that are due, many in one message.

    Returns the number of messages sent, and by how many seconds the longest due delivery or check is late.

    A partner with a sweep has deals whose status is checked by their age. Other deliveries have a due time of their
    own: those that wait or were lost, and those whose last check failed. The queue gets at most `max_queued` messages,
    so that a run is short and the rest remains visible as late (`OldestDue`). The room is shared between partners, and
    for each at most half of it is for due times. Raises Contended.

    A full queue still gets one message of due times for each partner: while a partner is away, its batches fill the
    queue for hours, and a lost worker's delivery must be settled meanwhile. At twice `max_queued` no worker runs.
    """
    length = queue_length(queue_url, with_in_flight=True)
    room, reserved = max_queued - length, int(max_queued <= length < 2 * max_queued)
    queued, left, late = 0, len(sweeps), 0.0
    for partner, sweep in sweeps.items():
        share = ceil(max(0, room - queued) / left)
        left -= 1
        for_due = max(reserved, share if sweep is None else (share + 1) // 2)
        due = iter(find_due(partner, now, max(1, for_due * BATCH)))
        sent = 0
        if (longest := next(due, None)) is not None:
            late = max(late, (now - from_text(longest.due_at)).total_seconds())
            if for_due:
                sent = _send_due(queue_url, partner, (item.owner for item in chain([longest], due)))
        queued += sent
        if sweep is not None:
            checks, behind = sweep.run(now, share - sent)
            queued, late = queued + checks, max(late, behind)
    return queued, late


def fill_waiting(
    queue_url: str,
    states: Mapping[str, PartnerState],
    kinds: Mapping[str, str],
    find_due: FindDue,
    now: datetime,
    intakes: Mapping[str, IntakeStatus] | None = None,
) -> tuple[int, float]:
    """Queue the deliveries that waited for their partner, once it gets leads again.

    Returns the number of messages sent, and for how many seconds the partner has got leads while a delivery waits. A
    partner without a stored state has no such deliveries, and those of a paused one or behind an open circuit are not
    read: they cost nothing, however many and however long. A half-open circuit needs a probe: a few are queued, and one
    of them becomes it.

    The partners of a kind share `MAX_RELEASED`, because they share a queue and its workers; each gets at least one. A
    partner that needs less leaves the rest to the others. `kinds` has the kind of each partner.

    `intakes` are those of the partners with caps and hours: a closed or full one is passed over in the same way, unless
    a worker has to pass leads on or to hold them. Of one with room for a few leads only as many are queued. Raises
    Contended.
    """
    intakes = intakes or {}
    found: dict[str, list[DueItem]] = {}
    late = 0.0
    for partner, state in states.items():
        intake = intakes.get(partner)
        refusal = None if intake is None else intake.refusal
        if (until := _released_until(state, refusal, now)) is None:
            continue
        limit = MAX_RELEASED if state.circuit.is_closed else PROBE_CANDIDATES
        if intake is not None and intake.room is not None and refusal is None:
            limit = min(limit, intake.room)
        found[partner] = due = list(find_due(waiting_partition(partner), until, limit))
        if due and state.circuit.is_closed and refusal is None:
            moments = (state.admits_since, None if intake is None else intake.since)
            opened = [moment for moment in moments if moment is not None]
            since = max(from_text(due[0].due_at), *opened) if opened else now
            late = max(late, (now - since).total_seconds())
    queued, room, left = 0, defaultdict[str, int](lambda: MAX_RELEASED), Counter(kinds[partner] for partner in found)
    for partner, due in sorted(found.items(), key=lambda item: len(item[1])):
        kind = kinds[partner]
        released = due[: max(1, room[kind] // left[kind])]
        room[kind] -= len(released)
        left[kind] -= 1
        queued += _send_due(queue_url, partner, (item.owner for item in released))
    return queued, late


def _released_until(state: PartnerState, refusal: Refusal | None, now: datetime) -> datetime | None:
    """Return until when the deliveries of a partner are due that are queued now; None if none is queued.

    A partner that refuses leads for all time never gets them: a worker ends each. One that refuses them for a while
    waits, or passes them on; then a worker decides on those that waited for a pause or the circuit.
    """
    if find_wait(state, now) is not None:
        return None
    if refusal is None or refusal.until is None:
        return now
    return None if refusal.then == "wait" else state.admits_since


def _send_due(queue_url: str, partner: str, lead_ids: Iterable[str]) -> int:
    """Send batches of leads, ten messages at a time, so that not all are in memory. Returns the number of messages."""
    sent = 0
    for batches in batched(batched(lead_ids, BATCH, strict=False), MAX_BATCH, strict=False):
        send_all(queue_url, batch_bodies(partner, batches, overdue=True))
        sent += len(batches)
    return sent


def message_body(due: DueItem) -> dict[str, Any]:
    """Return the message to send_message for a message that is overdue."""
    return {"owner": due.owner, "message_id": due.name, "overdue": True}


def postback_body(due: DueItem) -> dict[str, Any]:
    """Return the message to send_feedback for a postback that is overdue."""
    return {"lead_id": due.owner, "event_id": due.name.rpartition("#")[2], "overdue": True}


def fetch_body(due: DueItem) -> dict[str, Any]:
    """Return the message to fetch_lead for a fetch that is overdue."""
    return {"lead_id": due.owner, "overdue": True}
