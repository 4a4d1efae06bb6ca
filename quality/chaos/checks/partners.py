"""Partners have each lead once, in the order of its rules, within their caps, and nothing that no delivery knows."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from math import sqrt
from typing import Any

from devstack.partners import partner_profiles
from devstack.sandbox.profile import REFUSED_STATUS
from leadbridge.domain.admission import TOTAL
from leadbridge.domain.clock import from_text
from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.routing.intake import windows_at
from leadbridge.domain.routing.weights import person_of
from leadbridge.domain.timeline import VersionedEntry
from quality.chaos.checks.registry import check, check_deliveries, check_leads
from quality.chaos.records import ADDED, LeadRecord, Snapshot

SUBMITTED = frozenset({State.SUBMITTED, State.CLOSED})
CLOCK_DIFFERENCE = timedelta(seconds=1)  # between the partner's log and the timeline
REFUSED = ("rejected", "duplicate", "skipped")  # steps after which another partner may get the lead
MILLISECOND = timedelta(milliseconds=1)
DEVIATIONS = 5  # standard deviations by which the share of a partner may differ from its weight


@check
def leads_are_created_once(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """A partner's log has at most one successful create for each attempted lead, and one for each confirmed retry."""
    created = Counter((name, tuple(one.lead_id for one in records)) for name, _, records in snapshot.created_calls)
    for (partner, lead_ids), number in created.items():
        leads = [snapshot.leads[lead_id] for lead_id in lead_ids]
        attempted = [one for one in leads if partner in one.deliveries and one.deliveries[partner].attempts]
        allowed = sum(1 + _confirmed_retries(one.steps(partner)) for one in attempted)
        if number > allowed:
            yield ", ".join(lead_ids) or partner, f"{partner} created {number}, allowed are {allowed}"


@check_deliveries
def answers_are_recorded(snapshot: Snapshot, record: LeadRecord, delivery: Delivery) -> Iterator[str]:
    """No delivery is unknown if a worker received a clear answer to the last create. A dead letter may hold it."""
    about = (record.lead_id, delivery.partner)
    creates = [one for one in snapshot.creates if (one.lead_id, one.partner) == about]
    last = max(creates, key=lambda one: one.number, default=None)
    if last is None or not last.is_answered or delivery.state is not State.UNKNOWN or delivery.is_erased:
        return
    if any((one.lead_id, one.partner) == about and one.step == "record_answer" for one in snapshot.dead_letters):
        return
    for call in snapshot.calls:
        if (call["partner"], call["number"]) == (last.partner, last.number):
            called_at = from_text(call["at"]) - CLOCK_DIFFERENCE
            recorded = record.entries("submitted", "rejected", partner=last.partner)
            is_recorded = any(one.at >= called_at for one in recorded)  # a later attempt died before its create call
            if (answer := _clear_answer(call)) is not None and not is_recorded:
                yield f"is unknown at {last.partner}, which answered: {answer}"


@check_deliveries
def submitted_leads_exist_at_partner(snapshot: Snapshot, record: LeadRecord, delivery: Delivery) -> Iterator[str]:
    """Every submitted or closed delivery has an id that exists at the partner, for the same person."""
    if delivery.state in SUBMITTED and not delivery.is_erased:
        found = snapshot.partner_record_of(delivery)
        what = f"is {delivery.state} as {delivery.created} at {delivery.partner}"
        if found is None:
            yield f"{what}, which does not have it"
        elif record.posted is None or not record.posted.is_person(**found.person):
            yield f"{what}, which belongs to another person"


@check
def partner_records_are_known(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Every record of a partner belongs to a delivery, or its lead is unknown, erased, or retried by a person."""
    known = {(delivery.partner, delivery.created) for _, _, delivery in snapshot.deliveries()}
    for one in snapshot.partner_records:
        if one.is_registered and (one.partner, one.id) not in known:
            leads = snapshot.leads_of(one.person)
            if not any(_is_uncertain(record, one.partner) for record in leads):
                lead_ids = ", ".join(record.lead_id for record in leads) or "no lead"
                yield lead_ids, f"{one.id} at {one.partner} belongs to no delivery"


@check_deliveries
def last_status_is_known(snapshot: Snapshot, _: LeadRecord, delivery: Delivery) -> Iterator[str]:
    """The present status at the partner is the status of the delivery."""
    found = snapshot.partner_record_of(delivery)
    status = None if found is None else found.status
    if delivery.state in SUBMITTED and status not in {None, delivery.partner_status}:
        yield f"is {delivery.partner_status} here and {status} at {delivery.partner}"


@check_leads
def next_partners_follow_a_refusal(_: Snapshot, record: LeadRecord) -> Iterator[str]:
    """A refusal of the partner before it opened each further partner of a lead. A lost reply never does."""
    first, opened = record.first, record.entries("fallback")
    if record.is_erased:
        return
    refusals = {(entry.partner, entry.data.get("next_partner"), entry.at) for entry in record.entries(*REFUSED)}
    for entry in opened:
        if (entry.data.get("previous_partner"), entry.partner, entry.at) not in refusals:
            yield f"{entry.partner} got it after {entry.data}, which is no refusal"
    further = record.deliveries.keys() - first - record.added.keys() - {entry.partner for entry in opened}
    passed_over = set(record.ruled_lead.fallbacks.values())  # first because those before it could not accept the lead
    if further - passed_over or len(further) > len(first):
        yield f"has deliveries to {', '.join(sorted(further))}, and nothing says why"


@check_leads
def one_partner_of_an_order_has_the_lead(snapshot: Snapshot, record: LeadRecord) -> Iterator[str]:
    """All partners of an order created a lead once, and once more for each retry and each confirmed partner."""
    # A partner's log has the person, so only leads count whose phone and e-mail no other lead has.
    moments = [at for _, at, leads in snapshot.created_calls if len(leads) == 1 and leads[0] is record]
    retries = [entry.at for entry in record.entries("retry_requested")]
    worked = [one for one in record.additions if one.is_confirmed and not 400 <= one.status < 500]
    confirmed = record.added.keys() & {one.partner for one in worked}
    names, first = ", ".join(record.deliveries), max(1, len(record.first))  # an operator may choose the first one
    before, retried = ([at for at in found if record.is_ruled_at(at)] for found in (moments, retries))
    if record.added and not record.is_erased and len(before) > first + len(retried):
        yield f"{names} created it {len(before)} times before an operator chose a further partner"
    if not record.is_erased and len(moments) > first + len(retries) + len(confirmed):
        yield f"{names} created it {len(moments)} times, after {len(retries)} retries; confirmed: {sorted(confirmed)}"


@check_leads
def operators_choose_the_partner(_: Snapshot, record: LeadRecord) -> Iterator[str]:
    """A lead that an operator gave to a partner has a delivery to it, and no rule passes it on from then on."""
    for one in record.additions:
        if one.status == ADDED and one.partner not in record.deliveries:
            yield f"was given to {one.partner}, and has no delivery to it"
    for entry in record.entries("fallback"):
        if any(entry.at > chosen_at for chosen_at in record.added.values()):
            yield f"was passed on to {entry.partner} after an operator had chosen a partner"


@check
def weights_decide_on_the_first_partner(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """The same person always gets the same order, and each partner is the first one for its share of the people."""
    for source, settings in snapshot.sources.items():
        weights = settings.partners[0].weights if len(settings.partners) == 1 else {}
        people: dict[str, set[str]] = defaultdict(set)
        for record in snapshot.leads.values() if weights else ():
            is_known = not record.is_erased and not record.has_problems and "person.phone" not in record.corrected
            if record.lead.source == source and is_known and (person := person_of(record.lead.value)):
                people[person] |= record.first
        yield from (
            (source, f"{person} gets {sorted(found)} first") for person, found in people.items() if len(found) > 1
        )
        chosen, total = Counter(first for found in people.values() for first in found), sum(weights.values())
        for partner, weight in weights.items():
            number, share, count = chosen.total(), weight / total, chosen[partner]
            if abs(count - number * share) > DEVIATIONS * sqrt(number * share * (1 - share)) + 1:
                yield source, f"{partner} is first for {count} of {number} people, its share is {share:.0%}"


@check
def paused_partners_get_no_leads(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """A partner gets no create call during a pause, except from a worker that had begun before it."""
    for pause in snapshot.pauses:
        if pause.since is None or pause.until is None:
            continue
        ended = pause.until - MILLISECOND  # the partner's log cuts its times to milliseconds
        for at in (from_text(call["at"]) for call in snapshot.calls if call["partner"] == pause.partner):
            if pause.since + snapshot.send_window < at < ended:
                yield pause.partner, f"got a create call at {at}, and was paused from {pause.since} to {pause.until}"


@check
def caps_are_kept(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """No count exceeds its cap, or lacks a delivery that it counts. No partner's log has more leads than a cap."""
    counted = Counter((one.partner, window) for _, _, one in snapshot.deliveries() for window in one.counted_in)
    created = Counter[tuple[str, str]]()
    for name, at, _ in snapshot.created_calls:
        if (partner := snapshot.partners.get(name)) is not None:
            # A lead is counted before it is sent, so the first ones of a window may count in the window before it.
            now, before = ({one.key for one in windows_at(partner, began)} for began in (at, at - snapshot.send_window))
            created.update((name, window) for window in now & before)
    for name, window in sorted(counted.keys() | snapshot.cap_counts.keys() | created.keys()):
        intake = snapshot.partners[name].intake if name in snapshot.partners else None
        cap = "total" if window == TOTAL else "per_hour" if "T" in window else "per_day"  # an hour is 2026-03-01T12
        limit: int | None = getattr(intake, cap, None)
        count, calls = snapshot.cap_counts.get((name, window), 0), created[name, window]
        if counted[name, window] > count:
            yield name, f"{counted[name, window]} deliveries are counted in {window}, and the count is {count}"
        if limit is not None and max(count, calls) > limit:
            yield name, f"the cap of {window} is {limit}, the count {count}, and the partner created {calls}"


def _clear_answer(call: Mapping[str, Any]) -> str | None:
    """A partner's answer to a create call, if it is clear."""
    if call["fault"] is not None:
        return "refused" if call["status"] == REFUSED_STATUS else None
    created = call.get(partner_profiles()[call["partner"]].id_field)
    return f"created {created}" if created is not None and call["outcome"] == "answered" else None


def _confirmed_retries(steps: Iterable[VersionedEntry]) -> int:
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


def _is_uncertain(record: LeadRecord, partner: str) -> bool:
    delivery = record.deliveries.get(partner)
    is_open = delivery is not None and (delivery.state is State.UNKNOWN or delivery.is_erased)
    return is_open or (delivery is not None and _confirmed_retries(record.steps(partner)) > 0)
