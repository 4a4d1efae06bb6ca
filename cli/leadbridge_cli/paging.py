"""The filters of the list of leads, and its pages."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from leadbridge_cli.api import Api
from leadbridge_cli.exit_codes import Code, Failure

PAGE_SIZE = 100
MAX_PAGES = 10_000
UNITS = {"m": "minutes", "h": "hours", "d": "days"}
PAUSES = (1, 2, 4, 8, 16)  # seconds before another attempt for the same page

Status = Annotated[str | None, typer.Option("--status", help="Only leads in this state, such as failed or incomplete.")]
Outcome = Annotated[
    str | None, typer.Option("--outcome", help="Only leads with this outcome at a partner, such as issued or declined.")
]
Stage = Annotated[
    str | None, typer.Option("--stage", help="Only leads that reached this stage: submitted, approved or issued.")
]
Source = Annotated[str | None, typer.Option("--source", help="Only leads of this source.")]
OfPartner = Annotated[str | None, typer.Option("--partner", help="Only leads with a delivery to this partner.")]
Phone = Annotated[str | None, typer.Option("--phone", help="Only leads with this phone, in any notation.")]
Search = Annotated[
    str | None,
    typer.Option("--search", help="Only leads with this phone, e-mail, lead id, deal number, account id or name."),
]
Campaign = Annotated[str | None, typer.Option("--campaign", help="Only leads of this campaign.")]
Problem = Annotated[
    str | None,
    typer.Option("--problem", help="Only leads with this problem: person.phone, required, person.phone:required."),
]
Since = Annotated[str | None, typer.Option("--since", help="Received since: 7d, 12h, 30m, a day or a time.")]
Until = Annotated[
    str | None, typer.Option("--until", help="Received until the end of this day, or before: 7d, 12h, 30m, a time.")
]
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
    search: str | None = None
    campaign: str | None = None
    problem: str | None = None
    since: str | None = None
    until: str | None = None
    stage: str | None = None

    @property
    def query(self) -> dict[str, str | None]:
        """Return the query parameters."""
        return {**vars(self), "attention": "true" if self.attention else None}


def read_filters(
    status: Status = None,
    outcome: Outcome = None,
    stage: Stage = None,
    source: Source = None,
    partner: OfPartner = None,
    phone: Phone = None,
    search: Search = None,
    campaign: Campaign = None,
    problem: Problem = None,
    since: Since = None,
    until: Until = None,
    attention: Attention = False,
) -> LeadQuery:
    """Return the filters that the options name."""
    return LeadQuery(
        status,
        source,
        partner,
        phone,
        attention=attention,
        outcome=outcome,
        stage=stage,
        search=search,
        campaign=campaign,
        problem=problem,
        since=time_ago(since),
        until=time_ago(until),
    )


def time_ago(text: str | None, now: datetime | None = None) -> str | None:
    """Return the time of `7d`, `12h` or `30m` ago; any other text as it is, for the API to read."""
    found = re.fullmatch(r"([1-9][0-9]{0,4})([mhd])", text or "")
    if found is None:
        return text
    moment = (now or datetime.now(UTC)) - timedelta(**{UNITS[found[2]]: int(found[1])})
    return moment.isoformat(timespec="seconds")


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
