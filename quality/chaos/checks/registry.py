"""The list of checks: each yields the leads whose records disagree, and what is wrong. docs/reliability.md has them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import wraps

from leadbridge.domain.delivery import Delivery
from quality.chaos.records import LeadRecord, Snapshot

type Check = Callable[[Snapshot], Iterator[tuple[str, str]]]

CHECKS: dict[str, Check] = {}


@dataclass(frozen=True)
class Violation:
    """`lead_id` is the lead, or whatever else the violation is about."""

    check: str
    lead_id: str
    what: str


def violations(snapshot: Snapshot, names: Iterable[str] | None = None) -> list[Violation]:
    """Run all checks, or some."""
    wanted = CHECKS if names is None else {name: CHECKS[name] for name in names}
    return [Violation(name, lead_id, what) for name, one in wanted.items() for lead_id, what in one(snapshot)]


def check(function: Check) -> Check:
    """Register a check under its own name."""
    CHECKS[function.__name__] = function
    return function


def check_leads(function: Callable[[Snapshot, LeadRecord], Iterator[str]]) -> Check:
    """Register a check of each lead."""

    @check
    @wraps(function)
    def check_all(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
        for lead_id, record in snapshot.leads.items():
            yield from ((lead_id, what) for what in function(snapshot, record))

    return check_all


def check_deliveries(function: Callable[[Snapshot, LeadRecord, Delivery], Iterator[str]]) -> Check:
    """Register a check of each delivery."""

    @check_leads
    @wraps(function)
    def check_each(snapshot: Snapshot, record: LeadRecord) -> Iterator[str]:
        return (what for one in record.deliveries.values() for what in function(snapshot, record, one))

    return check_each
