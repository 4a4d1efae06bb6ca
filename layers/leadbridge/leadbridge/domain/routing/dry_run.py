"""Explain which partners would get a lead, rule by rule, and which would take it now, without storing anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from leadbridge.domain.acceptance.build import Assignment, assign_partners, read_values
from leadbridge.domain.admission import PartnerState, WaitReason, find_wait
from leadbridge.domain.delivery import new_delivery
from leadbridge.domain.fields.reading import reading_rules
from leadbridge.domain.lead import Lead, LeadFields
from leadbridge.domain.routing.fallback import next_partner
from leadbridge.domain.routing.intake import end_refused, find_refusal
from leadbridge.domain.routing.rules import Decision, RoutingFacts, choose_partners

if TYPE_CHECKING:
    from datetime import datetime

    from leadbridge.domain.errors.field_codes import FieldError
    from leadbridge.settings import Partner, Source


@dataclass(frozen=True)
class Obstacle:
    """Why a partner would not take the lead at the moment, and what would happen to the lead.

    `until` is None if the end is not known. `following` is the partner that would get the lead instead.
    """

    partner: str
    code: WaitReason
    then: Literal["next", "wait", "hold"]
    until: datetime | None = None
    following: str | None = None


@dataclass(frozen=True)
class RoutingReport:
    """The partners that would get a lead, and why.

    `assignment` has the partners, the problems and the warnings; its decision explains every rule. `refusals` are the
    reasons of each candidate that would not accept the lead. `obstacles` are of the partners that would be tried.
    """

    assignment: Assignment
    refusals: Mapping[str, tuple[FieldError, ...]]
    obstacles: tuple[Obstacle, ...] = ()


def explain_routing(
    source: Source,
    values: Mapping[str, Any],
    answers: Mapping[str, str],
    received_at: datetime,
    partners: Mapping[str, Partner],
    keyed_hash: Callable[[str], str],
    states: Mapping[str, PartnerState],
) -> RoutingReport:
    """Decide as for a lead that the source posts at `received_at`. `values` are its sections, `answers` the form's.

    `states` has the pauses, circuits and counts of the partners.
    """

    def choose(asked: LeadFields) -> Decision:
        return choose_partners(source, RoutingFacts(asked.value, answers, received_at, keyed_hash), explain=True)

    read = read_values(values, reading_rules(source, partners))
    named = dict.fromkeys(name for rule in source.partners for name in rule.partners)
    refusals = {name: tuple(read.errors_for(partners[name])) for name in named}
    assignment = assign_partners(read, partners, choose)
    decision = assignment.decision
    lead = Lead.model_construct(
        **{name: getattr(read.asked, name) for name in LeadFields.model_fields},
        lead_id="",
        source="",
        received_at=received_at,
        partners=decision.partners,
        fallbacks=dict(decision.fallbacks),
        next_on=dict(decision.next_on),
    )
    return RoutingReport(
        assignment,
        {name: errors for name, errors in refusals.items() if errors},
        tuple(_find_obstacles(lead, partners, states)),
    )


def _find_obstacles(
    lead: Lead, partners: Mapping[str, Partner], states: Mapping[str, PartnerState]
) -> Iterator[Obstacle]:
    """Yield the partners that would not take a lead when it is received, in the order in which they are tried."""
    for first in lead.partners:
        name: str | None = first
        while name is not None and (found := _find_obstacle(lead, name, partners, states.get(name))) is not None:
            yield found
            name = found.following


def _find_obstacle(
    lead: Lead, name: str, partners: Mapping[str, Partner], state: PartnerState | None
) -> Obstacle | None:
    state, now = state or PartnerState(), lead.received_at
    if (wait := find_wait(state, now)) is not None:
        return Obstacle(name, wait.reason, "wait", wait.until)
    refusal = find_refusal(partners[name], state.counts, now)
    if refusal is None:
        return None
    change = end_refused(
        new_delivery(lead.lead_id, name, lead.source, now),
        now,
        refusal,
        lambda outcome: next_partner(lead, name, outcome, partners),
    )
    if change is None:
        return Obstacle(name, refusal.reason, "wait", refusal.until)
    if change.opened is None:
        return Obstacle(name, refusal.reason, "hold", refusal.until)
    return Obstacle(name, refusal.reason, "next", refusal.until, change.opened.partner)
