"""Ids, what is kept under them, and how it is found."""

import itertools
import secrets
from collections import OrderedDict
from collections.abc import Iterator, Mapping

from devstack.sandbox.leeloo.refusals import not_found
from devstack.sandbox.partner import Clock

MAX_STORED = 100_000


class Ids:
    """24 hex digits each: the second, a part that is of this run, a count. None repeats, not even after a reset."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._run = secrets.token_hex(5)
        self._count = itertools.count(1)

    def new(self) -> str:
        return f"{int(self._clock()) & 0xFFFFFFFF:08x}{self._run}{next(self._count) & 0xFFFFFF:06x}"


class Rows[Row]:
    """The last `kept` rows by id, oldest first."""

    def __init__(self, kept: int = MAX_STORED) -> None:
        self._kept = kept
        self._rows: OrderedDict[str, Row] = OrderedDict()

    def add(self, row_id: str, row: Row) -> Row | None:
        """Keep a new row; returns the one that had to go for it."""
        self._rows[row_id] = row
        return self._rows.popitem(last=False)[1] if len(self._rows) > self._kept else None

    def get(self, row_id: str) -> Row | None:
        return self._rows.get(row_id)

    def newest_first(self) -> Iterator[Row]:
        return reversed(self._rows.values())

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows.values())

    def __len__(self) -> int:
        return len(self._rows)

    def clear(self) -> None:
        self._rows.clear()


def find[Thing](things: Mapping[str, Thing] | Rows[Thing], thing_id: str, field: str) -> Thing:
    """What has this id, which a request gave in this field. Raises `Refusal`, a 404 that names the field."""
    thing = things.get(thing_id)
    if thing is None:
        raise not_found(field)
    return thing
