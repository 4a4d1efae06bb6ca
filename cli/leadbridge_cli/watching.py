"""Changes in the list of leads, found by looking at its newest page again and again."""

from collections.abc import Callable, Iterator
from time import sleep
from typing import Any

from leadbridge_cli.api import Api
from leadbridge_cli.exit_codes import Code, Failure
from leadbridge_cli.lead_tables import deliveries_of
from leadbridge_cli.paging import PAGE_SIZE, LeadQuery

MAX_SECONDS = 86_400  # of one command
MAX_FAILURES = 20  # in a row
MAX_KNOWN = 10_000  # leads whose state is remembered
SHOWN = ("state", "outcome", "partner_status", "attention", "last_error_code")


def iter_changes(api: Api, wanted: LeadQuery, every: int, *, note: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """Yield each lead that is new or has changed since the last look, the oldest first.

    Raises Failure if the API refuses, or has not answered many times in a row.
    """
    known: dict[str, Any] | None = None
    failures = 0
    for _ in range(max(MAX_SECONDS // every, 1)):
        if known is not None:
            sleep(every)
        try:
            leads = api.get("leads", **wanted.query, masked="true", limit=PAGE_SIZE)["leads"]
        except Failure as failure:
            failures += 1
            if failures > MAX_FAILURES or known is None or not (failure.is_brief or failure.code is Code.NO_ANSWER):
                raise
            note(failure.text)
            continue
        failures = 0
        states = {lead["lead_id"]: _state(lead) for lead in leads}
        if known is not None:
            if len(leads) == PAGE_SIZE and not states.keys() & known.keys():
                note(f"More than {PAGE_SIZE} new leads: some are not shown. Use more filters, or leads list --all.")
            yield from (lead for lead in reversed(leads) if known.get(lead["lead_id"]) != states[lead["lead_id"]])
        known = {**(known or {}), **states}
        for lead_id in [*known][: max(len(known) - MAX_KNOWN, 0)]:
            del known[lead_id]


def _state(lead: dict[str, Any]) -> Any:
    deliveries = {partner: [each.get(name) for name in SHOWN] for partner, each in deliveries_of(lead)}
    return lead["status"], deliveries
