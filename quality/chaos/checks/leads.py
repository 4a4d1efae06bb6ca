"""No lead is lost or counted twice, each delivery reaches an end state, and its timeline explains it."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.fetch import FetchState
from leadbridge.domain.message import MessageState
from leadbridge.domain.routing.fallback import NextOn, next_partner
from leadbridge.domain.timeline import Entry
from leadbridge.domain.transitions import DELIVERY
from quality.chaos.checks.registry import check, check_deliveries, check_leads
from quality.chaos.records import UNSETTLED, LeadRecord, Snapshot
from quality.testkit.statistics import miscounted

BY_OPERATORS = {None, ErrorCode.ERASED, ErrorCode.NOT_CREATED}  # failures without a dead letter
WAITING = frozenset({State.RECEIVED, State.SUBMITTING})
SENT = frozenset({State.SUBMITTED, State.CLOSED, State.UNKNOWN})
INDEXES = (("due_shard", "due_at"), ("follow_shard", "followed_since"))
# The events of the state table that a timeline entry may stand for, if they have another name.
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
    "retry_requested": ("retry_by_operator",),
    "resolved": ("found", "not_found"),
    "resolution_withdrawn": ("withdrawn",),
}


@check
def accepted_leads_are_stored(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Every accepted lead is in the table, or its tombstone is; one post is one lead."""
    by_post: dict[str, set[str]] = defaultdict(set)
    for posted in snapshot.posted:
        by_post[posted.post_id].add(posted.lead_id)
        if posted.lead_id not in snapshot.leads:
            yield posted.lead_id, "was accepted and is not in the table"
    for post_id, lead_ids in by_post.items():
        if len(lead_ids) > 1:
            yield ", ".join(sorted(lead_ids)), f"are several leads of one post, {post_id}"


@check_leads
def deliveries_reach_an_end_state(snapshot: Snapshot, record: LeadRecord) -> Iterator[str]:
    """Each lead has a delivery in an end state for each of its partners, or a fetch that ended without one."""
    if set(record.deliveries) != set(record.lead.partners) and record.is_fetched and not record.is_erased:
        deliveries = ", ".join(record.deliveries) or "none"
        yield f"is for {', '.join(record.lead.partners)}; its deliveries: {deliveries}"
    if record.fetch is not None and record.fetch.state is FetchState.PENDING:
        yield "has a pending fetch"
    for one in record.deliveries.values():
        if one.state in WAITING and not snapshot.may_remain(one):
            yield f"is {one.state} at {one.partner}"


@check
def nothing_is_in_transit(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """All queues are empty, and no message is pending or being sent."""
    yield from ((queue, f"has {number} messages") for queue, number in snapshot.queue_sizes.items() if number)
    for lead_id, record in snapshot.leads.items():
        for one in record.messages:
            if one.state in UNSETTLED:
                yield lead_id, f"the message {one.message_id} is {one.state}"


@check
def timelines_have_no_gaps(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """A delivery's version increases by one with each timeline entry, by allowed steps, to its present state."""
    yield from snapshot.overwritten
    for lead_id, record, delivery in snapshot.deliveries():
        for what in _contradictions(record, delivery):
            yield lead_id, f"{delivery.partner}: {what}"


@check
def due_index_is_consistent(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """The indexes have everything that waits or whose status is followed, and nothing else."""
    for lead_id, record in snapshot.leads.items():
        for one in record.deliveries.values():
            what = f"{one.partner} is {one.state}{' and erased' * one.is_erased}"
            if one.due_at is not None and (one.state not in WAITING | {State.SUBMITTED} or one.is_erased):
                yield lead_id, f"{what}, and due"
            if one.followed_since is not None and (one.state is not State.SUBMITTED or one.is_erased):
                yield lead_id, f"{what}, and followed"
            if one.due_at is None and one.state in WAITING:
                yield lead_id, f"{what}, and not due"
        for item in record.in_flows:
            if (item.due_at is not None) != (item.state in UNSETTLED):
                yield lead_id, f"its {type(item).__name__} is {item.state}, and due {item.due_at}"
    for values in snapshot.table:
        for keys in INDEXES:
            if len(values.keys() & set(keys)) == 1:
                yield values["pk"], f"{values['sk']} has only one of {' and '.join(keys)}"


@check_leads
def failures_have_a_dead_letter(snapshot: Snapshot, record: LeadRecord) -> Iterator[str]:
    """A delivery, message or fetch that failed without an operator's action has a dead letter."""
    letters = [one for one in snapshot.dead_letters if one.lead_id == record.lead_id]
    explained = {one.message_id or one.partner or one.step for one in letters}
    failed = {
        partner: one.last_error_code
        for partner, one in record.deliveries.items()
        if one.state is State.FAILED and one.last_error_code not in BY_OPERATORS and not one.is_erased
    }
    failed |= {one.message_id: one.last_error_code for one in record.messages if one.state is MessageState.FAILED}
    if record.fetch is not None and record.fetch.state is FetchState.FAILED:
        failed["fetch"] = record.fetch.last_error_code
    for what in sorted(failed.keys() - explained):
        yield f"{what} failed without a dead letter: {failed[what]}"


@check
def dead_letters_are_explained(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Every dead letter has an existing lead, a step and a reason. Only publish and schedule have no lead."""
    for letter in snapshot.dead_letters:
        what = f"dead letter in {letter.queue}"
        if not letter.step or not letter.reason or letter.reason_code in {None, ErrorCode.DEAD_LETTER_INVALID}:
            yield letter.lead_id or letter.dead_letter_id, f"{what} with the reason {letter.reason}"
            continue
        named = letter.lead_ids or ((letter.lead_id,) if letter.lead_id is not None else ())
        if not named and letter.step not in {"publish", "schedule"}:
            yield letter.dead_letter_id, f"{what} without a lead"
        for lead_id in sorted(set(named) - snapshot.leads.keys()):
            yield lead_id, f"{what} for a lead that does not exist"


@check
def failures_are_explained(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """A function raises, or returns 5xx, only because of a fault; the final probe succeeds."""
    for (component, what), number in snapshot.failures.items():
        yield component, f"{what}, {number} times"


@check_deliveries
def rejected_leads_reach_the_next_partner(snapshot: Snapshot, record: LeadRecord, delivery: Delivery) -> Iterator[str]:
    """A lead that a partner rejected goes to the next partner that could accept it, until an operator chooses one."""
    rejections = [entry.at for entry in record.entries("rejected", partner=delivery.partner)]
    if record.is_erased or delivery.state is not State.REJECTED or not all(map(record.is_ruled_at, rejections)):
        return
    following = next_partner(record.ruled_lead, delivery.partner, NextOn.REJECTED, snapshot.partners)
    if following is not None and following not in record.deliveries:
        filled_in = record.corrected & (record.posted.unusable if record.posted is not None else frozenset())
        if not filled_in.intersection(snapshot.partners[following].requires):  # it lacked them at that time
            yield f"was rejected by {delivery.partner}, and has no delivery to {following}"


@check
def person_is_submitted_once(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Of two leads of one person, at most one was submitted automatically, by what was known at that time."""
    for values in snapshot.table:
        if values["sk"] == "CLAIM" and values["lead_id"] not in snapshot.leads:
            yield values["lead_id"], "has a claim, but no item"
    merging = {name for name, one in snapshot.sources.items() if one.dedup_days and one.on_repeat != "send"}
    sent: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for lead_id, record, delivery in snapshot.deliveries():
        is_counted = record.posted is not None and record.lead.source in merging and not delivery.is_erased
        if is_counted and delivery.state in SENT and not record.entries("retry_requested"):
            for path in ("person.phone", "person.tax_number"):
                known_by = record.lead.value(path)
                if known_by is not None and not _was_corrected_later(record, delivery.partner, path):
                    sent[delivery.partner, path, str(known_by)].append(lead_id)
    for (partner, path, _), lead_ids in sent.items():
        if len(lead_ids) > 1:
            yield ", ".join(sorted(lead_ids)), f"have the same {path}, and all were submitted to {partner}"


@check_deliveries
def repeats_name_a_submitted_lead(snapshot: Snapshot, _: LeadRecord, delivery: Delivery) -> Iterator[str]:
    """A repeat that was not submitted names a lead that the partner has or may have."""
    if delivery.state is State.DUPLICATE and delivery.repeat_of is not None and not delivery.is_erased:
        first = snapshot.leads.get(delivery.repeat_of)
        served = None if first is None else first.deliveries.get(delivery.partner)
        if served is None or served.state not in SENT:
            state = "missing" if served is None else served.state
            yield f"is a duplicate at {delivery.partner} of {delivery.repeat_of}, which is {state}"


@check
def quotas_count_every_lead(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Every lead of a source with a quota is counted before it is stored. A worker may die in between."""
    received = Counter(
        (one.lead.source, int(one.lead.received_at.timestamp()) // 60)
        for one in snapshot.leads.values()
        if one.lead.source in snapshot.sources and snapshot.sources[one.lead.source].per_minute
    )
    counted: Counter[tuple[str, int]] = Counter()
    for values in snapshot.table:
        if values["pk"].startswith("RATE#"):
            _, source, minute, _ = values["pk"].split("#")
            counted[source, int(minute)] += int(values["leads"])
    too_many = 0
    for source, number in sorted(received.keys() | counted.keys()):
        leads, count = received[source, number], counted[source, number]
        too_many += max(0, count - leads)
        if leads > count or (snapshot.faulted_posts is not None and too_many > snapshot.faulted_posts):
            yield source, f"{leads} leads, {count} counted in the minute of {number * 60}"


@check
def statistics_count_every_lead(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """What is counted of each lead is what its items have, and the counters add up to it."""
    yield from miscounted(snapshot.table) if snapshot.has_statistics else ()


def _contradictions(record: LeadRecord, delivery: Delivery) -> Iterator[str]:
    """Missing and impossible steps. An erasure has no entry, nor has a correction while the delivery waits."""
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
        edges = [edge for event in events for edge in DELIVERY.get(event, {}).items()]
        possible = {after for state, after in edges if state in before}
        if not possible:
            what = "which has no entry" if entry is None else entry.what
            yield f"version {number}, {what}, from {', '.join(sorted(before))}"
            return
    if delivery.state not in possible:
        yield f"it is {delivery.state}, and its timeline ends in {', '.join(sorted(possible))}"


def _events(entry: Entry) -> tuple[str, ...]:
    if entry.what == "resolved" and entry.data:
        return ("not_found" if entry.data.get("outcome") == "not_created" else "found",)
    return EVENTS.get(entry.what, (entry.what,))


def _was_corrected_later(record: LeadRecord, partner: str, path: str) -> bool:
    """Whether a field was corrected after the first attempt at a partner began."""
    attempts = [one.at for one in record.entries("submitting", partner=partner)]
    corrected = [one.at for one in record.entries("corrected") if path in one.data.get("fields", ())]
    return bool(attempts and corrected) and max(corrected) >= min(attempts)
