"""The order of a lead's partners: by weight, the next one only after a refusal, and one of them has the lead."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from math import sqrt
from typing import Any
from zoneinfo import ZoneInfo

from devstack.partners import partner_profiles
from leadbridge.domain.admission import TOTAL
from leadbridge.domain.clock import from_text
from leadbridge.domain.routing.weights import person_of
from leadbridge.settings import Partner
from quality.chaos.lead_orders import ADDED
from quality.chaos.reconciliation import Snapshot, check

REFUSED = frozenset({"rejected", "duplicate", "skipped"})  # steps after which another partner may get the lead
MILLISECOND = timedelta(milliseconds=1)
DEVIATIONS = 5  # standard deviations by which the share of a partner may differ from its weight


@check
def next_partners_follow_a_refusal(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """A refusal of the partner before it opened each further partner of a lead. A lost reply never does."""
    for lead_id, record in snapshot.leads.items():
        if record.lead.erased_at is not None:
            continue
        order = snapshot.orders[lead_id]
        refusals = {
            (entry.partner, entry.data.get("next_partner"), entry.at)
            for entry in record.timeline.values()
            if entry.what in REFUSED
        }
        opened = [entry for entry in record.timeline.values() if entry.what == "fallback"]
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
    for call in snapshot.calls:
        if not _created(call):
            continue
        lead_ids = snapshot.leads_of(**partner_profiles()[call["partner"]].person_of(call))
        if len(lead_ids) == 1:
            created[lead_ids[0]].append(from_text(call["at"]) if "at" in call else None)
    for lead_id, moments in created.items():
        record = snapshot.leads.get(lead_id)
        if record is None or record.lead.erased_at is not None:
            continue
        order = snapshot.orders[lead_id]
        retries = [entry.at for entry in record.timeline.values() if entry.what == "retry_requested"]
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
        for entry in record.timeline.values():
            ended_at = snapshot.orders[lead_id].ended_at
            if entry.what == "fallback" and ended_at is not None and entry.at > ended_at:
                yield lead_id, f"was passed on to {entry.partner} after an operator had chosen a partner"


@check
def weights_decide_on_the_first_partner(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """The same person always gets the same order, and each partner is the first one for its share of the people."""
    people: dict[tuple[str, str], set[str]] = defaultdict(set)
    for lead_id, record in snapshot.leads.items():
        route = snapshot.routes.get(record.lead.source)
        person = person_of(record.lead.value)
        is_known = record.lead.erased_at is None and not record.is_incomplete and "person.phone" not in record.corrected
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
            share = weight / total
            if abs(chosen[partner] - number * share) > DEVIATIONS * sqrt(number * share * (1 - share)) + 1:
                yield (
                    source,
                    f"{partner} is first for {chosen[partner]} of {number} people, its share is {share:.0%}",
                )


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
    counted = Counter(
        (one.partner, window)
        for record in snapshot.leads.values()
        for one in record.deliveries.values()
        for window in one.counted_in
    )
    for (partner, window), number in sorted((counted | Counter(snapshot.cap_counts)).items()):
        count, limit = snapshot.cap_counts.get((partner, window), 0), _limit(snapshot.partners.get(partner), window)
        if number > count:
            yield partner, f"{number} deliveries are counted in {window}, and the count is {count}"
        if limit is not None and count > limit:
            yield partner, f"the count of {window} is {count}, and the cap is {limit}"
    created = Counter(
        (call["partner"], window)
        for call in snapshot.calls
        if _created(call)
        for window in _windows(snapshot.partners.get(call["partner"]), call.get("at"), snapshot.send_window)
    )
    for (partner, window), number in sorted(created.items()):
        limit = _limit(snapshot.partners.get(partner), window)
        if limit is not None and number > limit:
            yield partner, f"created {number} leads in {window}, and the cap is {limit}"


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


def _created(call: Mapping[str, Any]) -> bool:
    profile = partner_profiles().get(call["partner"])
    return profile is not None and call["operation"] == "create" and call.get(profile.id_field) is not None
