"""Paging through the list of leads."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from leadbridge_cli.api import Api
from leadbridge_cli.exit_codes import Code, Failure

PAGE_SIZE = 100
MAX_PAGES = 10_000


@dataclass(frozen=True)
class LeadQuery:
    """Filters of a list of leads; None matches all. `masked` requests masked contact data."""

    status: str | None = None
    source: str | None = None
    partner: str | None = None
    phone: str | None = None
    attention: bool = False
    outcome: str | None = None
    masked: bool = True

    @property
    def query(self) -> dict[str, str | int | None]:
        """Return the query parameters."""
        flags = {"attention": "true" if self.attention else None, "masked": "true" if self.masked else None}
        names = ("status", "outcome", "source", "partner", "phone")
        return {**{name: getattr(self, name) for name in names}, **flags}


@dataclass(frozen=True)
class Page:
    """A page of leads and the cursor of the next page; None at the end."""

    leads: list[dict[str, Any]]
    cursor: str | None


def iter_pages(api: Api, wanted: LeadQuery, cursor: str | None = None) -> Iterator[Page]:
    """Yield all pages from a cursor on. Raises Failure, also if the pages do not end."""
    for _ in range(MAX_PAGES):
        answer = api.get("leads", **wanted.query, limit=PAGE_SIZE, cursor=cursor)
        page = Page(list(answer["leads"]), answer["cursor"])
        yield page
        if page.cursor is None:
            return
        if page.cursor == cursor:
            raise Failure(Code.REFUSED, "The API returned the same cursor twice.")
        cursor = page.cursor
    raise Failure(Code.REFUSED, f"There are more than {MAX_PAGES * PAGE_SIZE} leads. Use more filters.")
