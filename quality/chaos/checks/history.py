"""A delivery's history: its timeline entries by version."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.timeline import Entry

R, W, S, C = State.RECEIVED, State.SUBMITTING, State.SUBMITTED, State.CLOSED
X, D, U, F, N = State.REJECTED, State.DUPLICATE, State.UNKNOWN, State.FAILED, State.SKIPPED

# The states from which each step may start, and to which it may lead; see docs/architecture.md.
STEPS: dict[str, tuple[set[State], set[State]]] = {
    "submitting": ({R}, {W}),
    "attempt_failed": ({R, W, U}, {R}),
    "attempt_uncertain": ({W}, {R}),
    "waiting": ({R}, {R}),
    "repeat_waiting": ({R}, {R}),
    "repeat": ({R}, {R}),
    "submitted": ({R, W, U}, {S}),
    "rejected": ({R, W, U}, {X}),
    "duplicate": ({R, W, U}, {D}),
    "skipped": ({R, F}, {N}),
    "unknown": ({R, W}, {U}),
    "failed": ({R, W}, {F}),
    "status_changed": ({S, C}, {S, C}),
    "account_found": ({S, C}, {S, C}),
    "retry_requested": ({F, X, D, U, N}, {R}),
    "resolved": ({U, S, C, F}, {S, F}),
    "resolution_withdrawn": ({S, C, F}, {U}),
    "contested": ({S, C}, {S, C}),
}
END_STATES = frozenset({S, C, X, D, U, F, N})
_KEY = re.compile(r"EVENT#[^#]+#(?P<partner>[a-z0-9-]+)#(?P<version>\d{6})")


@dataclass
class History:
    """The steps by version, and the versions with two steps."""

    steps: dict[int, Entry] = field(default_factory=dict)
    twice: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, entries: Mapping[str, Entry], partner: str) -> Self:
        """The history of the delivery to a partner."""
        history = cls()
        for key, entry in sorted(entries.items()):
            found = _KEY.fullmatch(key)
            if found is not None and found["partner"] == partner and (version := int(found["version"])) > 1:
                if version in history.steps:
                    history.twice.append(version)
                history.steps[version] = entry
        return history

    def contradictions(self, delivery: Delivery, corrections: int) -> Iterator[str]:
        """Missing steps, and steps that do not lead from the first state to the present one.

        An erasure is a step without an entry, and so is a correction of the lead while the delivery waits;
        `corrections` is their largest number. If a step may lead to several states, all are followed.
        """
        versions, is_erased = range(2, delivery.version + 1), delivery.is_erased
        missing = set(versions) - set(self.steps)
        is_explained = is_erased <= len(missing) <= is_erased + corrections
        if not is_explained or set(self.steps) - set(versions):
            yield f"it is at version {delivery.version}, and its timeline has {sorted(self.steps)}"
        for number in self.twice:
            yield f"version {number} has two entries"
        possible = {R}
        for number in versions:
            entry = self.steps.get(number)
            if entry is None:
                corrected = possible & {R} if corrections else set()
                possible = corrected | ({F if state is R else state for state in possible} if is_erased else set())
                continue
            if entry.what not in STEPS:
                yield f"version {number} has an unknown step: {entry.what}"
                return
            sources, targets = STEPS[entry.what]
            if not possible & sources:
                yield f"version {number}, {entry.what}, from {', '.join(sorted(possible))}"
                return
            possible = _after(entry, possible & sources, targets)
        if delivery.state not in possible:
            yield f"it is {delivery.state}, and its timeline ends in {', '.join(sorted(possible))}"

    def permissions(self) -> int:
        """How often a person confirmed a retry although the partner may have the lead."""
        confirmed, uncertain = 0, False
        for _, entry in sorted(self.steps.items()):
            match entry.what:
                case "unknown" | "resolved" | "resolution_withdrawn":
                    uncertain = True
                case "submitted" | "rejected" | "failed" | "duplicate":
                    uncertain = False
                case "retry_requested" if uncertain:
                    confirmed, uncertain = confirmed + 1, False
        return confirmed


def _after(entry: Entry, sources: set[State], targets: set[State]) -> set[State]:
    match entry.what:
        case "account_found" | "contested":
            return sources
        case "resolved" if entry.data:
            return {F if entry.data.get("outcome") == "not_created" else S}
        case _:
            return targets
