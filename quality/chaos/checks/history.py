"""A delivery's history: its timeline entries by version."""

from collections import Counter
from collections.abc import Iterable, Iterator

from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.timeline import Entry, VersionedEntry
from leadbridge.domain.transitions import DELIVERY
from quality.chaos.records import LeadRecord

# The events of the state table that each timeline entry may stand for.
EVENTS: dict[str, tuple[str, ...]] = {
    "submitting": ("start_attempt",),
    "attempt_failed": ("schedule_retry", "record_not_processed"),
    "attempt_uncertain": ("mark_uncertain",),
    "waiting": ("wait_for_partner",),
    "repeat_waiting": ("wait_for",),
    "repeat": ("send_repeat",),
    "submitted": ("confirm", "confirm_uncertain"),
    "rejected": ("reject", "record_rejected"),
    "duplicate": ("mark_duplicate", "record_duplicate", "mark_repeat"),
    "skipped": ("skip", "moved_by_operator"),
    "unknown": ("mark_unknown",),
    "failed": ("fail", "hold_repeat"),
    "status_changed": ("update_status", "close"),
    "account_found": ("account_found",),
    "retry_requested": ("retry_by_operator",),
    "resolved": ("found", "not_found"),
    "resolution_withdrawn": ("withdrawn",),
    "contested": ("contested",),
}


def contradictions(record: LeadRecord, delivery: Delivery) -> Iterator[str]:
    """Missing steps, and steps that do not lead from the first state to the present one.

    An erasure is a step without an entry, and so is a correction of the lead while the delivery waits.
    """
    steps, corrections = record.steps(delivery.partner), len(record.entries("corrected"))
    versions, found = range(2, delivery.version + 1), Counter(one.version for one in steps)
    missing = len(set(versions) - found.keys())
    if not delivery.is_erased <= missing <= delivery.is_erased + corrections or found.keys() - set(versions):
        yield f"it is at version {delivery.version}, and its timeline has {sorted(found)}"
    yield from (f"version {number} has two entries" for number, times in found.items() if times > 1)
    without_entry = ["lead_corrected"] * bool(corrections) + ["erased"] * delivery.is_erased
    entries, possible = {one.version: one.entry for one in steps}, {str(State.RECEIVED)}
    for number in versions:
        entry, before = entries.get(number), possible
        events = without_entry if entry is None else _events(entry)
        possible = {DELIVERY[event][state] for event in events for state in before & DELIVERY[event].keys()}
        if not possible:
            what = "which has no entry" if entry is None else entry.what
            yield f"version {number}, {what}, from {', '.join(sorted(before))}"
            return
    if delivery.state not in possible:
        yield f"it is {delivery.state}, and its timeline ends in {', '.join(sorted(possible))}"


def confirmed_retries(steps: Iterable[VersionedEntry]) -> int:
    """How often a person confirmed a retry although the partner may have the lead."""
    confirmed, is_uncertain = 0, False
    for step in steps:
        match step.entry.what:
            case "unknown" | "resolved" | "resolution_withdrawn":
                is_uncertain = True
            case "submitted" | "rejected" | "failed" | "duplicate":
                is_uncertain = False
            case "retry_requested" if is_uncertain:
                confirmed, is_uncertain = confirmed + 1, False
    return confirmed


def _events(entry: Entry) -> tuple[str, ...]:
    if entry.what == "resolved" and entry.data:
        return ("not_found" if entry.data.get("outcome") == "not_created" else "found",)
    return EVENTS.get(entry.what, ())
