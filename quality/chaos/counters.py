"""The counts of a run, and its result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from quality.chaos.checks import CHECKS
from quality.chaos.reconciliation import Snapshot, Violation


@dataclass
class Counters:
    """`counts` are faults and other events; `failures` are failures that no fault explains."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, what: str, number: int = 1) -> None:
        self.counts[what] += number

    def fail(self, component: str, what: str) -> None:
        self.failures[component, what] += 1

    def lines(self) -> list[str]:
        """The counts, the highest first."""
        return [f"  {number:6}  {what}" for what, number in self.counts.most_common()]


@dataclass(frozen=True)
class Result:
    """`uncovered` are planned faults that did not occur, so that the run proves too little."""

    seed: int
    counters: Counters
    snapshot: Snapshot
    violations: list[Violation]
    seconds: float
    uncovered: Sequence[str] = ()

    def states(self) -> str:
        """The number of deliveries and messages by state."""
        found: Counter[str] = Counter()
        for record in self.snapshot.leads.values():
            found["erased"] += record.lead.erased_at is not None
            found.update(f"{one.partner} {one.state}" for one in record.deliveries.values())
            found.update(f"message {message.state}" for message in record.messages)
        return ", ".join(f"{number} {what}" for what, number in sorted(found.items()) if number)

    def report(self) -> list[str]:
        """Each check with the number of its violations, then the violations."""
        wrong = Counter(violation.check for violation in self.violations)
        lines = [f"  ✗ {name}: {wrong[name]}" if wrong[name] else f"  ✓ {name}" for name in CHECKS]
        return lines + [f"    {one.check}  {one.lead_id}  {one.what}" for one in self.violations]
