"""Reading the list of accounts page by page, while rows come, go and change places."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from math import ceil

from leadbridge.partners.matchtrade.answers import Listed
from leadbridge.partners.matchtrade.rows import BrokerAccount, accounts_of

PAGE_SIZE = 1000
PAGE_CAP = 1000
REMEMBERED = 20_000  # uuids by which a row that comes again is known: rows move by a page or two


@dataclass(frozen=True, slots=True)
class AccountPage:
    """One page of a listing: the rows that were not given before.

    The next one begins at `number + 1`, in this listing or in a later one. `is_last` says that the list was read to its
    end; a listing whose last page is not was stopped by the cap. The totals are None where the partner does not say.
    """

    number: int
    rows: tuple[BrokerAccount, ...]
    total_pages: int | None
    total_rows: int | None
    is_last: bool


def listed(
    read: Callable[[int], Listed], *, first_page: int = 0, page_cap: int = PAGE_CAP, zone: tzinfo = UTC
) -> Iterator[AccountPage]:
    """Pages from `first_page` on, each asked for when the one before has been taken; times are of `zone`.

    It ends with the last page by the partner's count, with an empty page, or after so many pages. Rows that were added
    meanwhile push known ones on to the next page, which are not given twice. Where the count of rows tells that some
    have gone, it goes back by as many pages; where at the end fewer rows came than there are, for some have changed
    places, it goes over all pages once more. Raises what `read` raises.
    """
    seen = _Seen()
    number, total, longest, is_second_time = first_page, None, 1, False
    for _ in range(page_cap):
        found = read(number)
        rows = tuple(seen.new_among(accounts_of(found.rows, zone)))
        longest = max(longest, len(found.rows))
        before, total = total, found.total_rows
        following = number + 1
        if before is not None and total is not None and total < before:
            following = max(first_page, number - ceil((before - total) / longest))
        is_last = following > number and _is_over(found, following)
        if is_last and not is_second_time and total is not None and first_page * longest + seen.given < total:
            following, is_last, is_second_time = first_page, False, True
        yield AccountPage(number, rows, found.total_pages, total, is_last)
        if is_last:
            return
        number = following


def _is_over(found: Listed, following: int) -> bool:
    return not found.rows or (found.total_pages is not None and following >= found.total_pages)


@dataclass
class _Seen:
    """How many rows were given, and the uuids of the last of them: memory does not grow with the list."""

    given: int = 0
    uuids: dict[str, None] = field(default_factory=dict)

    def new_among(self, accounts: list[BrokerAccount]) -> Iterator[BrokerAccount]:
        for account in accounts:
            if account.uuid is not None:
                if account.uuid in self.uuids:
                    continue
                self.uuids[account.uuid] = None
                if len(self.uuids) > REMEMBERED:
                    del self.uuids[next(iter(self.uuids))]
            self.given += 1
            yield account
