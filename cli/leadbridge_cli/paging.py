"""The filters of the list of leads, and its pages."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from leadbridge_cli.api import Api
from leadbridge_cli.exit_codes import Code, Failure

PAGE_SIZE = 100
MAX_PAGES = 10_000
PAUSES = (1, 2, 4, 8, 16)  # seconds before another attempt for the same page

Status = Annotated[str | None, typer.Option("--status", help="Only leads in this state, such as failed or incomplete.")]
Outcome = Annotated[
    str | None, typer.Option("--outcome", help="Only leads with this outcome at a partner, such as issued or declined.")
]
Source = Annotated[str | None, typer.Option("--source", help="Only leads of this source.")]
OfPartner = Annotated[str | None, typer.Option("--partner", help="Only leads with a delivery to this partner.")]
Phone = Annotated[str | None, typer.Option("--phone", help="Only leads with this phone, in any notation.")]
Attention = Annotated[bool, typer.Option("--attention", help="Only leads whose partner no longer confirms the id.")]


@dataclass(frozen=True)
class LeadQuery:
    """Filters of a list of leads; None matches all."""

    status: str | None = None
    source: str | None = None
    partner: str | None = None
    phone: str | None = None
    attention: bool = False
    outcome: str | None = None

    @property
    def query(self) -> dict[str, str | int | None]:
        """Return the query parameters."""
        names = ("status", "outcome", "source", "partner", "phone")
        return {**{name: getattr(self, name) for name in names}, "attention": "true" if self.attention else None}


def read_filters(
    status: Status = None,
    outcome: Outcome = None,
    source: Source = None,
    partner: OfPartner = None,
    phone: Phone = None,
    attention: Attention = False,
) -> LeadQuery:
    """Return the filters that the options name."""
    return LeadQuery(status, source, partner, phone, attention=attention, outcome=outcome)


def iter_pages(
    api: Api, wanted: LeadQuery, cursor: str | None = None, *, path: tuple[str, ...] = ("leads",), **more: str | None
) -> Iterator[dict[str, Any]]:
    """Yield the answers for all pages from a cursor on; `more` are further query parameters.

    A page is requested again after a brief failure. Raises Failure, also if the pages do not end.
    """
    query = {"masked": "true", **wanted.query, **more, "limit": PAGE_SIZE}
    for _ in range(MAX_PAGES):
        page = _page(api, path, {**query, "cursor": cursor})
        yield page
        if page["cursor"] is None:
            return
        if page["cursor"] == cursor:
            raise Failure(Code.REFUSED, "The API returned the same cursor twice.")
        cursor = page["cursor"]
    raise Failure(Code.REFUSED, f"There are more than {MAX_PAGES * PAGE_SIZE} leads. Use more filters.")


def _page(api: Api, path: tuple[str, ...], query: dict[str, str | int | None]) -> dict[str, Any]:
    """Return a page. An API that cannot be reached is called again only after the first page."""
    for pause in PAUSES:
        try:
            return api.get(*path, **query)
        except Failure as failure:
            if not (failure.is_brief or (failure.code is Code.NO_ANSWER and query["cursor"])):
                raise
            time.sleep(pause)
    return api.get(*path, **query)
