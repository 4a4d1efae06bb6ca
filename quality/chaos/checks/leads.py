"""No lead is lost, each stands in one end state, and its timeline tells how it came there."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from leadbridge.domain.clock import from_text
from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.fetch import FetchState
from leadbridge.domain.lead import find_missing_fields
from leadbridge.domain.message import UNSETTLED, MessageState
from quality.chaos.checks.history import ENDS, History
from quality.chaos.reconciliation import Books, File, check

BY_OPERATORS = {None, ErrorCode.ERASED, ErrorCode.NOT_CREATED}  # why a delivery failed without a dead letter
MOVING = frozenset({State.RECEIVED, State.SUBMITTING, State.SUBMITTED})


@check
def accepted_leads_are_there(books: Books) -> Iterator[tuple[str, str]]:
    """Whatever a form was told is accepted stands in the table, or its tombstone does; one post is one lead."""
    told: dict[str, set[str]] = defaultdict(set)
    for posted in books.posted:
        told[posted.post_id].add(posted.lead_id)
        if posted.lead_id not in books.files:
            yield posted.lead_id, "was accepted and is not in the table"
    for post_id, lead_ids in told.items():
        if len(lead_ids) > 1:
            yield ", ".join(sorted(lead_ids)), f"are several leads of one post, {post_id}"


@check
def every_delivery_has_ended(books: Books) -> Iterator[tuple[str, str]]:
    """Each lead has one delivery for each of its partners, in an end state, or a fetch that ended without any.

    A repeat may wait for ever while the first lead is unknown.
    """
    for lead_id, file in books.files.items():
        has_none = file.fetch is not None and file.fetch.state is not FetchState.FETCHED
        if set(file.deliveries) != set(file.lead.partners) and not has_none and file.lead.erased_at is None:
            yield lead_id, f"goes to {', '.join(file.lead.partners)} and has {', '.join(file.deliveries) or 'nothing'}"
        if file.fetch is not None and file.fetch.state is FetchState.PENDING:
            yield lead_id, "is still to be fetched"
        for delivery in file.deliveries.values():
            if delivery.state not in ENDS and not books.waits_for_ever(delivery):
                yield lead_id, f"is {delivery.state} at {delivery.partner}"


@check
def nothing_is_in_flight(books: Books) -> Iterator[tuple[str, str]]:
    """No queue holds anything, and no message waits or is being sent."""
    for queue, number in books.waiting.items():
        if number:
            yield queue, f"holds {number}"
    for lead_id, file in books.files.items():
        for message in file.messages:
            if message.state in UNSETTLED:
                yield lead_id, f"the message {message.message_id} is {message.state}"


@check
def timelines_have_no_gaps(books: Books) -> Iterator[tuple[str, str]]:
    """A delivery's version grows by one with each entry of its timeline, by allowed steps, to the state it is in."""
    for lead_id, file in books.files.items():
        for partner, delivery in file.deliveries.items():
            history = History.of(file.steps, partner)
            first = State.REJECTED if _was_never_sent(delivery, file.fetch is not None) else State.RECEIVED
            found = history.contradictions(first, delivery.state, delivery.version, is_erased=delivery.is_erased)
            for what in found:
                yield lead_id, f"{partner}: {what}"


@check
def the_index_holds_what_can_move(books: Books) -> Iterator[tuple[str, str]]:
    """`due` has no delivery, message or fetch that rests, and everything that waits or is followed has its moment."""
    for lead_id, file in books.files.items():
        for partner, delivery in file.deliveries.items():
            is_due = delivery.due_at is not None
            if is_due and (delivery.state not in MOVING or delivery.is_erased):
                yield lead_id, f"{partner} is {delivery.state}{' and erased' * delivery.is_erased}, and yet due"
            if not is_due and delivery.state in MOVING - {State.SUBMITTED}:
                yield lead_id, f"{partner} is {delivery.state}, and never looked at again"
        for message in file.messages:
            if (message.due_at is not None) != (message.state in UNSETTLED):
                yield lead_id, f"the message {message.message_id} is {message.state}, and due {message.due_at}"
        if file.fetch is not None and (file.fetch.due_at is not None) != (file.fetch.state is FetchState.PENDING):
            yield lead_id, f"its fetch is {file.fetch.state}, and due {file.fetch.due_at}"
    for values in books.table:
        if ("due_partner" in values) != ("due_at" in values):
            yield values["pk"], f"{values['sk']} stands in the index by half"


@check
def failures_have_their_letter(books: Books) -> Iterator[tuple[str, str]]:
    """A delivery, message or fetch that failed by itself stands in a dead-letter queue, where an operator finds it."""
    told = {(letter.lead_id, letter.message_id or letter.partner or letter.step) for letter in books.letters}
    for lead_id, file in books.files.items():
        for partner, delivery in file.deliveries.items():
            by_itself = delivery.state is State.FAILED and delivery.last_error_code not in BY_OPERATORS
            if by_itself and not delivery.is_erased and (lead_id, partner) not in told:
                yield lead_id, f"failed at {partner}, and no letter tells: {delivery.last_error_code}"
        for message in file.messages:
            if message.state is MessageState.FAILED and (lead_id, message.message_id) not in told:
                yield lead_id, f"the message {message.message_id} failed without a letter: {message.last_error_code}"
        if file.fetch is not None and file.fetch.state is FetchState.FAILED and (lead_id, "fetch") not in told:
            yield lead_id, f"could not be fetched, and no letter tells: {file.fetch.last_error_code}"


@check
def letters_are_explained(books: Books) -> Iterator[tuple[str, str]]:
    """Every dead letter names a lead that is there, the step and the reason; a change not announced names its step."""
    for letter in books.letters:
        if not letter.step or not letter.reason or letter.reason_code in {None, ErrorCode.DEAD_LETTER_INVALID}:
            yield (
                letter.lead_id or letter.dead_letter_id,
                f"a letter in {letter.queue} says {letter.reason or 'nothing'}",
            )
        elif letter.lead_id is None and letter.step not in {"publish", "schedule"}:
            yield letter.dead_letter_id, f"a letter in {letter.queue} names no lead"
        elif letter.lead_id is not None and letter.lead_id not in books.files:
            yield letter.lead_id, f"a letter in {letter.queue} names a lead that is not there"


@check
def failures_have_a_cause(books: Books) -> Iterator[tuple[str, str]]:
    """A function raises, or answers 5xx, only where this run struck it; in calm every question is answered."""
    for (who, what), number in books.failures.items():
        yield who, f"{what}, {number} times"


@check
def refused_leads_reach_the_next_partner(books: Books) -> Iterator[tuple[str, str]]:
    """A lead that a partner rejected goes to the next one in its order that can take it; one that lacks fields, too."""
    for lead_id, file in books.files.items():
        if file.lead.erased_at is not None:
            continue
        for partner, delivery in file.deliveries.items():
            following = _next_partner(books, file, partner)
            if delivery.state is State.REJECTED and following is not None and following not in file.deliveries:
                yield lead_id, f"was rejected by {partner}, and never opened for {following}"


@check
def a_person_is_sent_once(books: Books) -> Iterator[tuple[str, str]]:
    """Of two leads of a person that are to count as one, at most one was sent by itself.

    A person is known by the phone and by the tax number. A claim belongs to a lead that is there. Whoever was erased is
    not known again, and an operator may have sent what he likes.
    """
    for values in books.table:
        if values["sk"] == "CLAIM" and values["lead_id"] not in books.files:
            yield values["lead_id"], "has a claim, and is not in the table"
    sent: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for lead_id, posted in books.who.items():
        file = books.files.get(lead_id)
        if file is None or file.lead.source not in books.dedup_sources:
            continue
        for partner, delivery in file.deliveries.items():
            by_hand = any(one.what == "retry_requested" for one in file.steps.values())
            if _was_sent(delivery) and not delivery.is_erased and not by_hand:
                sent[partner, "phone", posted.phone].append(lead_id)
                sent[partner, "tax number", posted.tax_number or lead_id].append(lead_id)
    for (partner, known_by, _), lead_ids in sent.items():
        if len(lead_ids) > 1:
            yield ", ".join(sorted(lead_ids)), f"are of one {known_by}, and all were sent to {partner}"


@check
def repeats_have_a_lead_that_was_served(books: Books) -> Iterator[tuple[str, str]]:
    """A lead that was not sent because its person came before names a lead that the partner has or may have."""
    for lead_id, file in books.files.items():
        for partner, delivery in file.deliveries.items():
            if delivery.state is not State.DUPLICATE or delivery.repeat_of is None or delivery.is_erased:
                continue
            first = books.files.get(delivery.repeat_of)
            served = None if first is None else first.deliveries.get(partner)
            if served is None or not _was_sent(served):
                state = "gone" if served is None else served.state
                yield lead_id, f"is a duplicate at {partner} of {delivery.repeat_of}, which is {state}"


@check
def quotas_count_every_lead(books: Books) -> Iterator[tuple[str, str]]:
    """No lead of a source with a quota is stored uncounted; the count is higher by workers that were struck at most.

    Each lead is counted before it is stored, and a worker may die in between.
    """
    came: Counter[tuple[str, int]] = Counter()
    for file in books.files.values():
        if file.lead.source in books.counted_sources:
            came[file.lead.source, int(file.lead.received_at.timestamp()) // 60] += 1
    counted: Counter[tuple[str, int]] = Counter()
    for values in books.table:
        if values["pk"].startswith("RATE#"):
            _, source, minute, _ = values["pk"].split("#")
            counted[source, int(minute)] += int(values["leads"])
    too_many = 0
    for source, minute in sorted(came.keys() | counted.keys()):
        at = from_text("1970-01-01T00:00:00Z").timestamp() + minute * 60
        words = f"brought {came[source, minute]} and counts {counted[source, minute]} in the minute of {at:g}"
        if came[source, minute] > counted[source, minute]:
            yield source, words
        too_many += max(0, counted[source, minute] - came[source, minute])
        if books.struck_posts is not None and too_many > books.struck_posts:
            yield source, words


def _next_partner(books: Books, file: File, partner: str) -> str | None:
    """The next partner in a lead's order that has all it requires of the lead."""
    found = file.lead.fallbacks.get(partner)
    for _ in file.lead.fallbacks:
        if found is None or found not in books.partners or not find_missing_fields(file.lead, books.partners[found]):
            break
        found = file.lead.fallbacks.get(found)
    return found


def _was_never_sent(delivery: Delivery, was_fetched: bool) -> bool:
    """A fetched lead that its partner cannot have is rejected from its first moment."""
    return was_fetched and delivery.attempts == 0 and delivery.last_error_code == ErrorCode.MISSING_FIELDS


def _was_sent(delivery: Delivery) -> bool:
    return delivery.state in {State.SUBMITTED, State.CLOSED, State.UNKNOWN}
