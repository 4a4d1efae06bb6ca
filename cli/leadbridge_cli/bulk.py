"""One action for many leads: which ones are chosen from the list, and what happened to each."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from leadbridge_cli.api import Api
from leadbridge_cli.exit_codes import Code, Failure
from leadbridge_cli.output import Renderable, line, table
from leadbridge_cli.paging import LeadQuery, iter_pages

KEPT = {Code.USAGE, Code.NOT_FOUND, Code.CONFLICT}  # failures that concern one lead; others end the command


def chosen_leads(api: Api, wanted: LeadQuery, at_most: int, *, without: str | None = None) -> list[dict[str, Any]]:
    """Return the newest leads whose delivery to the partner has the status, without those that have one to `without`.

    Raises Failure.
    """

    def is_chosen(lead: dict[str, Any]) -> bool:
        deliveries = lead.get("deliveries") or {}
        state = (deliveries.get(wanted.partner) or {}).get("state")
        return state == wanted.status and without not in deliveries and not lead.get("erased_at")

    leads = (lead for page in iter_pages(api, wanted) for lead in page["leads"])
    return list(islice(filter(is_chosen, leads), at_most))


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
