"""Leads for a further partner: which ones are chosen from the list, and what happened to each."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from leadbridge_cli.api import Api
from leadbridge_cli.exit_codes import Code, Failure, usage_error
from leadbridge_cli.output import Renderable, line, table
from leadbridge_cli.paging import LeadQuery, iter_pages

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
KEPT = {Code.USAGE, Code.NOT_FOUND, Code.CONFLICT}  # failures that concern one lead; others end the command


@dataclass(frozen=True)
class Selection:
    """The leads to send: those whose delivery to `partner` has the state `status`, received since a time."""

    status: str
    partner: str
    to: str
    since: datetime
    source: str | None = None

    def leads(self, api: Api) -> Iterator[dict[str, Any]]:
        """Yield the leads, newest first, without those that have a delivery to the target. Raises Failure."""
        wanted = LeadQuery(status=self.status, source=self.source, partner=self.partner)
        for page in iter_pages(api, wanted):
            for lead in page["leads"]:
                if datetime.fromisoformat(lead["received_at"]) < self.since:
                    return
                deliveries = lead.get("deliveries") or {}
                state = (deliveries.get(self.partner) or {}).get("state")
                if state == self.status and self.to not in deliveries and not lead.get("erased_at"):
                    yield lead


def parse_since(text: str, now: datetime | None = None) -> datetime:
    """Return the time of `7d`, `12h`, `30m` ago, or of an RFC 3339 time or date. Raises Failure."""
    if (found := re.fullmatch(r"([1-9][0-9]{0,4})([mhd])", text)) is not None:
        return (now or datetime.now(UTC)) - timedelta(**{_UNITS[found[2]]: int(found[1])})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise usage_error(f"--since {text!r} is neither a duration such as 7d, 12h or 30m nor a time.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def send(api: Api, lead_id: str, partner: str, *, is_confirmed: bool = False) -> dict[str, Any]:
    """Open a delivery of a lead to a partner. Raises Failure."""
    body: dict[str, Any] = {"partner": partner, **({"confirm": True} if is_confirmed else {})}
    return api.post("leads", lead_id, "deliveries", body=body)


def send_each(api: Api, lead_ids: Iterable[str], partner: str) -> Iterator[tuple[str, str | None]]:
    """Send leads one after another. Yields each lead's id, and why it was not sent; None if it was.

    Raises Failure if the API does not answer or rejects the token.
    """
    for lead_id in lead_ids:
        try:
            send(api, lead_id, partner)
        except Failure as failure:
            if failure.code not in KEPT:
                raise Failure(failure.code, f"{lead_id}: {failure.text} Repeat the command for the rest.") from failure
            yield lead_id, failure.text
        else:
            yield lead_id, None


def render_results(partner: str, sent: int, refused: dict[str, str]) -> Iterable[Renderable]:
    """Yield how many leads the partner gets, and why it does not get the others."""
    yield line(f"{sent} leads are sent to {partner}.")
    if refused:
        yield table(("lead", "not sent because"), refused.items())
