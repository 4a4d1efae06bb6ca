"""How long the operators' lists, searches and the inbox take at 10,000 leads, of 300 ms.

The handler runs in this process, and the emulated AWS in another one. Two of three leads have the same surname. Every
list is read in each round. The fastest answer counts: it is the one that nothing else on the machine has delayed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from functools import partial
from typing import Any
from unittest.mock import patch

from leadbridge.domain.delivery import State
from leadbridge.domain.fields.hashes import keyed_hash
from leadbridge.domain.lead import lead_id_of
from leadbridge.storage.table import Table
from quality.benchmarks.measurement import Measurement, median_text
from quality.benchmarks.stack import Context, environment
from quality.testkit.lambda_runtime.cloud import INDEX_KEY
from quality.testkit.lambda_runtime.samples import sample
from quality.testkit.many_leads import COMMON, SOURCES, store_leads

LEADS, PAGE = 10_000, 50
LIMIT_MS = 300
# Of a hundred leads 4 have failed, one is rejected, and of one the reply was lost: 400 of the inbox's leads.
KINDS = (
    (State.FAILED,) * 4
    + (State.REJECTED, State.UNKNOWN)
    + (State.SUBMITTED, State.CLOSED, State.RECEIVED) * 31
    + (State.SUBMITTED,)
)
LISTS: dict[str, dict[str, str]] = {
    "all": {},
    "by_source": {"source": SOURCES[0]},
    "by_partner": {"partner": "leadleader"},
    "by_status": {"status": "failed"},
    "by_outcome": {"outcome": "issued"},
    "by_problem": {"problem": "rate_limited"},
    "by_campaign": {"campaign": "c3"},
    "by_days": {"since": "2026-03-01T13:00:00Z", "until": "2026-03-01T14:00:00Z"},
    "by_status_source_and_partner": {"status": "closed", "source": SOURCES[0], "partner": "leadleader"},
    "by_campaign_and_outcome": {"campaign": "c3", "outcome": "issued"},
    "by_stage": {"stage": "approved"},
    "by_campaign_and_stage": {"campaign": "c3", "source": SOURCES[0], "stage": "issued"},
    "needs_attention": {"attention": "true"},
    "no_match": {"source": "elementor-credit"},
    "search_phone": {"search": "050 000 00 24"},
    "search_email": {"search": "a24@example.com"},
    "search_lead_id": {"search": lead_id_of(SOURCES[0], "id:24")},
    "search_deal": {"search": "25"},
    "search_surname": {"search": COMMON},
    "search_name": {"search": f"Олена {COMMON}"},
    "search_nobody": {"search": "Ніхтоненко"},
}
EMPTY = {"needs_attention", "no_match", "search_nobody"}
NEXT_PAGE, INBOX = "next_page", "inbox"


def measure(rounds: int) -> Iterator[Measurement]:
    with environment("ManageLeads") as on:
        app = on.apps["ManageLeads"]
        table = Table(on.cloud.client("dynamodb"), on.cloud.ref("Leads"))
        store_leads(table, 0, LEADS, partial(keyed_hash, INDEX_KEY), KINDS)
        requests = {name: ("/leads", {**query, "limit": str(PAGE)}) for name, query in LISTS.items()}
        _, first = read(app, *requests["all"])
        requests[NEXT_PAGE] = ("/leads", {"limit": str(PAGE), "cursor": first["cursor"]})
        requests[INBOX] = ("/inbox", {})
        queries: dict[str, int] = {}
        for name, request in requests.items():  # also the warm-up
            with patch.object(Table, "page", autospec=True, side_effect=Table.page) as page:
                _, answer = read(app, *request)
            queries[name] = page.call_count
            if not answer.get("leads", answer.get("groups")) and name not in EMPTY:
                raise SystemExit(f"{name} is empty")
        times: dict[str, list[float]] = {name: [] for name in requests}
        for _ in range(rounds):
            for name, request in requests.items():
                times[name].append(read(app, *request)[0])
    ratios = {name: min(answers) / LIMIT_MS for name, answers in times.items()}
    rows = [
        (name, f"{min(answers):.0f}", median_text(answers, 0), str(queries[name])) for name, answers in times.items()
    ]
    title = f"manage_leads, warm, in one process, {LEADS:,} leads, pages of {PAGE}; the fastest of {rounds}"
    yield Measurement("lists", title, ("", "fastest, ms", "median, ms", "queries"), tuple(rows), ratios)


def read(app: Any, resource: str, query: dict[str, str]) -> tuple[float, Any]:
    """Return the milliseconds of an answer, and what it is. Raises SystemExit if it is an error."""
    event = sample("ManageLeads", "list") | {"resource": resource, "path": resource, "queryStringParameters": query}
    began = time.perf_counter()
    answer = app.handler(event, Context())
    taken = (time.perf_counter() - began) * 1000
    if answer["statusCode"] != 200:
        raise SystemExit(f"{resource} {query} was answered {answer}")
    return taken, json.loads(answer["body"])
