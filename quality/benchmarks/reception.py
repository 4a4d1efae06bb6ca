"""How much longer than its table writes receive_lead takes to answer, warm, in one process, for every kind of form.

A post needs one transaction, and one from a source with `per_minute` is counted before it. The ratios compare with the
writes as botocore sends them: those that the product sends itself are cheaper (runtime/aws_transport.py), and to make
them cheaper still must not look like a slower answer. `by_our_client` compares with those, for the slowest form.
"""

from __future__ import annotations

import base64
import os
import re
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

from events.sign import signed
from leadbridge import settings
from leadbridge.runtime.aws_transport import HttpSender
from leadbridge.storage.table import Table
from quality.benchmarks.measurement import Measurement, median_text
from quality.benchmarks.stack import Context, environment
from quality.testkit.lambda_runtime.cloud import SECRET, Event
from quality.testkit.lambda_runtime.samples import sample

WARM_UP = 10
CASES = (
    *("good", "trading", "tilda_lead", "typeform_lead", "webflow_signed", "elementor_advanced", "jotform_lead"),
    *("google_lead", "tally_lead", "plain_urlencoded", "plain_multipart", "plain_json", "meta_lead"),
)


def one_post(app: Any, event: Event) -> tuple[float, float]:
    """Seconds of one answer, and of its writes."""
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
        status = app.handler(event, Context())["statusCode"]
        taken = time.perf_counter() - began
    if status != 202:
        raise SystemExit(f"a post to {event['pathParameters']['source']} was answered {status}")
    return taken, spent[0]


def by_botocore(app: Any, event: Event) -> float:
    """Seconds of the writes of one answer, sent by botocore."""
    with patch.object(HttpSender, "__call__", lambda *_, **__: None):
        return one_post(app, event)[1]


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


def measure(rounds: int) -> Iterator[Measurement]:
    """Every kind of form in each round, so that a disturbance of the machine affects all."""
    times: dict[str, list[tuple[float, float, float]]] = {case: [] for case in CASES}
    with environment("ReceiveLead", sources=source_secrets) as on:
        app = on.app("ReceiveLead")
        for number in range(rounds + WARM_UP):
            for case in CASES:
                taken = *one_post(app, fresh(case, 2 * number)), by_botocore(app, fresh(case, 2 * number + 1))
                if number >= WARM_UP:
                    times[case].append(taken)
    rows, ratios, own = [], {}, []
    for case, found in times.items():
        columns = (median_text([one * 1000 for one in seconds], 2) for seconds in zip(*found, strict=True))
        ratios[case] = statistics.median(answer / reference for answer, _, reference in found)
        own.append(statistics.median(answer / written for answer, written, _ in found))
        rows.append((case, *columns, f"{ratios[case]:.2f}", f"{own[-1]:.2f}"))
    head = ("form", "answer, ms", "its writes, ms", "by botocore, ms", "answer × by botocore", "answer × its writes")
    title = f"receive_lead, warm, in one process: medians of {rounds} posts each"
    yield Measurement("reception", title, head, tuple(rows), {**ratios, "by_our_client": max(own)})
