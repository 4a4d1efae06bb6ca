"""A broker in memory: its list in either reading of `from` and `to`, with rows that come, go, change and move."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from leadbridge.domain.clock import from_text, to_text
from leadbridge.domain.errors.partner_errors import PartnerError
from leadbridge.partners.matchtrade.answers import RawPage
from leadbridge.partners.matchtrade.listing import AccountPage, account_pages
from leadbridge.runtime.budget import Budget


@dataclass
class Broker:
    """Lists its accounts as Match-Trade's client does, page by page.

    `before_page` is called before each page is read, with how many were read so far; `errors` are raised instead of
    pages, None for none. `in_circles`: every page is the same. Each page costs `takes` seconds of the budget's time.
    """

    clock: Callable[[], datetime]
    filters_on: Literal["created", "changed"] = "created"
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    with_totals: bool = True
    takes: float = 0.0
    spent: float = 0.0
    asked: list[tuple[datetime, datetime, int]] = field(default_factory=list)
    before_page: Callable[[int], None] = lambda _: None
    errors: Iterator[PartnerError | None] = field(default_factory=lambda: iter(()))
    seconds_per_page: float = 5.0
    in_circles: bool = False

    def add(self, uuid: str, created: datetime | None = None, **row: Any) -> None:
        """A new account, created at that time or now."""
        at = to_text(created or self.clock())
        email = {"email": f"{uuid}@clients.example.com"}
        self.rows[uuid] = {"uuid": uuid, "created": at, "updated": at, "leadStatus": "NEW_CONTACT", **email, **row}

    def put(self, uuid: str, status: str) -> None:
        """An account gets another status, now."""
        self.rows[uuid] |= {"leadStatus": status, "updated": to_text(self.clock())}

    def pages(
        self, since: datetime, until: datetime, budget: Budget, *, size: int, first_page: int = 0
    ) -> Iterator[AccountPage]:
        """The list."""

        def read(number: int) -> RawPage:
            self.asked.append((since, until, number))
            self.before_page(len(self.asked))
            self.spent += self.takes
            if error := next(self.errors, None):
                raise error
            by = "created" if self.filters_on == "created" else "updated"
            found = [row for row in self.rows.values() if since <= from_text(row[by]) <= until]
            found.sort(key=lambda row: (row[by], row["uuid"]))
            if self.in_circles:
                return RawPage(list(self.rows.values()), None, None)
            rows = found[number * size : (number + 1) * size]
            return RawPage(rows, -(-len(found) // size), len(found) if self.with_totals else None)

        return account_pages(read, first_page=first_page)

    def budget(self, seconds: float) -> Budget:
        """A budget of so many seconds, which pass as pages are read."""
        return Budget(self.spent + seconds, reserve=0, monotonic=lambda: self.spent)
