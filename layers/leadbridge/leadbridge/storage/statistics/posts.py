"""The posts of each source and day that brought no new lead: repeated ones, test pings, refused ones by reason.

pk     sk                      item
POSTS  {2026-11-02}#{source}   their counts, the last one, and the last post whose lead was refused

Anyone can send such posts, under any name, so what they cost is bounded. Only those of configured sources are counted,
in the table and in a worker's memory. There is one item for a source and a day, and its names come from closed lists. A
worker writes each post at once, up to `BURST` posts of a source; then it adds up the counts and writes them once in
`INTERVAL`. So the counts of few posts are exact. Of a flood, what a worker has added up is written with the source's
next post that brings no lead, and lost if there is none before the worker ends. A count is one too high if its writing
was repeated after a lost answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from leadbridge.domain.clock import date_in, to_text
from leadbridge.domain.errors.field_codes import FieldError, parse_field_code
from leadbridge.domain.statistics.contribution import is_counted_source
from leadbridge.runtime.logs import logger
from leadbridge.storage.items import Item
from leadbridge.storage.table import Table
from leadbridge.storage.writes import Write, expires_at

PARTITION = "POSTS"
INTERVAL = timedelta(seconds=1)  # between two writes of a worker for a source, after a burst
BURST = 20  # posts of a source that a worker writes at once
RETRY_FOR = 0.3  # seconds; the sender waits for its answer
MAX_ERRORS = 20  # of the last refused lead

REPEATED, TEST, IGNORED, HONEYPOT = "repeated", "test", "ignored", "honeypot"
NOT_REFUSED = frozenset({REPEATED, TEST, IGNORED, HONEYPOT})


@dataclass(frozen=True)
class RefusedLead:
    """Why a lead was refused, and the names of its form's fields that nothing uses."""

    errors: Sequence[FieldError] = ()
    unused: Sequence[str] = ()


@dataclass(frozen=True)
class PostsOfDay:
    """The posts of a source on a day that brought no new lead. `counts` are by kind: `NOT_REFUSED`, or a reason."""

    counts: Mapping[str, int]
    last_at: str
    refused_at: str | None = None
    refused_as: str | None = None
    invalid_at: str | None = None
    invalid: RefusedLead = field(default_factory=RefusedLead)

    @property
    def refused(self) -> dict[str, int]:
        """The refused posts by reason."""
        return {kind: number for kind, number in sorted(self.counts.items()) if kind not in NOT_REFUSED}


class PostCounter:
    """Counts the posts of the configured `sources` by the days of a time zone. A worker has one."""

    def __init__(self, table: Table, time_zone: str, sources: Container[str]) -> None:
        self._table = table
        self._time_zone = time_zone
        self._sources = sources
        self._waiting: dict[str, dict[str, Counter[str]]] = {}  # by source and day
        self._next: dict[str, datetime] = {}

    def count(self, source: str, kind: str, now: datetime, refused: RefusedLead | None = None) -> None:
        """Count a post, if its source is configured. Never raises: the sender gets its answer in any case."""
        if source not in self._sources or not is_counted_source(source):
            return
        waiting = self._waiting.setdefault(source, {})
        waiting.setdefault(date_in(self._time_zone, now).isoformat(), Counter())[kind] += 1
        earliest = now - (BURST - 1) * INTERVAL
        if (due := max(self._next.get(source, earliest), earliest)) > now:
            return
        self._next[source] = due + INTERVAL
        for day in sorted(waiting):
            try:
                self._table.write(_write(source, day, waiting[day], kind, now, refused), retry_for=RETRY_FOR)
            except Exception:  # noqa: BLE001 - the counts stay for the next write
                logger.warning("posts were not counted", exc_info=True)
                return
            del waiting[day]


def _write(source: str, day: str, counts: Counter[str], kind: str, now: datetime, refused: RefusedLead | None) -> Write:
    values: Item = {f":n{number}": value for number, value in enumerate(counts.values())}
    names = {f"#n{number}": name for number, name in enumerate(counts)}
    added = ", ".join(f"#n{number} :n{number}" for number in range(len(counts)))
    assigned = ["last_at = :at", "expires_at = :expires_at"]
    values |= {":at": to_text(now), ":expires_at": expires_at()}
    if kind not in NOT_REFUSED:
        assigned += ["refused_at = :at", "refused_as = :kind"]
        values[":kind"] = kind
    if refused is not None:
        assigned += ["invalid_at = :at", "invalid_errors = :errors", "invalid_unused = :unused"]
        values |= {
            ":errors": [[one.field, one.code.value] for one in refused.errors[:MAX_ERRORS]],
            ":unused": list(refused.unused),
        }
    return Write("Update", posts_key(source, day), None, values, names, f"SET {', '.join(assigned)} ADD {added}")


def posts_key(source: str, day: str) -> dict[str, str]:
    """The key of the posts of a source on a day."""
    return {"pk": PARTITION, "sk": f"{day}#{source}"}


def posts_by_cell(every: Iterable[Item]) -> dict[tuple[str, str], PostsOfDay]:
    """The posts that decoded items hold, by day and source."""
    found = {}
    for values in every:
        day, _, source = str(values["sk"]).partition("#")
        counts = {name: int(number) for name, number in values.items() if name not in _OTHERS}
        errors = [FieldError(name, parse_field_code(code)) for name, code in values.get("invalid_errors", ())]
        refused = RefusedLead(errors, tuple(values.get("invalid_unused", ())))
        found[day, source] = PostsOfDay(
            counts,
            values["last_at"],
            values.get("refused_at"),
            values.get("refused_as"),
            values.get("invalid_at"),
            refused,
        )
    return found


_OTHERS = frozenset(
    {"pk", "sk", "expires_at", "last_at", "refused_at", "refused_as", "invalid_at", "invalid_errors", "invalid_unused"}
)
