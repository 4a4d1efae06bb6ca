"""What was done to a stack, counted by kind; and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from quality.chaos.checks import CHECKS
from quality.chaos.reconciliation import Books, Violation


@dataclass
class Tally:
    """How often each thing was done, and what failed without a cause."""

    counted: Counter[str] = field(default_factory=Counter)
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, what: str, number: int = 1) -> None:
        """Count something that was done."""
        self.counted[what] += number

    def fail(self, who: str, what: str) -> None:
        """Count something that failed though nothing that was done to the stack explains it."""
        self.failures[who, what] += 1

    def lines(self) -> list[str]:
        """The counts, the most frequent first."""
        return [f"  {number:6}  {what}" for what, number in self.counted.most_common()]


@dataclass(frozen=True)
class Result:
    """One run: its seed, what was done to the stack, the books afterwards, and what does not hold in them.

    `lacking` is what was planned and never happened, so that the books prove nothing.
    """

    seed: int
    tally: Tally
    books: Books
    violations: list[Violation]
    seconds: float
    lacking: Sequence[str] = ()

    def states(self) -> str:
        """How many deliveries ended how."""
        found: Counter[str] = Counter()
        for file in self.books.files.values():
            found["erased"] += file.lead.erased_at is not None
            found.update(f"{one.partner} {one.state}" for one in file.deliveries.values())
            found.update(f"message {message.state}" for message in file.messages)
        return ", ".join(f"{number} {what}" for what, number in sorted(found.items()) if number)

    def balance(self) -> list[str]:
        """Each check with what it found."""
        wrong = Counter(violation.check for violation in self.violations)
        lines = [f"  ✗ {name}: {wrong[name]}" if wrong[name] else f"  ✓ {name}" for name in CHECKS]
        return lines + [f"    {one.check}  {one.lead_id}  {one.what}" for one in self.violations]
