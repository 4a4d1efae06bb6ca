"""How long warm functions take to answer, in this process, with the emulated AWS in another one.

`reception`: receive_lead, for every kind of form, compared with its table writes. A post needs one transaction, and one
from a source with `per_minute` is counted before it. The ratios compare with the writes as botocore sends them: those
that the product sends itself are cheaper (runtime/aws_transport.py), and to make them cheaper still must not look like
a slower answer. `by_our_client` compares with those, for the slowest form.

`lists`: the operators' lists, searches and the inbox at 10,000 leads, of 300 ms. Two of three leads have the same
surname. The fastest answer counts: it is the one that nothing else on the machine has delayed.

Everything is read or posted in each round, so that a disturbance of the machine affects all.
"""

from __future__ import annotations

import base64
import json
import os
import re
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any
from unittest.mock import patch

from events.sign import signed
from leadbridge import settings
from leadbridge.domain.delivery import State
from leadbridge.domain.fields.hashes import keyed_hash
from leadbridge.domain.lead import lead_id_of
from leadbridge.runtime.aws_transport import HttpSender
from leadbridge.storage.table import Table
from quality.benchmarks.report import Measurement, median_text
from quality.benchmarks.stack import Environment, context, environment
from quality.testkit.lambda_runtime.cloud import INDEX_KEY, SECRET, Event
from quality.testkit.lambda_runtime.samples import sample
from quality.testkit.many_leads import COMMON, SOURCES, store_leads

WARM_UP = 10
CASES = (
    *("good", "trading", "tilda_lead", "typeform_lead", "webflow_signed", "elementor_advanced", "jotform_lead"),
    *("google_lead", "tally_lead", "plain_urlencoded", "plain_multipart", "plain_json", "meta_lead"),
)
LEADS, PAGE = 10_000, 50
LIMIT_MS = 300
# Of a hundred leads 4 have failed, one is rejected, and of one the reply was lost: 400 of the inbox's leads.
USUAL = (State.SUBMITTED, State.CLOSED, State.RECEIVED)
KINDS = [State.FAILED] * 4 + [State.REJECTED, State.UNKNOWN] + [*USUAL] * 31 + [State.SUBMITTED]
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


def one_post(on: Environment, event: Event) -> tuple[float, float]:
    """Milliseconds of one answer, and of its writes."""
    spent = [0.0]

    def timed(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return method(*args, **kwargs)
            finally:
                spent[0] += time.perf_counter() - began

        return call

    with patch.multiple(Table, transact=timed(Table.transact), write=timed(Table.write)):
        began = time.perf_counter()
        on.receive(event)
        taken = time.perf_counter() - began
    return taken * 1000, spent[0] * 1000


def secret_of(source: str) -> str:
    return SECRET if source.startswith("web") and not source.startswith("webflow") else f"a-secret-of-{source}"


def source_secrets() -> dict[str, Any]:
    """A secret of every source. Leads per minute are counted, but not limited."""
    sources = settings.settings().sources
    for name, source in sources.items():
        sources[name] = source.model_copy(update={"per_minute": 60_000 if source.per_minute else 0})
    return {name: {"secrets": [secret_of(name)]} for name in sources}


def fresh(case: str, number: int) -> Event:
    """A sample, signed, as a new lead."""
    event = sample("ReceiveLead", case)
    unique = f"{number:06d}{os.getpid() % 10000:04d}"
    if "webhook-id" in event["headers"]:
        event["headers"]["webhook-id"] += unique
    body = base64.b64decode(event["body"]).decode("latin-1") if event["isBase64Encoded"] else event["body"]
    keys = "event_id|responseId|token|lead_id|submissionID"
    if case != "typeform_lead":  # the ids in its answers are those of the form's fields
        keys += "|id"
    body = re.sub(rf'("(?:{keys})"\s*:\s*")', rf"\g<1>{unique}", body)
    body = re.sub(r'("leadgen_id"\s*:\s*"?)', rf"\g<1>{unique}", body)
    body = re.sub(r"(tranid=|submissionID\"\r\n\r\n|your-city=|form_id=)", rf"\g<1>{unique}", body)
    body = re.sub(r"(@|%40)example\.com", rf"{unique}\g<1>example.com", body)
    event["body"] = base64.b64encode(body.encode("latin-1")).decode() if event["isBase64Encoded"] else body
    return signed(event, secret_of(event["pathParameters"]["source"]), int(time.time()))


def reception(rounds: int) -> list[Measurement]:
    times: dict[str, list[tuple[float, float, float]]] = {case: [] for case in CASES}
    with environment("ReceiveLead", sources=source_secrets) as on:
        for number in range(rounds + WARM_UP):
            for case in CASES:
                answer, written = one_post(on, fresh(case, 2 * number))
                with patch.object(HttpSender, "__call__", lambda *_, **__: None):  # botocore sends then
                    _, by_botocore = one_post(on, fresh(case, 2 * number + 1))
                if number >= WARM_UP:
                    times[case].append((answer, written, by_botocore))
    rows, ratios, own = [], {}, []
    for case, found in times.items():
        ratios[case] = median(answer / reference for answer, _, reference in found)
        own.append(median(answer / written for answer, written, _ in found))
        columns = (median_text(one, 2) for one in zip(*found, strict=True))
        rows.append((case, *columns, f"{ratios[case]:.2f}", f"{own[-1]:.2f}"))
    head = ("form", "answer, ms", "its writes, ms", "by botocore, ms", "answer × by botocore", "answer × its writes")
    title = f"receive_lead, warm, in one process: medians of {rounds} posts each"
    return [Measurement("reception", title, head, tuple(rows), {**ratios, "by_our_client": max(own)})]


def lists(rounds: int) -> list[Measurement]:
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
    rows = tuple((name, f"{min(of):.0f}", median_text(of, 0), str(queries[name])) for name, of in times.items())
    ratios = {name: min(answers) / LIMIT_MS for name, answers in times.items()}
    title = f"manage_leads, warm, in one process, {LEADS:,} leads, pages of {PAGE}; the fastest of {rounds}"
    return [Measurement("lists", title, ("", "fastest, ms", "median, ms", "queries"), rows, ratios)]


def read(app: Any, resource: str, query: dict[str, str]) -> tuple[float, Any]:
    """Return the milliseconds of an answer, and what it is. Raises SystemExit if it is an error."""
    event = sample("ManageLeads", "list") | {"resource": resource, "path": resource, "queryStringParameters": query}
    began = time.perf_counter()
    answer = app.handler(event, context())
    taken = (time.perf_counter() - began) * 1000
    if answer["statusCode"] != 200:
        raise SystemExit(f"{resource} {query} was answered {answer}")
    return taken, json.loads(answer["body"])
