"""No lead is lost, each delivery reaches an end state, and its timeline explains it."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.fetch import FetchState
from leadbridge.domain.lead import find_missing_fields
from leadbridge.domain.message import UNSETTLED, MessageState
from leadbridge.domain.routing.fallback import DEFAULT_NEXT_ON, NextOn
from quality.chaos.checks.history import END_STATES, History
from quality.chaos.reconciliation import Snapshot, check
from quality.chaos.records import LeadRecord

BY_OPERATORS = {None, ErrorCode.ERASED, ErrorCode.NOT_CREATED}  # failures without a dead letter
MOVING = frozenset({State.RECEIVED, State.SUBMITTING, State.SUBMITTED})
SENT = frozenset({State.SUBMITTED, State.CLOSED, State.UNKNOWN})
INDEXES = (("due_shard", "due_at"), ("follow_shard", "followed_since"))


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
        has_none = record.is_erased or (record.fetch is not None and record.fetch.state is not FetchState.FETCHED)
        if set(record.deliveries) != set(record.lead.partners) and not has_none:
            deliveries = ", ".join(record.deliveries) or "none"
            yield lead_id, f"is for {', '.join(record.lead.partners)}; its deliveries: {deliveries}"
        if record.fetch is not None and record.fetch.state is FetchState.PENDING:
            yield lead_id, "has a pending fetch"
    for lead_id, _, delivery in snapshot.deliveries():
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
    for lead_id, record, delivery in snapshot.deliveries():
        history, corrections = History.of(record.timeline, delivery.partner), len(record.entries("corrected"))
        for what in history.contradictions(delivery, corrections):
            yield lead_id, f"{delivery.partner}: {what}"


@check
def due_index_is_consistent(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """The indexes have everything that waits or whose status is followed, and nothing else."""
    for lead_id, _, delivery in snapshot.deliveries():
        what = f"{delivery.partner} is {delivery.state}{' and erased' * delivery.is_erased}"
        is_due, is_followed = delivery.due_at is not None, delivery.followed_since is not None
        if is_due and (delivery.state not in MOVING or delivery.is_erased):
            yield lead_id, f"{what}, and due"
        if is_followed and (delivery.state is not State.SUBMITTED or delivery.is_erased):
            yield lead_id, f"{what}, and followed"
        if not is_due and delivery.state in MOVING - {State.SUBMITTED}:
            yield lead_id, f"{what}, and not due"
    for lead_id, record in snapshot.leads.items():
        for message in record.messages:
            if (message.due_at is not None) != (message.state in UNSETTLED):
                yield lead_id, f"the message {message.message_id} is {message.state}, and due {message.due_at}"
        if record.fetch is not None and (record.fetch.due_at is not None) != (record.fetch.state is FetchState.PENDING):
            yield lead_id, f"its fetch is {record.fetch.state}, and due {record.fetch.due_at}"
    for values in snapshot.table:
        for keys in INDEXES:
            if len(values.keys() & set(keys)) == 1:
                yield values["pk"], f"{values['sk']} has only one of {' and '.join(keys)}"


@check
def failures_have_a_dead_letter(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """A delivery, message or fetch that failed without an operator's action has a dead letter."""
    explained = {(one.lead_id, one.message_id or one.partner or one.step) for one in snapshot.dead_letters}
    for lead_id, record in snapshot.leads.items():
        failed = {
            partner: one.last_error_code
            for partner, one in record.deliveries.items()
            if one.state is State.FAILED and one.last_error_code not in BY_OPERATORS and not one.is_erased
        }
        for message in record.messages:
            if message.state is MessageState.FAILED:
                failed[message.message_id] = message.last_error_code
        if record.fetch is not None and record.fetch.state is FetchState.FAILED:
            failed["fetch"] = record.fetch.last_error_code
        for what, error_code in failed.items():
            if (lead_id, what) not in explained:
                yield lead_id, f"{what} failed without a dead letter: {error_code}"


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
        for lead_id in named:
            if lead_id not in snapshot.leads:
                yield lead_id, f"{what} for a lead that does not exist"


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
    for lead_id, record, delivery in snapshot.deliveries():
        rejections = [entry.at for entry in record.entries("rejected", partner=delivery.partner)]
        if record.is_erased or (rejections and not snapshot.orders[lead_id].is_valid_at(max(rejections))):
            continue
        following = _next_partner(snapshot, record, delivery.partner)
        posted = snapshot.people_by_lead.get(lead_id)
        filled_in = record.corrected & posted.unusable if posted is not None else frozenset[str]()
        next_one = snapshot.partners.get(following or "")
        if next_one is not None and filled_in.intersection(next_one.requires):
            continue
        if delivery.state is State.REJECTED and following is not None and following not in record.deliveries:
            yield lead_id, f"was rejected by {delivery.partner}, and has no delivery to {following}"


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
    for lead_id, record, delivery in snapshot.deliveries():
        is_counted = lead_id in snapshot.people_by_lead and record.lead.source in snapshot.dedup_sources
        if not is_counted or not _was_sent(delivery) or delivery.is_erased or record.entries("retry_requested"):
            continue
        for path in ("person.phone", "person.tax_number"):
            known_by = record.lead.value(path)
            if known_by is not None and not _was_corrected_later(record, delivery.partner, path):
                sent[delivery.partner, path, str(known_by)].append(lead_id)
    for (partner, path, _), lead_ids in sent.items():
        if len(lead_ids) > 1:
            yield ", ".join(sorted(lead_ids)), f"have the same {path}, and all were submitted to {partner}"


@check
def repeats_name_a_submitted_lead(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """A repeat that was not submitted names a lead that the partner has or may have."""
    for lead_id, _, delivery in snapshot.deliveries():
        if delivery.state is State.DUPLICATE and delivery.repeat_of is not None and not delivery.is_erased:
            first = snapshot.leads.get(delivery.repeat_of)
            served = None if first is None else first.deliveries.get(delivery.partner)
            if served is None or not _was_sent(served):
                state = "missing" if served is None else served.state
                yield lead_id, f"is a duplicate at {delivery.partner} of {delivery.repeat_of}, which is {state}"


@check
def quotas_count_every_lead(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Every lead of a source with a quota is counted. The excess is at most the number of workers with a fault.

    Each lead is counted before it is stored, and a worker may die in between.
    """
    received = Counter(
        (record.lead.source, int(record.lead.received_at.timestamp()) // 60)
        for record in snapshot.leads.values()
        if record.lead.source in snapshot.counted_sources
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


def _next_partner(snapshot: Snapshot, record: LeadRecord, partner: str) -> str | None:
    """The next partner in a lead's order whose required fields the lead has; None if the rule has no rejections."""
    order = snapshot.orders[record.lead.lead_id]
    outcomes = order.next_on.get(partner, DEFAULT_NEXT_ON)
    if NextOn.REJECTED not in outcomes:
        return None
    found = order.fallbacks.get(partner)
    for _ in order.fallbacks:
        one = snapshot.partners.get(found or "")
        if found is None or one is None or not find_missing_fields(record.lead, one):
            break
        if NextOn.MISSING_FIELDS not in outcomes:
            return None
        found = order.fallbacks.get(found)
    return found


def _was_corrected_later(record: LeadRecord, partner: str, path: str) -> bool:
    """Whether a field was corrected after the first attempt at a partner began."""
    attempts = [one.at for one in record.entries("submitting", partner=partner)]
    corrected = [one.at for one in record.entries("corrected") if path in one.data.get("fields", ())]
    return bool(attempts and corrected) and max(corrected) >= min(attempts)


def _was_sent(delivery: Delivery) -> bool:
    return delivery.state in SENT
