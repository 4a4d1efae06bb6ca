"""The list of leads, page by page, to its end."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from leadbridge_cli.api import Api
from leadbridge_cli.exit_codes import Code, Failure

PAGE_SIZE = 100
MAX_PAGES = 10_000


@dataclass(frozen=True)
class Wanted:
    """Which leads are asked for; None is any. `masked`: without their people's contact data."""

    status: str | None = None
    source: str | None = None
    partner: str | None = None
    phone: str | None = None
    attention: bool = False
    masked: bool = True

    @property
    def query(self) -> dict[str, str | int | None]:
        """The same, as the API's parameters."""
        flags = {"attention": "true" if self.attention else None, "masked": "true" if self.masked else None}
        return {"status": self.status, "source": self.source, "partner": self.partner, "phone": self.phone, **flags}


@dataclass(frozen=True)
class Page:
    """Some leads, and where the next ones begin; None at the end."""

    leads: list[dict[str, Any]]
    cursor: str | None


def leads_in(api: Api, wanted: Wanted, cursor: str | None = None) -> Iterator[Page]:
    """All pages, from a cursor on. Raises Failure, also where they do not come to an end."""
    for _ in range(MAX_PAGES):
        answer = api.get("leads", **wanted.query, limit=PAGE_SIZE, cursor=cursor)
        page = Page(list(answer["leads"]), answer["cursor"])
        yield page
        if page.cursor is None:
            return
        if page.cursor == cursor:
            raise Failure(Code.REFUSED, "The list does not go on: the API names the same page twice.")
        cursor = page.cursor
    raise Failure(Code.REFUSED, f"There are more than {MAX_PAGES * PAGE_SIZE} leads: ask for fewer.")
