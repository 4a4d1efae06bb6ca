"""Reading the list of accounts page by page, while rows come, go and change places."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import ceil

from leadbridge.partners.matchtrade.answers import Listed
from leadbridge.partners.matchtrade.rows import Account, accounts_of

PAGE_SIZE = 1000
PAGE_CAP = 1000
REMEMBERED = 20_000  # uuids by which a row that comes again is known: rows move by a page or two


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing: the rows that were not given before, and the partner's counts, None where it gives none.

    The next one begins at `number + 1`, in this listing or in a later one. `is_last` says that the list was read to its
    end; a listing whose last page is not was stopped by the cap. Where all rows given from page 0 on are fewer than the
    last `total_rows`, a row has changed its place and was jumped over.
    """

    number: int
    rows: tuple[Account, ...]
    total_pages: int | None
    total_rows: int | None
    is_last: bool


def listed(read: Callable[[int], Listed], *, first_page: int = 0, page_cap: int = PAGE_CAP) -> Iterator[Page]:
    """Pages from `first_page` on, each asked for when the one before has been taken.

    It ends with the last page by the partner's count, with an empty page, or after so many pages. Rows that were added
    meanwhile push known ones on to the next page, which are not given twice; where rows have gone, it goes back by as
    many pages, so that none is jumped over. Raises what `read` raises.
    """
    seen = _Seen()
    number, total, longest = first_page, None, 1
    for _ in range(page_cap):
        found = read(number)
        rows = tuple(seen.new_among(accounts_of(found.rows)))
        longest = max(longest, len(found.rows))
        before, total = total, found.total_rows
        gone = 0 if before is None or total is None else before - total
        following = max(first_page, number - ceil(gone / longest)) if gone > 0 else number + 1
        is_over = not found.rows or (found.total_pages is not None and following >= found.total_pages)
        is_last = is_over and following > number
        yield Page(number, rows, found.total_pages, total, is_last)
        if is_last:
            return
        number = following


@dataclass
class _Seen:
    """The last uuids that were given; memory does not grow with the list."""

    uuids: dict[str, None] = field(default_factory=dict)

    def new_among(self, accounts: list[Account]) -> Iterator[Account]:
        for account in accounts:
            if account.uuid is not None:
                if account.uuid in self.uuids:
                    continue
                self.uuids[account.uuid] = None
                if len(self.uuids) > REMEMBERED:
                    del self.uuids[next(iter(self.uuids))]
            yield account
