"""Warm functions in this process: the CPU time of a lead, the time of an answer, leads a second and what they leave.

docs/benchmarks.md says what each is compared with. The emulated AWS and the partners are other processes.
"""

from __future__ import annotations

import base64
import gc
import json
import os
import re
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from statistics import linear_regression, median
from tempfile import TemporaryFile
from typing import Any
from unittest.mock import patch

import simplejson
import urllib3
from botocore.config import Config
from botocore.session import get_session

from events.sign import signed
from leadbridge import settings
from leadbridge.domain.acceptance.build import build_lead
from leadbridge.domain.clock import utc_now
from leadbridge.domain.events import read_delivery_changed
from leadbridge.domain.lead import Lead, lead_id_of
from leadbridge.domain.routing.rules import RoutingFacts, choose_partners
from leadbridge.forms.base import Request, adapter_named
from leadbridge.partners.leadleader.client import LeadLeaderCredentials, authorization, short_deal
from leadbridge.runtime import aws
from leadbridge.runtime.aws_transport import HttpSender
from leadbridge.storage import items
from leadbridge.storage.table import Table
from quality.benchmarks.report import Measurement, median_text
from quality.benchmarks.shipped import LENDER
from quality.benchmarks.stack import HOME, Environment, environment, observed, peak_mib, post, resident_kib, submission
from quality.testkit.aws.capacity import Meter
from quality.testkit.lambda_runtime.cloud import SECRET, Event
from quality.testkit.lambda_runtime.samples import sample

WARM_UP, WARM_UP_OF_FORMS = 50, 10
OTHER_LEADS = 10**9  # added to a round's number for another lead
WHOLE, PARTS = ("receive", "submit"), ("validation", "writes", "encryption", "calls")
OWN = "writes by our client"
TIMEOUT = urllib3.Timeout(connect=3, read=15)
CASES = (
    *("good", "trading", "tilda_lead", "typeform_lead", "webflow_signed", "elementor_advanced", "jotform_lead"),
    *("google_lead", "tally_lead", "plain_urlencoded", "plain_multipart", "plain_json", "meta_lead"),
)
WRITES = {"TransactWriteItems", "PutItem", "UpdateItem"}
EVERY = 10  # leads between two samples of the memory
LATER = 0.75  # the share of the leads, the last ones, for the line

type Steps = list[tuple[str, dict[str, Any] | None]]  # calls: to the table, with the request, or to the lender


def for_another(steps: Steps, number: int) -> Steps:
    """The recorded steps, for another lead."""
    text = re.sub(r"ld_[a-z2-7]{26}", f"ld_again{number:018d}", json.dumps(steps))
    text = re.sub(r"[0-9a-f]{64}", lambda one: sha256(f"{one[0]}{number}".encode()).hexdigest(), text)
    text = re.sub(r"DEAL#leadleader#\d+", f"DEAL#leadleader#{10**9 + number}", text)
    text = re.sub(r', "ClientRequestToken": "[0-9a-f]+"', "", text)  # a token is good for one write
    return [(operation, request) for operation, request in json.loads(text)]


def call(pool: urllib3.PoolManager, url: str, body: Mapping[str, Any], token: str = "") -> Any:
    sent = simplejson.dumps(body, use_decimal=True, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json; charset=utf-8"} | (
        {"Authorization": f"Bearer {token}"} if token else {}
    )
    answer = pool.request("POST", url, body=sent, headers=headers, timeout=TIMEOUT)
    if answer.status != 200:
        raise SystemExit(f"{url} answered {answer.status}")
    return answer.json()


def validate(event: Event) -> Lead:
    """The signature of a post, its body, the lead."""
    known = settings.settings()
    source = known.sources["web"]
    request, adapter = Request.of(event), adapter_named(source.adapter)
    adapter.verify(request, [SECRET], utc_now())
    (submission,) = adapter.parse(request, source)
    return build_lead(
        submission.values,
        lead_id=lead_id_of("web", f"id:{submission.delivery_id}"),
        source="web",
        received_at=utc_now(),
        partners=known.partners,
        choose=lambda request: choose_partners(source, RoutingFacts(request.value, submission.answers, utc_now())),
    )


def read_back(message: Event, lead: items.Item, delivery: items.Item) -> Lead:
    read_delivery_changed(json.loads(message["Records"][0]["body"]))
    items.delivery_of(items.decode(delivery))
    return items.lead_of(items.decode(lead))


def warm(rounds: int) -> list[Measurement]:
    """The whole and its parts, in turns."""
    # A plain client with the timeouts and attempts of the product's own.
    config = Config(connect_timeout=1, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 3})
    with environment("ReceiveLead", "SubmitLead") as on, urllib3.PoolManager(retries=False) as pool:
        steps, units = recorded(on)
        client = get_session().create_client("dynamodb", config=config)
        gc.freeze()  # the collector ignores the benchmark's own objects
        found = [one_round(on, steps, client, pool, number) for number in range(1, WARM_UP + rounds + 1)][WARM_UP:]
    medians = {name: median(one[name] for one in found) for name in (*WHOLE, *PARTS, OWN)}
    whole, least = sum(medians[name] for name in WHOLE), sum(medians[name] for name in PARTS)
    own, calls = least - medians["writes"] + medians[OWN], sum(request is not None for _, request in steps)
    rows = (
        *((name, f"{medians[name]:.2f}") for name in WHOLE),
        ("both", f"**{whole:.2f}**"),
        *((f"alone: {name}", f"{medians[name]:.2f}") for name in PARTS),
        ("the parts", f"**{least:.2f}**"),
        ("both × the parts", f"{whole / least:.2f}"),
        (f"alone: {OWN}", f"{medians[OWN]:.2f}"),
        ("the parts with these", f"**{own:.2f}**"),
        ("both × the parts with these", f"{whole / own:.2f}"),
        ("calls to the table", f"{calls}"),
        ("write units", f"{units:g}"),
    )
    ratios = {"lead": whole / least, "lead_by_our_client": whole / own, "table_calls": calls, "write_units": units}
    title = f"CPU time of one lead on warm functions, medians of {rounds} leads"
    return [Measurement("warm", title, ("", "CPU, ms"), rows, ratios)]


def recorded(on: Environment) -> tuple[Steps, float]:
    """Process one lead. Returns its calls, and the write units that they take."""
    steps: Steps = []
    meter = Meter()

    def note(service: str, operation: str, request: Event, answer: Event) -> None:
        if service == "dynamodb":
            steps.append((operation, json.loads(json.dumps(request))))
            meter.count(operation, request, answer)

    with observed(note, lambda operation: steps.append((operation, None))):
        on.submit(submission(on.receive(post(0))))
    return steps, meter.written


def one_round(on: Environment, steps: Steps, client: Any, pool: urllib3.PoolManager, number: int) -> dict[str, float]:
    """CPU milliseconds of this process, with all its threads, for one lead, and for the parts alone."""
    taken: dict[str, float] = defaultdict(float)

    def timed[T](part: str, work: Callable[..., T], *given: Any) -> T:
        began = time.process_time()
        done = work(*given)
        taken[part] += (time.process_time() - began) * 1000
        return done

    event = post(number)
    lead_id = timed("receive", on.receive, event)
    message = submission(lead_id)
    keys = (items.lead_key(lead_id), items.delivery_key(lead_id, LENDER))
    reads = [{"Get": {"TableName": on.cloud.ref("Leads"), "Key": items.encode(key)}} for key in keys]
    kept = on.cloud.client("dynamodb").transact_get_items(TransactItems=reads)["Responses"]
    timed("submit", on.submit, message)
    timed("validation", validate, event)
    lead = timed("validation", read_back, message, *(one["Item"] for one in kept))
    credentials, tokens = LeadLeaderCredentials.of(on.secrets[LENDER]), dict[str, str]()
    for operation, request in for_another(steps, number):
        if request is not None:
            timed("writes", client._make_api_call, operation, request)
        elif operation == "authorize":
            body = timed("encryption", authorization, credentials)
            tokens = timed("calls", call, pool, credentials.auth_url, body)
        else:
            url = f"{credentials.base_url.rstrip('/')}/create-short-deal/"
            deal = {**timed("calls", short_deal, lead), "security_token": tokens["security_token"]}
            timed("calls", call, pool, url, deal, tokens["access_token"])
    own: Any = aws.dynamodb()
    for operation, request in for_another(steps, OTHER_LEADS + number):
        if request is not None:
            timed(OWN, own._make_api_call, operation, request)
    return taken


def one_post(on: Environment, event: Event) -> tuple[float, float]:
    """Milliseconds of one answer, and of its writes."""
    spent = list[float]()

    def timed(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            answer = method(*args, **kwargs)
            spent.append(time.perf_counter() - began)
            return answer

        return call

    with patch.multiple(Table, transact=timed(Table.transact), write=timed(Table.write)):
        began = time.perf_counter()
        on.receive(event)
        taken = time.perf_counter() - began
    return taken * 1000, sum(spent) * 1000


def fresh(case: str, number: int) -> Event:
    """A sample, signed, as a new lead."""
    event = sample("ReceiveLead", case)
    unique = f"{number:06d}{os.getpid() % 10000:04d}"
    if "webhook-id" in event["headers"]:
        event["headers"]["webhook-id"] += unique
    body = base64.b64decode(event["body"]).decode("latin-1") if event["isBase64Encoded"] else event["body"]
    # The ids in the answers of Typeform are those of the form's fields.
    keys = "event_id|responseId|token|lead_id|submissionID" + ("" if case == "typeform_lead" else "|id")
    texts = r"tranid=|submissionID\"\r\n\r\n|your-city=|form_id="
    body = re.sub(rf'("(?:{keys})"\s*:\s*"|"leadgen_id"\s*:\s*"?|{texts})', rf"\g<1>{unique}", body)
    body = re.sub(r"(@|%40)example\.com", rf"{unique}\g<1>example.com", body)
    event["body"] = base64.b64encode(body.encode("latin-1")).decode() if event["isBase64Encoded"] else body
    return signed(event, SECRET, int(time.time()))


def reception(rounds: int) -> list[Measurement]:
    times: dict[str, list[tuple[float, float, float]]] = {case: [] for case in CASES}
    with environment("ReceiveLead") as on:
        sources = settings.settings().sources
        for name, source in sources.items():  # leads per minute are counted, but not limited
            sources[name] = source.model_copy(update={"per_minute": 60_000 if source.per_minute else 0})
        for number in range(rounds + WARM_UP_OF_FORMS):
            for case in CASES:
                answer, written = one_post(on, fresh(case, 2 * number))
                with patch.object(HttpSender, "__call__", lambda *_, **__: None):  # botocore sends then
                    _, by_botocore = one_post(on, fresh(case, 2 * number + 1))
                if number >= WARM_UP_OF_FORMS:
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


def throughput(leads: int) -> list[Measurement]:
    leads = max(100, leads)  # enough for a line
    seconds, cpu, synced = list[float](), list[float](), list[float]()
    memory: list[tuple[int, float]] = []
    with environment("ReceiveLead", "SubmitLead") as on, TemporaryFile(dir=HOME.root) as journal:

        def sync(_service: str, operation: str, request: Event, _answer: Event) -> None:
            if operation in WRITES:
                began = time.perf_counter()
                journal.write(json.dumps([operation, request], default=str).encode() + b"\n")
                journal.flush()
                os.fsync(journal.fileno())
                synced.append(time.perf_counter() - began)

        with observed(sync):
            for number, event in enumerate([post(number) for number in range(WARM_UP + leads)], 1):
                first, before = time.perf_counter(), time.process_time()
                on.submit(submission(on.receive(event)))
                seconds.append(time.perf_counter() - first)
                cpu.append(time.process_time() - before)
                if number > WARM_UP and number % EVERY == 0:
                    memory.append((number, resident_kib()))
        if (deals := len(on.partners.rows("leadleader/deals"))) != WARM_UP + leads:
            raise SystemExit(f"{WARM_UP + leads} leads have become {deals} deals")
    left, seconds, cpu = left_by_each(memory), seconds[WARM_UP:], cpu[WARM_UP:]
    rows = (
        ("leads a second", f"{leads / sum(seconds):.1f}"),
        ("from the post to the written answer of the lender, median, ms", f"{median(seconds) * 1000:.1f}"),
        ("CPU of this process for a lead, ms", f"{sum(cpu) / leads * 1000:.2f}"),
        ("durable writes for a lead", f"{len(synced) / (WARM_UP + leads):.0f}"),
        ("one sync to disk, median, ms", f"{median(synced) * 1000:.2f}"),
        ("peak resident memory, MiB", f"{peak_mib():.1f}"),
        (f"left in memory by each of the last {LATER:.0%} of the leads, KiB", f"{left:.2f}"),
    )
    title = f"{leads} leads, one after the other, received, stored and submitted in one process"
    return [Measurement("throughput", title, ("", "measured"), rows, {"kib_a_lead": left})]


def left_by_each(memory: Sequence[tuple[int, float]]) -> float:
    """KiB that a lead leaves: the slope of a line through (leads, resident KiB) of the later leads."""
    later = memory[len(memory) - max(2, round(len(memory) * LATER)) :]
    return linear_regression(*zip(*later, strict=True)).slope
