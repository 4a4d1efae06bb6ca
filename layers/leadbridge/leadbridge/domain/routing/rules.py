"""Routing: which partners get a lead, by the routing rules of its source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from leadbridge.domain.fields.unicode_text import fold

if TYPE_CHECKING:
    from datetime import datetime

    from leadbridge.settings import Source
    from leadbridge.settings.routing import Condition

MISSING_FIELDS = "missing_fields"  # the outcome of a partner that cannot accept a lead
TIME = "time"  # the condition on when a lead was received
FORM_PREFIX = "form."  # prefix of a condition on a form field instead of a lead field


@dataclass(frozen=True)
class Decision:
    """The partners that get a lead, and for each partner the next one of its order.

    `next_on` are the outcomes after which the next one gets the lead, by partner; only those of rules that do not use
    the default.

    `reason` is the text for the timeline: it names partners, rules and fields, but no values. It is None if there was
    nothing to decide. `data` contains the same for programs: `rules` with their partners or with the fields that do not
    match, and `passed_over`, the partners that cannot accept the lead.
    """

    partners: tuple[str, ...]
    fallbacks: Mapping[str, str] = field(default_factory=dict)
    next_on: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    reason: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    def order_from(self, first: str) -> list[str]:
        """Return a partner with those that follow it in its order."""
        order = [first]
        while (following := self.fallbacks.get(order[-1])) is not None:
            order.append(following)
        return order

    def can_skip(self, partner: str) -> bool:
        """Whether the next partner gets a lead that lacks what this one requires."""
        return partner not in self.next_on or MISSING_FIELDS in self.next_on[partner]

    @property
    def candidates(self) -> list[str]:
        """The partners that may get the lead first."""
        return [
            name for first in self.partners for name in (self.order_from(first) if self.can_skip(first) else [first])
        ]


@dataclass(frozen=True)
class RoutingFacts:
    """What routing rules judge: a lead's values, the form's fields, and when the lead was received.

    `value` returns the lead's value at a dotted path. `keyed_hash` hashes the person for weights; None if the key is
    not available: then the order of a rule with weights is that of its list.
    """

    value: Callable[[str], object]
    answers: Mapping[str, str]
    received_at: datetime
    keyed_hash: Callable[[str], str] | None = None


def choose_partners(source: Source, facts: RoutingFacts, *, explain: bool = False) -> Decision:
    """Apply every rule of a source whose conditions hold.

    A partner gets a lead only once, by the first rule that names it. `explain`: the decision has a reason and data for
    every rule, also if there was nothing to decide. A rule without `partners` has none that another rule does not have.
    """
    routes = source.partners
    partners: list[str] = []
    fallbacks: dict[str, str] = {}
    next_on: dict[str, tuple[str, ...]] = {}
    reasons: list[str] = []
    rules: list[dict[str, Any]] = []
    for number, route in enumerate(routes, 1):
        failed = [path for path, wanted in route.when.items() if not _is_met(path, wanted, facts, source.time_zone)]
        if failed:
            reasons.append(f"rule {number} does not match: {', '.join(failed)}")
            rules.append({"rule": number, "unmet": failed})
            continue
        chain = [partner for partner in route.partners if partner not in partners and partner not in fallbacks.values()]
        if not chain:
            if explain:
                rules.append({"rule": number, "partners": []})
            continue
        applied: dict[str, Any] = {"rule": number, "partners": chain}
        how = ""
        if weights := route.weights:
            if facts.keyed_hash is not None:
                from leadbridge.domain.routing.weights import order_by_weight, person_of

                shares = {name: weights[name] for name in chain}
                chain = order_by_weight(person_of(facts.value), shares, facts.keyed_hash)
            applied |= {"partners": chain, "weights": {name: weights[name] for name in chain}}
            how = " by weight"
        partners.append(chain[0])
        fallbacks |= dict(pairwise(chain))
        if "next_on" in route.model_fields_set:
            next_on |= dict.fromkeys(chain[:-1], route.next_on)
            applied["next_on"] = list(route.next_on)
        reasons.append(f"rule {number}{how}: {', else '.join(chain)}")
        rules.append(applied)
    if not explain and all(not route.when and len(route.to) == 1 for route in routes):
        return Decision(tuple(partners))
    if not partners:
        reasons.append("no partner gets it")
    return Decision(tuple(partners), fallbacks, next_on, "; ".join(reasons), {"rules": rules})


def skip_unfit_partners(decision: Decision, can_take: Callable[[str], bool]) -> Decision:
    """Replace the first partner of an order by the next one that can take the lead.

    An order of which no partner can take the lead is left out.
    """
    partners, passed_over = list[str](), list[str]()
    for first in decision.partners:
        order = decision.order_from(first) if decision.can_skip(first) else [first]
        chosen = next(filter(can_take, order), None)
        if chosen is not None:
            partners.append(chosen)
        passed_over += order if chosen is None else order[: order.index(chosen)]
    if not passed_over:
        return decision
    reasons = [f"{partner} cannot accept it" for partner in passed_over]
    reason = "; ".join(filter(None, (decision.reason, *reasons)))
    data = {**decision.data, "passed_over": passed_over}
    return Decision(tuple(partners), decision.fallbacks, decision.next_on, reason, data)


def _is_met(path: str, wanted: Condition, facts: RoutingFacts, time_zone: str) -> bool:
    if path == TIME:
        return wanted.is_time_met(facts.received_at, time_zone)
    if path.startswith(FORM_PREFIX):
        return _holds(wanted, facts.answers.get(path.removeprefix(FORM_PREFIX)))
    return _holds(wanted, facts.value(path))


def _holds(wanted: Condition, found: object) -> bool:
    text = None if found is None else fold(str(found))
    if wanted.given is not None and wanted.given != bool(text):
        return False
    if wanted.equals is not None and text != fold(wanted.equals):
        return False
    if wanted.one_of and text not in {fold(one) for one in wanted.one_of}:
        return False
    if wanted.at_least is None and wanted.at_most is None:
        return True
    number = _number(text)
    if number is None:
        return False
    low, high = wanted.at_least, wanted.at_most
    return (low is None or number >= low) and (high is None or number <= high)


def _number(text: str | None) -> Decimal | None:
    try:
        number = Decimal((text or "").replace(" ", "").replace(",", "."))
    except ArithmeticError:
        return None
    return number if number.is_finite() else None
