"""A bounded store of rows in memory."""

from collections import OrderedDict
from collections.abc import Iterator

MAX_STORED = 100_000


class Rows[Key, Row]:
    """The last `limit` rows by key, oldest first."""

    def __init__(self, limit: int = MAX_STORED) -> None:
        self._limit = limit
        self._rows: OrderedDict[Key, Row] = OrderedDict()

    def add(self, key: Key, row: Row) -> Row | None:
        """Store a new row. Returns the row that was dropped for it, if any."""
        self._rows[key] = row
        return self._rows.popitem(last=False)[1] if len(self._rows) > self._limit else None

    def get(self, key: Key) -> Row | None:
        return self._rows.get(key)

    def pop(self, key: Key) -> Row | None:
        return self._rows.pop(key, None)

    def newest_first(self) -> Iterator[Row]:
        return reversed(self._rows.values())

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows.values())

    def __len__(self) -> int:
        return len(self._rows)

    def clear(self) -> None:
        self._rows.clear()
