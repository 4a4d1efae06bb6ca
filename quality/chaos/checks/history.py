"""A delivery's history: its timeline entries by version."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from leadbridge.domain.delivery import State
from leadbridge.domain.timeline import Entry

R, W, S, C = State.RECEIVED, State.SUBMITTING, State.SUBMITTED, State.CLOSED
X, D, U, F, N = State.REJECTED, State.DUPLICATE, State.UNKNOWN, State.FAILED, State.SKIPPED

# The states from which each step may start, and to which it may lead; see docs/architecture.md.
STEPS: dict[str, tuple[frozenset[State], frozenset[State]]] = {
    "submitting": (frozenset({R}), frozenset({W})),
    "attempt_failed": (frozenset({R, W, U}), frozenset({R})),
    "attempt_uncertain": (frozenset({W}), frozenset({R})),
    "waiting": (frozenset({R}), frozenset({R})),
    "repeat_waiting": (frozenset({R}), frozenset({R})),
    "repeat": (frozenset({R}), frozenset({R})),
    "submitted": (frozenset({R, W, U}), frozenset({S})),
    "rejected": (frozenset({R, W, U}), frozenset({X})),
    "duplicate": (frozenset({R, W, U}), frozenset({D})),
    "skipped": (frozenset({R}), frozenset({N})),
    "unknown": (frozenset({R, W}), frozenset({U})),
    "failed": (frozenset({R, W}), frozenset({F})),
    "status_changed": (frozenset({S, C}), frozenset({S, C})),
    "account_found": (frozenset({S, C}), frozenset({S, C})),
    "retry_requested": (frozenset({F, X, D, U, N}), frozenset({R})),
    "resolved": (frozenset({U, S, C, F}), frozenset({S, F})),
    "resolution_withdrawn": (frozenset({S, C, F}), frozenset({U})),
    "contested": (frozenset({S, C}), frozenset({S, C})),
}
END_STATES = frozenset({S, C, X, D, U, F, N})
_KEY = re.compile(r"EVENT#[^#]+#(?P<partner>[a-z0-9-]+)#(?P<version>\d{6})")


@dataclass
class History:
    """The steps by version, and the versions with two steps."""

    steps: dict[int, Entry] = field(default_factory=dict)
    twice: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, entries: Mapping[str, Entry], partner: str) -> History:
        """The history of the delivery to a partner."""
        history = cls()
        for key, entry in sorted(entries.items()):
            found = _KEY.fullmatch(key)
            if found is not None and found["partner"] == partner and int(found["version"]) > 1:
                version = int(found["version"])
                if version in history.steps:
                    history.twice.append(version)
                history.steps[version] = entry
        return history

    def contradictions(
        self, first: State, last: State, version: int, *, is_erased: bool, corrections: int = 0
    ) -> Iterator[str]:
        """Missing steps, and steps that do not lead from the first state to the last one.

        An erasure is a step without an entry, and so is a correction of the lead while the delivery waits;
        `corrections` is their largest number. If a step may lead to several states, all are followed.
        """
        missing = set(range(2, version + 1)) - set(self.steps)
        is_explained = is_erased <= len(missing) <= is_erased + corrections
        if not is_explained or set(self.steps) - set(range(2, version + 1)):
            yield f"it is at version {version}, and its timeline has {sorted(self.steps)}"
        for number in self.twice:
            yield f"version {number} has two entries"
        possible = frozenset({first})
        for number in range(2, version + 1):
            entry = self.steps.get(number)
            if entry is None:
                corrected = possible & {R} if corrections else frozenset[State]()
                ended = frozenset(F if state is R else state for state in possible) if is_erased else corrected
                possible = corrected | ended
                continue
            known = STEPS.get(entry.what)
            if known is None:
                yield f"version {number} has an unknown step: {entry.what}"
                return
            sources, targets = known
            if not possible & sources:
                yield f"version {number}, {entry.what}, from {', '.join(sorted(possible))}"
                return
            possible = self._after(entry, possible & sources, targets)
        if last not in possible:
            yield f"it is {last}, and its timeline ends in {', '.join(sorted(possible))}"

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

    @staticmethod
    def _after(entry: Entry, sources: frozenset[State], targets: frozenset[State]) -> frozenset[State]:
        match entry.what:
            case "account_found" | "contested":
                return sources
            case "resolved" if entry.data:
                return frozenset({F if entry.data.get("outcome") == "not_created" else S})
            case _:
                return targets
