"""The list of checks: each yields the leads whose records disagree, and what is wrong. docs/reliability.md has them."""

from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import NamedTuple

from leadbridge.domain.delivery import Delivery
from quality.chaos.records import LeadRecord, Snapshot

type Check = Callable[[Snapshot], Iterator[tuple[str, str]]]

CHECKS: dict[str, Check] = {}


class Violation(NamedTuple):
    """`lead_id` is the lead, or whatever else the violation is about."""

    check: str
    lead_id: str
    what: str


def violations(snapshot: Snapshot, names: Iterable[str] = CHECKS.keys()) -> list[Violation]:
    """Run all checks, or some."""
    return [Violation(name, lead_id, what) for name in names for lead_id, what in CHECKS[name](snapshot)]


def check(function: Check) -> Check:
    """Register a check under its own name."""
    CHECKS[function.__name__] = function
    return function


def check_leads(function: Callable[[Snapshot, LeadRecord], Iterator[str]]) -> Check:
    @wraps(function)
    def check_all(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
        return ((lead_id, what) for lead_id, one in snapshot.leads.items() for what in function(snapshot, one))

    return check(check_all)


def check_deliveries(function: Callable[[Snapshot, LeadRecord, Delivery], Iterator[str]]) -> Check:
    @wraps(function)
    def check_all(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
        for lead_id, record, delivery in snapshot.deliveries():
            yield from ((lead_id, what) for what in function(snapshot, record, delivery))

    return check(check_all)
