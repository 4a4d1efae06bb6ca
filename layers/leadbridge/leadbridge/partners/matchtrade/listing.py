"""Read the list of accounts page by page, while rows are added, removed and moved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from math import ceil

from leadbridge.partners.matchtrade.answers import RawPage
from leadbridge.partners.matchtrade.rows import BrokerAccount, accounts_of

PAGE_SIZE = 1000
MAX_PAGES = 1000
MAX_SEEN_UUIDS = 20_000  # for recognizing repeated rows, which move by a page or two


@dataclass(frozen=True, slots=True)
class AccountPage:
    """One page of a listing, without rows of earlier pages.

    The next page is `number + 1`, in this listing or in a later one. `is_last`: the list was read to its end; if no
    page is, `max_pages` ended the listing. The totals are None if the partner does not send them.
    """

    number: int
    rows: tuple[BrokerAccount, ...]
    total_pages: int | None
    total_rows: int | None
    is_last: bool


def account_pages(
    read: Callable[[int], RawPage], *, first_page: int = 0, max_pages: int = MAX_PAGES, zone: tzinfo = UTC
) -> Iterator[AccountPage]:
    """Yield pages from `first_page`, read lazily. `zone` is the time zone of times without an offset.

    Ends after the partner's last page, an empty page, or `max_pages` pages. Added rows move known rows to the next
    page; these are not yielded again. If the total decreases, reading goes back by as many pages. If fewer rows than
    the total were read, because rows moved, all pages are read a second time. Raises what `read` raises.
    """
    seen = _SeenRows()
    number, total, page_rows, is_second_pass = first_page, None, 1, False
    for _ in range(max_pages):
        found = read(number)
        rows = tuple(seen.new_among(accounts_of(found.rows, zone)))
        page_rows = max(page_rows, len(found.rows))
        before, total = total, found.total_rows
        following = number + 1
        if before is not None and total is not None and total < before:
            following = max(first_page, number - ceil((before - total) / page_rows))
        is_last = following > number and _is_last(found, following)
        if is_last and not is_second_pass and total is not None and first_page * page_rows + seen.count < total:
            following, is_last, is_second_pass = first_page, False, True
        yield AccountPage(number, rows, found.total_pages, total, is_last)
        if is_last:
            return
        number = following


def _is_last(found: RawPage, following: int) -> bool:
    return not found.rows or (found.total_pages is not None and following >= found.total_pages)


@dataclass
class _SeenRows:
    """The number of rows and the uuids of the latest ones, so that memory does not grow with the list."""

    count: int = 0
    uuids: dict[str, None] = field(default_factory=dict)

    def new_among(self, accounts: list[BrokerAccount]) -> Iterator[BrokerAccount]:
        for account in accounts:
            if account.uuid is not None:
                if account.uuid in self.uuids:
                    continue
                self.uuids[account.uuid] = None
                if len(self.uuids) > MAX_SEEN_UUIDS:
                    del self.uuids[next(iter(self.uuids))]
            self.count += 1
            yield account
