"""A delivery's life as its timeline tells it, step by step, by the versions that the steps are numbered with."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from leadbridge.domain.delivery import State
from leadbridge.domain.timeline import Entry

R, W, S, C = State.RECEIVED, State.SUBMITTING, State.SUBMITTED, State.CLOSED
X, D, U, F = State.REJECTED, State.DUPLICATE, State.UNKNOWN, State.FAILED

# Which steps there are: from where each may start, and to where it may lead. docs/architecture.md draws it.
STEPS: dict[str, tuple[frozenset[State], frozenset[State]]] = {
    "submitting": (frozenset({R}), frozenset({W})),
    "attempt_failed": (frozenset({R, W, U}), frozenset({R})),
    "attempt_uncertain": (frozenset({W}), frozenset({R})),
    "repeat_waiting": (frozenset({R}), frozenset({R})),
    "repeat": (frozenset({R}), frozenset({R})),
    "submitted": (frozenset({R, W, U}), frozenset({S})),
    "rejected": (frozenset({R, W, U}), frozenset({X})),
    "duplicate": (frozenset({R, W, U}), frozenset({D})),
    "unknown": (frozenset({R, W}), frozenset({U})),
    "failed": (frozenset({R, W}), frozenset({F})),
    "status_changed": (frozenset({S, C}), frozenset({S, C})),
    "account_found": (frozenset({S, C}), frozenset({S, C})),
    "retry_requested": (frozenset({F, X, D, U}), frozenset({R})),
    "resolved": (frozenset({U, S, C, F}), frozenset({S, F})),
    "resolution_withdrawn": (frozenset({S, C, F}), frozenset({U})),
    "contested": (frozenset({S, C}), frozenset({S, C})),
}
ENDS = frozenset({S, C, X, D, U, F})
_KEY = re.compile(r"EVENT#[^#]+#(?P<partner>[a-z]+)#(?P<version>\d{6})")


@dataclass
class History:
    """What was done to one delivery, by the versions that it came to, and the versions that it came to twice."""

    steps: dict[int, Entry] = field(default_factory=dict)
    twice: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, entries: Mapping[str, Entry], partner: str) -> History:
        """The history of the delivery to a partner, from a lead's timeline."""
        history = cls()
        for key, entry in sorted(entries.items()):
            found = _KEY.fullmatch(key)
            if found is not None and found["partner"] == partner and int(found["version"]) > 1:
                version = int(found["version"])
                if version in history.steps:
                    history.twice.append(version)
                history.steps[version] = entry
        return history

    def contradictions(self, first: State, last: State, version: int, *, is_erased: bool) -> Iterator[str]:
        """Where the steps do not lead from the first state to the last one by allowed ways, or where one is missing.

        An erasure is a step without an entry of its own. Where a step may lead to several states, all are followed.
        """
        missing = set(range(2, version + 1)) - set(self.steps)
        if len(missing) != is_erased or set(self.steps) - set(range(2, version + 1)):
            yield f"it is at version {version}, and its timeline has {sorted(self.steps)}"
        for number in self.twice:
            yield f"it came to version {number} twice"
        possible = frozenset({first})
        for number in range(2, version + 1):
            entry = self.steps.get(number)
            if entry is None:
                possible = frozenset(F if state is R else state for state in possible) if is_erased else possible
                continue
            known = STEPS.get(entry.what)
            if known is None:
                yield f"version {number} is a step that is not known: {entry.what}"
                return
            sources, targets = known
            if not possible & sources:
                yield f"version {number}, {entry.what}, from {', '.join(sorted(possible))}"
                return
            possible = self._after(entry, possible & sources, targets)
        if last not in possible:
            yield f"it is {last}, and its timeline ends with {', '.join(sorted(possible))}"

    def permissions(self) -> int:
        """How often a person asked for it although the partner might have it, or said that the partner has it not."""
        asked, doubtful = 0, False
        for _, entry in sorted(self.steps.items()):
            match entry.what:
                case "unknown" | "resolved" | "resolution_withdrawn":
                    doubtful = True
                case "submitted" | "rejected" | "failed" | "duplicate":
                    doubtful = False
                case "retry_requested" if doubtful:
                    asked, doubtful = asked + 1, False
        return asked

    @staticmethod
    def _after(entry: Entry, sources: frozenset[State], targets: frozenset[State]) -> frozenset[State]:
        match entry.what:
            case "account_found" | "contested":
                return sources
            case "resolved" if entry.data:
                return frozenset({F if entry.data.get("outcome") == "not_created" else S})
            case _:
                return targets
