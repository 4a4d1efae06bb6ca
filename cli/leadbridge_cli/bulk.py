"""One action for many leads: which ones are chosen from the list, and what happened to each."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from leadbridge_cli.api import Api
from leadbridge_cli.exit_codes import Code, Failure, usage_error
from leadbridge_cli.output import Renderable, line, table
from leadbridge_cli.paging import LeadQuery, iter_pages, time_ago

KEPT = {Code.USAGE, Code.NOT_FOUND, Code.CONFLICT}  # failures that concern one lead; others end the command


@dataclass(frozen=True)
class Selection:
    """Leads whose delivery to `partner` has the state `status`, received since a time, without one to `without`."""

    status: str
    partner: str
    since: datetime
    source: str | None = None
    without: str | None = None

    def leads(self, api: Api) -> Iterator[dict[str, Any]]:
        """Yield the leads, newest first. Raises Failure."""
        wanted = LeadQuery(status=self.status, source=self.source, partner=self.partner)
        for page in iter_pages(api, wanted):
            for lead in page["leads"]:
                if datetime.fromisoformat(lead["received_at"]) < self.since:
                    return
                deliveries = lead.get("deliveries") or {}
                state = (deliveries.get(self.partner) or {}).get("state")
                if state == self.status and self.without not in deliveries and not lead.get("erased_at"):
                    yield lead


def chosen_leads(api: Api, selection: Selection, at_most: int) -> list[dict[str, Any]]:
    """Return the newest leads of a selection. Raises Failure."""
    return list(islice(selection.leads(api), at_most))


def parse_since(text: str, now: datetime | None = None) -> datetime:
    """Return the time of `7d`, `12h`, `30m` ago, or of an RFC 3339 time or date. Raises Failure."""
    try:
        moment = datetime.fromisoformat(time_ago(text, now) or "")
    except ValueError:
        raise usage_error(f"--since {text!r} is neither a duration such as 7d, 12h or 30m nor a time.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def open_delivery(api: Api, lead_id: str, partner: str, *, is_confirmed: bool = False) -> dict[str, Any]:
    """Open a delivery of a lead to a partner. Raises Failure."""
    body: dict[str, Any] = {"partner": partner, **({"confirm": True} if is_confirmed else {})}
    return api.post("leads", lead_id, "deliveries", body=body)


def apply_to_each(lead_ids: Iterable[str], call: Callable[[str], object]) -> Iterator[tuple[str, str | None]]:
    """Call for one lead after another. Yields each lead's id, and why it was refused; None if it was not.

    Raises Failure if the API does not answer or rejects the token.
    """
    for lead_id in lead_ids:
        try:
            call(lead_id)
        except Failure as failure:
            if failure.code not in KEPT:
                raise Failure(failure.code, f"{lead_id}: {failure.text} Repeat the command for the rest.") from failure
            yield lead_id, failure.text
        else:
            yield lead_id, None


def render_results(summary: str, refused: list[dict[str, str]]) -> Iterable[Renderable]:
    """Yield what was done, and the leads with which it was not."""
    yield line(summary)
    if refused:
        yield table(("lead", "refused because"), (each.values() for each in refused))
