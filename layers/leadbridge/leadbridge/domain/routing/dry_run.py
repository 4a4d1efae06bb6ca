"""Explain which partners would get a lead, rule by rule, without storing anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leadbridge.domain.acceptance.build import Assignment, assign_partners, read_values
from leadbridge.domain.fields.reading import reading_rules
from leadbridge.domain.routing.rules import Decision, RoutingFacts, choose_partners

if TYPE_CHECKING:
    from datetime import datetime

    from leadbridge.domain.errors.field_codes import FieldError
    from leadbridge.domain.lead import LeadFields
    from leadbridge.settings import Partner, Source


@dataclass(frozen=True)
class RoutingReport:
    """The partners that would get a lead, and why.

    `assignment` has the partners, the problems and the warnings; its decision explains every rule. `refusals` are the
    reasons of each candidate that would not accept the lead.
    """

    assignment: Assignment
    refusals: Mapping[str, tuple[FieldError, ...]]


def explain_routing(
    source: Source,
    values: Mapping[str, Any],
    answers: Mapping[str, str],
    received_at: datetime,
    partners: Mapping[str, Partner],
    keyed_hash: Callable[[str], str],
) -> RoutingReport:
    """Decide as for a lead that the source posts at `received_at`. `values` are its sections, `answers` the form's."""

    def choose(asked: LeadFields) -> Decision:
        return choose_partners(source, RoutingFacts(asked.value, answers, received_at, keyed_hash), explain=True)

    read = read_values(values, reading_rules(source, partners))
    named = dict.fromkeys(name for rule in source.partners for name in rule.partners)
    refusals = {name: tuple(read.errors_for(partners[name])) for name in named}
    return RoutingReport(
        assign_partners(read, partners, choose), {name: errors for name, errors in refusals.items() if errors}
    )
