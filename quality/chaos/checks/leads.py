"""No lead is lost, each delivery reaches an end state, and its timeline explains it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from leadbridge.domain.clock import from_text
from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.fetch import FetchState
from leadbridge.domain.lead import find_missing_fields
from leadbridge.domain.message import UNSETTLED, MessageState
from leadbridge.domain.routing.fallback import DEFAULT_NEXT_ON, NextOn
from leadbridge.domain.timeline import Entry
from quality.chaos.checks.history import END_STATES, History
from quality.chaos.reconciliation import LeadRecord, Snapshot, check

BY_OPERATORS = {None, ErrorCode.ERASED, ErrorCode.NOT_CREATED}  # failures without a dead letter
MOVING = frozenset({State.RECEIVED, State.SUBMITTING, State.SUBMITTED})


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


@check
def deliveries_reach_an_end_state(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Each lead has one delivery for each of its partners, in an end state, or a fetch that ended without one.

    A repeat may wait while the first lead is unknown, and over the deployed stack a lead for the next hour of a cap.
    """
    for lead_id, record in snapshot.leads.items():
        has_none = record.fetch is not None and record.fetch.state is not FetchState.FETCHED
        if set(record.deliveries) != set(record.lead.partners) and not has_none and record.lead.erased_at is None:
            deliveries = ", ".join(record.deliveries) or "none"
            yield lead_id, f"is for {', '.join(record.lead.partners)}; its deliveries: {deliveries}"
        if record.fetch is not None and record.fetch.state is FetchState.PENDING:
            yield lead_id, "has a pending fetch"
        for delivery in record.deliveries.values():
            if delivery.state not in END_STATES and not snapshot.may_remain(delivery):
                yield lead_id, f"is {delivery.state} at {delivery.partner}"


@check
def nothing_is_in_transit(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """All queues are empty, and no message is pending or being sent."""
    for queue, number in snapshot.queue_sizes.items():
        if number:
            yield queue, f"has {number} messages"
    for lead_id, record in snapshot.leads.items():
        for message in record.messages:
            if message.state in UNSETTLED:
                yield lead_id, f"the message {message.message_id} is {message.state}"


@check
def timelines_have_no_gaps(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """A delivery's version increases by one with each timeline entry, by allowed steps, to its present state."""
    yield from snapshot.overwritten
    for lead_id, record in snapshot.leads.items():
        for partner, delivery in record.deliveries.items():
            history = History.of(record.timeline, partner)
            found = history.contradictions(
                State.RECEIVED,
                delivery.state,
                delivery.version,
                is_erased=delivery.is_erased,
                corrections=sum(entry.what == "corrected" for entry in record.timeline.values()),
            )
            for what in found:
                yield lead_id, f"{partner}: {what}"


@check
def due_index_is_consistent(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """The indexes have everything that waits or whose status is followed, and nothing else."""
    for lead_id, record in snapshot.leads.items():
        for partner, delivery in record.deliveries.items():
            is_due = delivery.due_at is not None
            if is_due and (delivery.state not in MOVING or delivery.is_erased):
                yield lead_id, f"{partner} is {delivery.state}{' and erased' * delivery.is_erased}, and due"
            if delivery.followed_since is not None and (delivery.state is not State.SUBMITTED or delivery.is_erased):
                yield lead_id, f"{partner} is {delivery.state}{' and erased' * delivery.is_erased}, and followed"
            if not is_due and delivery.state in MOVING - {State.SUBMITTED}:
                yield lead_id, f"{partner} is {delivery.state}, and not due"
        for message in record.messages:
            if (message.due_at is not None) != (message.state in UNSETTLED):
                yield lead_id, f"the message {message.message_id} is {message.state}, and due {message.due_at}"
        if record.fetch is not None and (record.fetch.due_at is not None) != (record.fetch.state is FetchState.PENDING):
            yield lead_id, f"its fetch is {record.fetch.state}, and due {record.fetch.due_at}"
    for values in snapshot.table:
        for hash_key, sort_key in (("due_shard", "due_at"), ("follow_shard", "followed_since")):
            if (hash_key in values) != (sort_key in values):
                yield values["pk"], f"{values['sk']} has only one of {hash_key} and {sort_key}"


@check
def failures_have_a_dead_letter(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """A delivery, message or fetch that failed without an operator's action has a dead letter."""
    explained = {
        (letter.lead_id, letter.message_id or letter.partner or letter.step) for letter in snapshot.dead_letters
    }
    for lead_id, record in snapshot.leads.items():
        for partner, delivery in record.deliveries.items():
            is_automatic = delivery.state is State.FAILED and delivery.last_error_code not in BY_OPERATORS
            if is_automatic and not delivery.is_erased and (lead_id, partner) not in explained:
                yield lead_id, f"failed at {partner} without a dead letter: {delivery.last_error_code}"
        for message in record.messages:
            if message.state is MessageState.FAILED and (lead_id, message.message_id) not in explained:
                yield (
                    lead_id,
                    f"the message {message.message_id} failed without a dead letter: {message.last_error_code}",
                )
        if record.fetch is not None and record.fetch.state is FetchState.FAILED and (lead_id, "fetch") not in explained:
            yield lead_id, f"its fetch failed without a dead letter: {record.fetch.last_error_code}"


@check
def dead_letters_are_explained(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Every dead letter has an existing lead, a step and a reason. Only publish and schedule have no lead."""
    for letter in snapshot.dead_letters:
        if not letter.step or not letter.reason or letter.reason_code in {None, ErrorCode.DEAD_LETTER_INVALID}:
            yield (
                letter.lead_id or letter.dead_letter_id,
                f"dead letter in {letter.queue} with the reason {letter.reason}",
            )
            continue
        named = letter.lead_ids or ((letter.lead_id,) if letter.lead_id is not None else ())
        if not named and letter.step not in {"publish", "schedule"}:
            yield letter.dead_letter_id, f"dead letter in {letter.queue} without a lead"
        for lead_id in named:
            if lead_id not in snapshot.leads:
                yield lead_id, f"dead letter in {letter.queue} for a lead that does not exist"


@check
def failures_are_explained(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """A function raises, or returns 5xx, only because of a fault; the final probe succeeds."""
    for (component, what), number in snapshot.failures.items():
        yield component, f"{what}, {number} times"


@check
def rejected_leads_reach_the_next_partner(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """A lead that a partner rejected, or that lacks its fields, goes to the next partner that can accept it.

    A partner whose required fields an operator filled in later may not have been able to accept it at that time. After
    an operator has chosen a partner, none is next.
    """
    for lead_id, record in snapshot.leads.items():
        if record.lead.erased_at is not None:
            continue
        for partner, delivery in record.deliveries.items():
            rejections = [entry.at for entry in record.timeline.values() if _is_rejection(entry, partner)]
            if rejections and not snapshot.orders[lead_id].is_valid_at(max(rejections)):
                continue
            following = _next_partner(snapshot, record, partner)
            posted = snapshot.people_by_lead.get(lead_id)
            filled_in = record.corrected & posted.unusable if posted is not None else frozenset[str]()
            next_one = snapshot.partners.get(following or "")
            if next_one is not None and filled_in.intersection(next_one.requires):
                continue
            if delivery.state is State.REJECTED and following is not None and following not in record.deliveries:
                yield lead_id, f"was rejected by {partner}, and has no delivery to {following}"


@check
def person_is_submitted_once(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Of two leads of a person that count as one, at most one was submitted automatically.

    The same phone or the same tax number is the same person. Claims belong to existing leads. Erased people are not
    recognized, and operators may submit any lead. What was corrected after the attempt was not known at that time.
    """
    for values in snapshot.table:
        if values["sk"] == "CLAIM" and values["lead_id"] not in snapshot.leads:
            yield values["lead_id"], "has a claim, but no item"
    sent: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for lead_id in snapshot.people_by_lead:
        record = snapshot.leads.get(lead_id)
        if record is None or record.lead.source not in snapshot.dedup_sources:
            continue
        for partner, delivery in record.deliveries.items():
            by_operator = any(one.what == "retry_requested" for one in record.timeline.values())
            if _was_sent(delivery) and not delivery.is_erased and not by_operator:
                for kind, path in (("phone", "person.phone"), ("tax number", "person.tax_number")):
                    known_by = record.lead.value(path)
                    if known_by is not None and not _was_corrected_later(record, partner, path):
                        sent[partner, kind, str(known_by)].append(lead_id)
    for (partner, known_by, _), lead_ids in sent.items():
        if len(lead_ids) > 1:
            yield ", ".join(sorted(lead_ids)), f"have the same {known_by}, and all were submitted to {partner}"


@check
def repeats_name_a_submitted_lead(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """A repeat that was not submitted names a lead that the partner has or may have."""
    for lead_id, record in snapshot.leads.items():
        for partner, delivery in record.deliveries.items():
            if delivery.state is not State.DUPLICATE or delivery.repeat_of is None or delivery.is_erased:
                continue
            first = snapshot.leads.get(delivery.repeat_of)
            served = None if first is None else first.deliveries.get(partner)
            if served is None or not _was_sent(served):
                state = "missing" if served is None else served.state
                yield lead_id, f"is a duplicate at {partner} of {delivery.repeat_of}, which is {state}"


@check
def quotas_count_every_lead(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Every lead of a source with a quota is counted. The excess is at most the number of workers with a fault.

    Each lead is counted before it is stored, and a worker may die in between.
    """
    received: Counter[tuple[str, int]] = Counter()
    for record in snapshot.leads.values():
        if record.lead.source in snapshot.counted_sources:
            received[record.lead.source, int(record.lead.received_at.timestamp()) // 60] += 1
    counted: Counter[tuple[str, int]] = Counter()
    for values in snapshot.table:
        if values["pk"].startswith("RATE#"):
            _, source, minute, _ = values["pk"].split("#")
            counted[source, int(minute)] += int(values["leads"])
    too_many = 0
    for source, minute in sorted(received.keys() | counted.keys()):
        at = from_text("1970-01-01T00:00:00Z").timestamp() + minute * 60
        words = f"{received[source, minute]} leads, {counted[source, minute]} counted in the minute of {at:g}"
        if received[source, minute] > counted[source, minute]:
            yield source, words
        too_many += max(0, counted[source, minute] - received[source, minute])
        if snapshot.faulted_posts is not None and too_many > snapshot.faulted_posts:
            yield source, words


def _next_partner(snapshot: Snapshot, record: LeadRecord, partner: str) -> str | None:
    """The next partner in a lead's order whose required fields the lead has; None if the rule has no rejections."""
    order = snapshot.orders[record.lead.lead_id]
    outcomes = order.next_on.get(partner, DEFAULT_NEXT_ON)
    if NextOn.REJECTED not in outcomes:
        return None
    found = order.fallbacks.get(partner)
    for _ in order.fallbacks:
        if (
            found is None
            or found not in snapshot.partners
            or not find_missing_fields(record.lead, snapshot.partners[found])
        ):
            break
        if NextOn.MISSING_FIELDS not in outcomes:
            return None
        found = order.fallbacks.get(found)
    return found


def _is_rejection(entry: Entry, partner: str) -> bool:
    return entry.what == "rejected" and entry.partner == partner


def _was_corrected_later(record: LeadRecord, partner: str, path: str) -> bool:
    """Whether a field was corrected after the first attempt at a partner began."""
    attempts = [one.at for one in record.timeline.values() if one.what == "submitting" and one.partner == partner]
    corrected = [
        one.at for one in record.timeline.values() if one.what == "corrected" and path in one.data.get("fields", ())
    ]
    return bool(attempts and corrected) and max(corrected) >= min(attempts)


def _was_sent(delivery: Delivery) -> bool:
    return delivery.state in {State.SUBMITTED, State.CLOSED, State.UNKNOWN}
