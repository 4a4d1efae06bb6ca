"""The CPU time of a lead in warm functions, relative to that of its necessary parts alone, in the same rounds.

The parts: `validation` of the post, the message and the stored items; `writes`, the same table calls for another lead
by a plain botocore client; `encryption` with parsed keys; `calls`, the two posts to the lender by urllib3 alone. Also
the same writes by the product's own client (leadbridge/runtime/aws.py).
"""

from __future__ import annotations

import base64
import gc
import json
import re
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import simplejson
import urllib3
from botocore.config import Config
from botocore.session import get_session
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from leadbridge.domain.acceptance.build import build_lead
from leadbridge.domain.clock import utc_now
from leadbridge.domain.events import read_delivery_changed
from leadbridge.domain.lead import Lead, lead_id_of
from leadbridge.domain.routing.rules import RoutingFacts, choose_partners
from leadbridge.forms.base import Request, adapter_named
from leadbridge.partners.leadleader.client import short_deal
from leadbridge.runtime import aws
from leadbridge.settings import settings
from leadbridge.storage import items
from quality.benchmarks.measurement import Measurement, median_text
from quality.benchmarks.stack import Environment, environment, observed, post, submission
from quality.testkit.aws.capacity import Meter
from quality.testkit.lambda_runtime.cloud import SECRET, Event
from quality.testkit.way import WAY, spelt

WARM_UP = 15
OTHER_LEADS = 10**9  # added to a round's number for another lead
WHOLE, PARTS = ("receive", "submit"), ("validation", "writes", "encryption", "calls")
OWN = "writes by our client"
HASHES = ("phone_hash", "email_hash", "tax_hash", "name_hash")
TIMEOUT = urllib3.Timeout(connect=3, read=15)


@dataclass(frozen=True)
class Step:
    """One call for a lead: to the table, with the request, or to the lender."""

    operation: str
    request: dict[str, Any] | None = None


@dataclass(frozen=True)
class Bare:
    """The parts alone, in the handlers' order."""

    secret: dict[str, Any]
    steps: list[Step]
    first: items.Item
    public: RSAPublicKey
    private: RSAPrivateKey
    pool: urllib3.PoolManager
    client: Any

    def run(
        self, number: int, event: Event, message: Event, lead: items.Item, delivery: items.Item
    ) -> dict[str, float]:
        """CPU milliseconds of each part, for a new lead."""
        steps = self.steps_of(number)
        taken = dict.fromkeys(PARTS, 0.0)
        tokens: dict[str, str] = {}

        def add[T](part: str, work: Callable[..., T], *given: Any) -> T:
            milliseconds, done = timed(work, *given)
            taken[part] += milliseconds
            return done

        add("validation", validate, event)
        read = add("validation", read_back, message, lead, delivery)
        for step in steps:
            if step.request is not None:
                add("writes", written, self.client, step)
            elif step.operation == "authorize":
                tokens = add("calls", self.authorized, add("encryption", self.encrypted))
            else:
                add("calls", lambda tokens: self.created(short_deal(read), tokens), tokens)
        return taken

    def steps_of(self, number: int) -> list[Step]:
        """The recorded steps, for another lead."""
        text = json.dumps([[step.operation, step.request] for step in self.steps])
        text = text.replace(self.first["lead_id"], f"ld_again{number:018d}")
        for name in HASHES:
            if name in self.first:
                text = text.replace(self.first[name], f"{name}{number:050d}")
        text = re.sub(r"DEAL#leadleader#\d+", f"DEAL#leadleader#{10**9 + number}", text)
        text = re.sub(r', "ClientRequestToken": "[0-9a-f]+"', "", text)  # a token is good for one write
        return [Step(operation, request) for operation, request in json.loads(text)]

    def run_by_our_client(self, number: int) -> float:
        """CPU milliseconds of the table calls, for another new lead."""
        steps = [step for step in self.steps_of(number) if step.request is not None]
        return sum(timed(lambda step: written(aws.dynamodb(), step), step)[0] for step in steps)

    def encrypted(self) -> dict[str, Any]:
        digest = hashes.SHA1()  # required by the partner
        oaep = padding.OAEP(mgf=padding.MGF1(digest), algorithm=digest, label=None)
        body: dict[str, Any] = {}
        for name in ("email", "password"):
            text = str(self.secret[name]).encode()
            body[f"encrypted_{name}"] = base64.b64encode(self.public.encrypt(text, oaep)).decode()
            body[f"signed_{name}"] = list(self.private.sign(text, padding.PKCS1v15(), digest))
        return body

    def authorized(self, body: dict[str, Any]) -> dict[str, str]:
        answered: dict[str, str] = self.post(self.secret["auth_url"], body, {})
        return answered

    def created(self, deal: dict[str, Any], tokens: dict[str, str]) -> None:
        url = f"{self.secret['base_url'].rstrip('/')}/create-short-deal/"
        sealed = {**deal, "security_token": tokens["security_token"]}
        self.post(url, sealed, {"Authorization": f"Bearer {tokens['access_token']}"})

    def post(self, url: str, body: dict[str, Any], headers: dict[str, str]) -> Any:
        sent = simplejson.dumps(body, use_decimal=True, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json; charset=utf-8", **headers}
        answer = self.pool.request("POST", url, body=sent, headers=headers, timeout=TIMEOUT)
        if answer.status != 200:
            raise SystemExit(f"{url} answered {answer.status}")
        return answer.json()


def written(client: Any, step: Step) -> None:
    client._make_api_call(step.operation, step.request)


def validate(event: Event) -> Lead:
    """The signature of a post, its body, the lead."""
    known = settings()
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
    """The queue message, and the stored items."""
    read_delivery_changed(json.loads(message["Records"][0]["body"]))
    items.delivery_of(items.decode(delivery))
    return items.lead_of(items.decode(lead))


def measure(rounds: int) -> Iterator[Measurement]:
    """The whole and its parts, in turns."""
    taken: dict[str, list[float]] = {name: [] for name in (*WHOLE, *PARTS, OWN)}
    with environment("ReceiveLead", "SubmitLead") as on:
        bare, units = prepare(on)
        gc.freeze()  # the collector ignores the benchmark's own objects
        for number in range(1, WARM_UP + rounds + 1):
            found = one_round(on, bare, number)
            if number > WARM_UP:
                for name, milliseconds in found.items():
                    taken[name].append(milliseconds)
    medians = {name: statistics.median(values) for name, values in taken.items()}
    whole, least = sum(medians[name] for name in WHOLE), sum(medians[name] for name in PARTS)
    own, calls = least - medians["writes"] + medians[OWN], sum(step.request is not None for step in bare.steps)
    rows = (
        *((name, median_text(taken[name], 2)) for name in WHOLE),
        ("both", f"**{whole:.2f}**"),
        *((f"alone: {name}", median_text(taken[name], 2)) for name in PARTS),
        ("the parts", f"**{least:.2f}**"),
        ("both × the parts", f"{whole / least:.2f}"),
        (f"alone: {OWN}", median_text(taken[OWN], 2)),
        ("the parts with these", f"**{own:.2f}**"),
        ("both × the parts with these", f"{whole / own:.2f}"),
        ("calls to the table", f"{calls}"),
        ("write units", f"{units:g}"),
    )
    ratios = {"lead": whole / least, "lead_by_our_client": whole / own, "table_calls": calls, "write_units": units}
    title = f"CPU time of one lead on warm functions, medians of {rounds} leads"
    yield Measurement("warm", title, ("", "CPU, ms"), rows, ratios)


def prepare(on: Environment) -> tuple[Bare, float]:
    """Process one lead, record its calls, and parse the keys. Returns its write units, too."""
    steps: list[Step] = []
    meter = Meter()

    def note(service: str, operation: str, request: Event, answer: Event) -> None:
        if service == "dynamodb":
            steps.append(Step(operation, json.loads(json.dumps(request))))
            meter.count(operation, request, answer)

    with observed(note, lambda operation: steps.append(Step(operation))):
        lead_id = on.receive(post(0))
        on.submit(submission(lead_id))
    if (way := tuple(spelt(one.operation, one.request) for one in steps)) != WAY:
        raise SystemExit(f"the calls differ from quality/testkit/way.py: {', '.join(way)}")
    first, secret = items.decode(stored(on, items.lead_key(lead_id))), on.secrets["leadleader"]
    public = load_pem_public_key(secret["partner_public_key"].encode())
    private = load_pem_private_key(secret["private_key"].encode(), password=None)
    assert isinstance(public, RSAPublicKey)
    assert isinstance(private, RSAPrivateKey)
    # A plain client with the timeouts and attempts of the product's own.
    config = Config(connect_timeout=1, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 3})
    client = get_session().create_client("dynamodb", config=config)
    return Bare(secret, steps, first, public, private, urllib3.PoolManager(retries=False), client), meter.written


def stored(on: Environment, key: dict[str, str]) -> items.Item:
    """A stored item."""
    found = on.cloud.client("dynamodb").get_item(TableName=on.cloud.ref("Leads"), Key=items.encode(key))
    item: items.Item = found["Item"]
    return item


def one_round(on: Environment, bare: Bare, number: int) -> dict[str, float]:
    """CPU milliseconds of one lead, and of the parts alone."""
    event = post(number)
    receive, lead_id = timed(on.receive, event)
    message = submission(lead_id)
    lead, delivery = (stored(on, key) for key in (items.lead_key(lead_id), items.delivery_key(lead_id, "leadleader")))
    submit, _ = timed(on.submit, message)
    alone = bare.run(number, event, message, lead, delivery)
    return {"receive": receive, "submit": submit, **alone, OWN: bare.run_by_our_client(OTHER_LEADS + number)}


def timed[T](work: Callable[..., T], *given: Any) -> tuple[float, T]:
    """CPU milliseconds of this process with all its threads, and the result."""
    began = time.process_time()
    done = work(*given)
    return (time.process_time() - began) * 1000, done
