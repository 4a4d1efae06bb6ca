"""Partners have each lead once, in the order of its rules, within their caps, and nothing that no delivery knows."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from math import sqrt
from typing import Any
from zoneinfo import ZoneInfo

from devstack.partners import partner_profiles
from devstack.sandbox.profile import REFUSED_STATUS
from leadbridge.domain.admission import TOTAL
from leadbridge.domain.clock import from_text
from leadbridge.domain.delivery import State
from leadbridge.domain.routing.weights import person_of
from leadbridge.settings import Partner
from quality.chaos.checks.history import History
from quality.chaos.reconciliation import Snapshot, check
from quality.chaos.records import ADDED

SUBMITTED = frozenset({State.SUBMITTED, State.CLOSED})
CLOCK_DIFFERENCE = timedelta(seconds=1)  # between the partner's log and the timeline
REFUSED = ("rejected", "duplicate", "skipped")  # steps after which another partner may get the lead
MILLISECOND = timedelta(milliseconds=1)
DEVIATIONS = 5  # standard deviations by which the share of a partner may differ from its weight


@check
def leads_are_created_once(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """A partner's log has at most one successful create for each attempted lead, and one for each confirmed retry."""
    created = Counter((call["partner"], tuple(lead_ids)) for call, lead_ids in snapshot.created_calls)
    for (partner, lead_ids), number in created.items():
        allowed = sum(_may_be_created(snapshot, lead_id, partner) for lead_id in lead_ids)
        if number > allowed:
            yield ", ".join(lead_ids) or partner, f"{partner} created {number}, allowed are {allowed}"


@check
def answers_are_recorded(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """No delivery is unknown if a worker received a clear answer to the last create.

    A dead letter may hold the answer until it is redriven.
    """
    calls = {(call["partner"], call["number"]): call for call in snapshot.calls}
    held = {(letter.lead_id, letter.partner) for letter in snapshot.dead_letters if letter.step == "record_answer"}
    last = {(one.lead_id, one.partner): one for one in sorted(snapshot.creates, key=lambda one: one.number)}
    for lead_id, record, delivery in snapshot.deliveries():
        create = last.get((lead_id, delivery.partner))
        if create is None or delivery.state is not State.UNKNOWN or delivery.is_erased:
            continue
        call = calls.get((create.partner, create.number), {})
        answer = _clear_answer(call)
        recorded = record.entries("submitted", "rejected", partner=create.partner)
        if answer is not None and "at" in call:
            called_at = from_text(call["at"]) - CLOCK_DIFFERENCE
            if any(step.at >= called_at for step in recorded):
                continue  # the worker of a later attempt died before its create call
        if create.is_answered and answer is not None and (lead_id, create.partner) not in held:
            yield lead_id, f"is unknown at {create.partner}, which answered: {answer}"


@check
def submitted_leads_exist_at_partner(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Every submitted or closed delivery has an id that exists at the partner, for the same person."""
    for lead_id, _, delivery in snapshot.deliveries():
        if delivery.state not in SUBMITTED or delivery.is_erased:
            continue
        found = snapshot.partner_record_of(delivery)
        what = f"is {delivery.state} as {delivery.created} at {delivery.partner}"
        if found is None:
            yield lead_id, f"{what}, which does not have it"
        elif lead_id not in snapshot.leads_of(**found.person):
            yield lead_id, f"{what}, which belongs to another person"


@check
def partner_records_are_known(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Every record of a partner belongs to a delivery, or its lead is unknown, erased, or retried by a person."""
    known = {(delivery.partner, delivery.created) for _, _, delivery in snapshot.deliveries()}
    for one in snapshot.partner_records:
        if one.is_registered and (one.partner, one.id) not in known:
            lead_ids = snapshot.leads_of(**one.person)
            if not any(_is_uncertain(snapshot, lead_id, one.partner) for lead_id in lead_ids):
                yield ", ".join(lead_ids) or "no lead", f"{one.id} at {one.partner} belongs to no delivery"


@check
def last_status_is_known(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """The present status at the partner is the status of the delivery."""
    for lead_id, _, delivery in snapshot.deliveries():
        found = snapshot.partner_record_of(delivery)
        status = None if found is None else found.status
        if delivery.state in SUBMITTED and status not in {None, delivery.partner_status}:
            yield lead_id, f"is {delivery.partner_status} here and {status} at {delivery.partner}"


@check
def next_partners_follow_a_refusal(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """A refusal of the partner before it opened each further partner of a lead. A lost reply never does."""
    for lead_id, record in snapshot.kept_leads():
        order, opened = snapshot.orders[lead_id], record.entries("fallback")
        refusals = {(entry.partner, entry.data.get("next_partner"), entry.at) for entry in record.entries(*REFUSED)}
        for entry in opened:
            if (entry.data.get("previous_partner"), entry.partner, entry.at) not in refusals:
                yield lead_id, f"{entry.partner} got it after {entry.data}, which is no refusal"
        further = record.deliveries.keys() - order.first - order.added - {entry.partner for entry in opened}
        passed_over = set(order.fallbacks.values())  # first because those before it could not accept the lead
        if further - passed_over or len(further) > len(order.first):
            yield lead_id, f"has deliveries to {', '.join(sorted(further))}, and nothing says why"


@check
def one_partner_of_an_order_has_the_lead(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """All partners of an order together created a lead once, and once more for each retry by an operator.

    Afterwards each partner that an operator chose with a confirmation may create it, too. Without one, none that may
    have the lead is left. Only leads whose phone and e-mail no other lead has: a partner's log has the person, and not
    the lead.
    """
    created: dict[str, list[datetime | None]] = defaultdict(list)
    for call, lead_ids in snapshot.created_calls:
        if len(lead_ids) == 1:
            created[lead_ids[0]].append(from_text(call["at"]) if "at" in call else None)
    for lead_id, record in snapshot.kept_leads():
        order, moments = snapshot.orders[lead_id], created.get(lead_id, [])
        retries = [entry.at for entry in record.entries("retry_requested")]
        before = [at for at in moments if at is not None and order.ended_at is not None and at < order.ended_at]
        retried_before = [at for at in retries if order.is_valid_at(at)]
        names, first = ", ".join(record.deliveries), max(1, len(order.first))  # an operator may choose the first one
        if len(before) > first + len(retried_before):
            yield lead_id, f"{names} created it {len(before)} times before an operator chose a further partner"
        if len(moments) > first + len(retries) + len(order.confirmed):
            also = f", and for {len(order.confirmed)} partners that were confirmed" if order.confirmed else ""
            yield lead_id, f"{names} created it {len(moments)} times, after {len(retries)} retries{also}"


@check
def operators_choose_the_partner(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """A lead that an operator gave to a partner has a delivery to it, and no rule passes it on from then on."""
    for one in snapshot.added_partners:
        record = snapshot.leads.get(one.lead_id)
        if one.status == ADDED and (record is None or one.partner not in record.deliveries):
            yield one.lead_id, f"was given to {one.partner}, and has no delivery to it"
    for lead_id, record in snapshot.leads.items():
        ended_at = snapshot.orders[lead_id].ended_at
        for entry in record.entries("fallback"):
            if ended_at is not None and entry.at > ended_at:
                yield lead_id, f"was passed on to {entry.partner} after an operator had chosen a partner"


@check
def weights_decide_on_the_first_partner(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """The same person always gets the same order, and each partner is the first one for its share of the people."""
    people: dict[tuple[str, str], set[str]] = defaultdict(set)
    for lead_id, record in snapshot.kept_leads():
        route = snapshot.routes.get(record.lead.source)
        person = person_of(record.lead.value)
        is_known = not record.is_incomplete and "person.phone" not in record.corrected
        if route is not None and len(route.weights) == 1 and route.weights[0] and is_known and person:
            people[record.lead.source, person] |= snapshot.orders[lead_id].first
    firsts: dict[str, Counter[str]] = defaultdict(Counter)
    for (source, person), found in people.items():
        if len(found) > 1:
            yield source, f"{person} gets {', '.join(sorted(found))} first"
        firsts[source].update(found)
    for source, chosen in firsts.items():
        (weights,) = snapshot.routes[source].weights
        number, total = chosen.total(), sum(weights.values())
        for partner, weight in weights.items():
            share, count = weight / total, chosen[partner]
            if abs(count - number * share) > DEVIATIONS * sqrt(number * share * (1 - share)) + 1:
                yield source, f"{partner} is first for {count} of {number} people, its share is {share:.0%}"


@check
def paused_partners_get_no_leads(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """A partner gets no create call during a pause, except from a worker that had begun before it."""
    for pause in snapshot.pauses:
        if pause.since is None or pause.until is None:
            continue
        for call in snapshot.calls:
            at = from_text(call["at"]) if "at" in call else pause.since
            ended = pause.until - MILLISECOND  # the partner's log cuts its times to milliseconds
            if call["partner"] == pause.partner and pause.since + snapshot.send_window < at < ended:
                yield pause.partner, f"got a create call at {at}, and was paused from {pause.since} to {pause.until}"


@check
def caps_are_kept(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """No count exceeds its cap, or lacks a delivery that it counts. No partner's log has more leads than a cap.

    A lead is counted before it is sent. So the first leads in the log of a window may count in the window before it.
    """
    counted = Counter((one.partner, window) for _, _, one in snapshot.deliveries() for window in one.counted_in)
    for (partner, window), number in sorted((counted | Counter(snapshot.cap_counts)).items()):
        count, limit = snapshot.cap_counts.get((partner, window), 0), _limit(snapshot.partners.get(partner), window)
        if number > count:
            yield partner, f"{number} deliveries are counted in {window}, and the count is {count}"
        if limit is not None and count > limit:
            yield partner, f"the count of {window} is {count}, and the cap is {limit}"
    created = Counter(
        (call["partner"], window)
        for call, _ in snapshot.created_calls
        for window in _windows(snapshot.partners.get(call["partner"]), call.get("at"), snapshot.send_window)
    )
    for (partner, window), number in sorted(created.items()):
        limit = _limit(snapshot.partners.get(partner), window)
        if limit is not None and number > limit:
            yield partner, f"created {number} leads in {window}, and the cap is {limit}"


def _clear_answer(call: Mapping[str, Any]) -> str | None:
    """A partner's answer to a create call, if it is clear."""
    if call.get("fault") is not None:
        return "refused" if call["status"] == REFUSED_STATUS else None
    profile = partner_profiles().get(str(call.get("partner")))
    created = None if profile is None else call.get(profile.id_field)
    return f"created {created}" if created is not None and call.get("outcome") == "answered" else None


def _may_be_created(snapshot: Snapshot, lead_id: str, partner: str) -> int:
    """One if it was attempted, and one for each retry that a person confirmed."""
    record = snapshot.leads.get(lead_id)
    if record is None or partner not in record.deliveries or not record.deliveries[partner].attempts:
        return 0
    return 1 + History.of(record.timeline, partner).permissions()


def _is_uncertain(snapshot: Snapshot, lead_id: str, partner: str) -> bool:
    record = snapshot.leads.get(lead_id)
    if record is None or partner not in record.deliveries:
        return False
    delivery = record.deliveries[partner]
    is_retried = History.of(record.timeline, partner).permissions() > 0
    return delivery.state is State.UNKNOWN or delivery.is_erased or is_retried


def _limit(partner: Partner | None, window: str) -> int | None:
    """The cap that counts in a window: all time, an hour such as 2026-03-01T12, or a day."""
    if partner is None or partner.intake is None:
        return None
    if window == TOTAL:
        return partner.intake.total
    return partner.intake.per_hour if "T" in window else partner.intake.per_day


def _windows(partner: Partner | None, at: str | None, send_window: timedelta) -> set[str]:
    """The windows in which a lead is counted that a partner created at a time: all that it certainly began in."""
    if partner is None or at is None:
        return {TOTAL}

    def names(moment: datetime) -> set[str]:
        return {TOTAL, f"{moment:%Y-%m-%dT%H}", f"{moment.astimezone(ZoneInfo(partner.time_zone)):%Y-%m-%d}"}

    return names(from_text(at)) & names(from_text(at) - send_window)
