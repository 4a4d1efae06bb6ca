"""The order of a lead's partners: by weight, the next one only after a refusal, and one of them has the lead."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import timedelta
from math import sqrt
from typing import Any

from devstack.partners import partner_profiles
from leadbridge.domain.admission import TOTAL
from leadbridge.domain.clock import from_text
from leadbridge.domain.routing.weights import person_of
from leadbridge.settings import Partner
from leadbridge.storage.links import CAP
from quality.chaos.reconciliation import LeadRecord, Snapshot, check

REFUSED = frozenset({"rejected", "duplicate", "skipped"})  # steps after which another partner may get the lead
MILLISECOND = timedelta(milliseconds=1)
DEVIATIONS = 5  # standard deviations by which the share of a partner may differ from its weight


@check
def next_partners_follow_a_refusal(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """A refusal of the partner before it opened each further partner of a lead. A lost reply never does."""
    for lead_id, record in snapshot.leads.items():
        if record.lead.erased_at is not None:
            continue
        refusals = {
            (entry.partner, entry.data.get("next_partner"), entry.at)
            for entry in record.timeline.values()
            if entry.what in REFUSED
        }
        opened = [entry for entry in record.timeline.values() if entry.what == "fallback"]
        for entry in opened:
            if (entry.data.get("previous_partner"), entry.partner, entry.at) not in refusals:
                yield lead_id, f"{entry.partner} got it after {entry.data}, which is no refusal"
        further = record.deliveries.keys() - _first(record) - {entry.partner for entry in opened}
        passed_over = set(record.lead.fallbacks.values())  # first because those before it could not accept the lead
        if further - passed_over or len(further) > len(_first(record)):
            yield lead_id, f"has deliveries to {', '.join(sorted(further))}, and nothing says why"


@check
def one_partner_of_an_order_has_the_lead(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """All partners of an order together created a lead once, and once more for each retry by an operator.

    Only leads whose phone and e-mail no other lead has: a partner's log has the person, and not the lead.
    """
    created: Counter[str] = Counter()
    for call in snapshot.calls:
        if not _created(call):
            continue
        lead_ids = snapshot.leads_of(**partner_profiles()[call["partner"]].person_of(call))
        if len(lead_ids) == 1:
            created[lead_ids[0]] += 1
    for lead_id, number in created.items():
        record = snapshot.leads.get(lead_id)
        if record is None or record.lead.erased_at is not None:
            continue
        retries = sum(entry.what == "retry_requested" for entry in record.timeline.values())
        if number > len(_first(record)) + retries:
            yield lead_id, f"{', '.join(record.deliveries)} created it {number} times, after {retries} retries"


@check
def weights_decide_on_the_first_partner(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """The same person always gets the same order, and each partner is the first one for its share of the people."""
    people: dict[tuple[str, str], set[str]] = defaultdict(set)
    for record in snapshot.leads.values():
        route = snapshot.routes.get(record.lead.source)
        person = person_of(record.lead.value)
        is_known = record.lead.erased_at is None and not record.is_incomplete and "person.phone" not in record.corrected
        if route is not None and len(route.weights) == 1 and route.weights[0] and is_known and person:
            people[record.lead.source, person] |= _first(record)
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
    """No count exceeds its cap, or lacks a delivery that it counts. No partner's log has more leads than its total."""
    counted = Counter(
        (one.partner, window)
        for record in snapshot.leads.values()
        for one in record.deliveries.values()
        for window in one.counted_in
    )
    counts = {
        (values["pk"].partition("#")[2], values["sk"].removeprefix(CAP)): int(values["leads"])
        for values in snapshot.table
        if values["sk"].startswith(CAP)
    }
    created = Counter(call["partner"] for call in snapshot.calls if _created(call))
    for (partner, window), number in sorted((counted | Counter(counts)).items()):
        count, limit = counts.get((partner, window), 0), _limit(snapshot.partners.get(partner), window)
        if number > count:
            yield partner, f"{number} deliveries are counted in {window}, and the count is {count}"
        if limit is not None and count > limit:
            yield partner, f"the count of {window} is {count}, and the cap is {limit}"
    for partner, number in created.items():
        limit = _limit(snapshot.partners.get(partner), TOTAL)
        if limit is not None and number > limit:
            yield partner, f"has {number} leads, and the total cap is {limit}"


def _limit(partner: Partner | None, window: str) -> int | None:
    """The cap that counts in a window: all time, an hour such as 2026-03-01T12, or a day."""
    if partner is None or partner.intake is None:
        return None
    if window == TOTAL:
        return partner.intake.total
    return partner.intake.per_hour if "T" in window else partner.intake.per_day


def _created(call: Mapping[str, Any]) -> bool:
    profile = partner_profiles().get(call["partner"])
    return profile is not None and call["operation"] == "create" and call.get(profile.id_field) is not None


def _first(record: LeadRecord) -> set[str]:
    """The first partner of each order of a lead."""
    fallbacks = record.lead.fallbacks
    return {*record.lead.partners, *fallbacks} - set(fallbacks.values())
