"""How much CPU time a lead takes, received and submitted by warm functions, over what its parts take by themselves.

python -m quality.benchmarks.warm [--rounds 150]

The whole: both handlers, from the form's post and the queue's message to their answers. Beside it in every round, the
parts that cannot be done without, each as bare as it can be:

- validation: the post's proof, its body, the lead; the queue's message, and the lead and delivery as they come back
- writes: the very calls of the table that the handlers make, in their order, for another lead, by a client as botocore
  makes it; it is refused to measure against other calls than those that are written down (quality/testkit/way.py)
- encryption: two encryptions and two signatures, with keys that were parsed once
- calls: the two posts to the lender, by urllib3 alone

Beside them the same writes by the product's own client, which spares some of botocore's work
(leadbridge/runtime/aws.py).

CPU time of this process; the emulated AWS and the partners are others and do not count.
"""

from __future__ import annotations

import base64
import gc
import json
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import simplejson
import urllib3
from botocore.client import BaseClient
from botocore.config import Config
from botocore.session import get_session
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from leadbridge.domain.clock import utc_now
from leadbridge.domain.events import read_delivery_changed
from leadbridge.domain.lead import Lead, build_lead, lead_id_of
from leadbridge.domain.routing import choose_partners
from leadbridge.forms.base import Request, adapter_named
from leadbridge.partners.http import Answer, Transport
from leadbridge.partners.leadleader.client import short_deal
from leadbridge.runtime import aws
from leadbridge.settings import settings
from leadbridge.storage import items
from quality.benchmarks.measurement import Part, median_text, run_alone
from quality.benchmarks.scenarios import SECRET
from quality.benchmarks.submission_path import Event, Road, message, post, road
from quality.testkit.way import WAY, spelt

ROUNDS, WARM_UP = 150, 15
FURTHER = 10**9  # no round has such a number
WHOLE, PARTS = ("receive", "submit"), ("validation", "writes", "encryption", "calls")
OWN = "writes by our client"
HASHES = ("phone_hash", "email_hash", "tax_hash")
TIMEOUT = urllib3.Timeout(connect=3, read=15)


@dataclass(frozen=True)
class Step:
    """One call of a lead's way: of the table, with what is asked of it, or of the lender."""

    operation: str
    asked: dict[str, Any] | None = None


@dataclass(frozen=True)
class Bare:
    """A lead's way with nothing but the parts, in the order in which the handlers take them."""

    road: Road
    steps: list[Step]
    first: dict[str, Any]
    public: RSAPublicKey
    private: RSAPrivateKey
    pool: urllib3.PoolManager
    client: Any

    def go(self, number: int, event: Event, told: Event, lead: items.Item, delivery: items.Item) -> dict[str, float]:
        """CPU milliseconds of each part; the table's calls are made for a lead that has not come before."""
        steps = self.steps_of(number)
        taken = dict.fromkeys(PARTS, 0.0)
        taken["validation"] += timed(lambda: believe(event))[0]
        more, read = timed(lambda: read_back(told, lead, delivery))
        taken["validation"] += more
        tokens: dict[str, str] = {}
        for step in steps:
            if step.asked is not None:
                taken["writes"] += timed(lambda step=step: written(self.client, step))[0]  # type: ignore[misc]
            elif step.operation == "authorize":
                more, body = timed(self.encrypted)
                taken["encryption"] += more
                more, tokens = timed(lambda body=body: self.authorized(body))  # type: ignore[misc]
                taken["calls"] += more
            else:
                taken["calls"] += timed(lambda tokens=tokens: self.created(short_deal(read), tokens))[0]  # type: ignore[misc]
        return taken

    def steps_of(self, number: int) -> list[Step]:
        """The recorded steps, for another lead."""
        text = json.dumps([[step.operation, step.asked] for step in self.steps])
        text = text.replace(self.first["lead_id"], f"ld_again{number:018d}")
        for name in HASHES:
            if name in self.first:
                text = text.replace(self.first[name], f"{name}{number:050d}")
        text = re.sub(r"DEAL#leadleader#\d+", f"DEAL#leadleader#{10**9 + number}", text)
        text = re.sub(r', "ClientRequestToken": "[0-9a-f]+"', "", text)  # a token is good for one write
        return [Step(operation, asked) for operation, asked in json.loads(text)]

    def go_by_our_client(self, number: int) -> float:
        """CPU milliseconds of the table's calls alone, for yet another lead."""
        steps = [step for step in self.steps_of(number) if step.asked is not None]
        return sum(timed(lambda step=step: written(aws.dynamodb(), step))[0] for step in steps)  # type: ignore[misc]

    def encrypted(self) -> dict[str, Any]:
        """Two credentials, encrypted and signed."""
        digest = hashes.SHA1()  # what the partner demands
        oaep = padding.OAEP(mgf=padding.MGF1(digest), algorithm=digest, label=None)
        body: dict[str, Any] = {}
        for name in ("email", "password"):
            text = str(self.road.credentials[name]).encode()
            body[f"encrypted_{name}"] = base64.b64encode(self.public.encrypt(text, oaep)).decode()
            body[f"signed_{name}"] = list(self.private.sign(text, padding.PKCS1v15(), digest))
        return body

    def authorized(self, body: dict[str, Any]) -> dict[str, str]:
        """The first post."""
        answered: dict[str, str] = self.post(self.road.credentials["auth_url"], body, {})
        return answered

    def created(self, deal: dict[str, Any], tokens: dict[str, str]) -> None:
        """The second."""
        url = f"{self.road.credentials['base_url'].rstrip('/')}/create-short-deal/"
        sealed = {**deal, "security_token": tokens["security_token"]}
        self.post(url, sealed, {"Authorization": f"Bearer {tokens['access_token']}"})

    def post(self, url: str, body: dict[str, Any], headers: dict[str, str]) -> Any:
        """One post of JSON."""
        answer = self.pool.request(
            "POST",
            url,
            body=simplejson.dumps(body, use_decimal=True, ensure_ascii=False).encode(),
            headers={"Content-Type": "application/json; charset=utf-8", **headers},
            timeout=TIMEOUT,
        )
        if answer.status != 200:
            raise SystemExit(f"{url} answered {answer.status}")
        return answer.json()


def written(client: Any, step: Step) -> None:
    """One call of the table."""
    client._make_api_call(step.operation, step.asked)


def believe(event: Event) -> Lead:
    """A post's proof, its body, the lead."""
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
        choose=lambda asked: choose_partners(source.partners, asked.value, submission.answers),
    )


def read_back(told: Event, lead: items.Item, delivery: items.Item) -> Lead:
    """The queue's message, and what the table has."""
    read_delivery_changed(json.loads(told["Records"][0]["body"]))
    items.delivery_of(items.decode(delivery))
    return items.lead_of(items.decode(lead))


def measured(rounds: int) -> Iterator[Part]:
    """The whole and its parts, in turns."""
    taken: dict[str, list[float]] = {name: [] for name in (*WHOLE, *PARTS, OWN)}
    with road() as on:
        bare = prepared(on)
        gc.freeze()  # what the benchmark itself has loaded is nothing for a lead to look through
        for number in range(1, WARM_UP + rounds + 1):
            found = one_round(bare, number)
            if number > WARM_UP:
                for name, milliseconds in found.items():
                    taken[name].append(milliseconds)
    medians = {name: statistics.median(values) for name, values in taken.items()}
    whole, least = sum(medians[name] for name in WHOLE), sum(medians[name] for name in PARTS)
    own = least - medians["writes"] + medians[OWN]
    rows = [(name, median_text(taken[name], 2)) for name in WHOLE]
    rows += [("both", f"**{whole:.2f}**")]
    rows += [(f"by itself: {name}", median_text(taken[name], 2)) for name in PARTS]
    rows += [("the parts", f"**{least:.2f}**"), ("both × the parts", f"{whole / least:.2f}")]
    rows += [(f"by itself: {OWN}", median_text(taken[OWN], 2)), ("the parts with these", f"**{own:.2f}**")]
    rows += [("both × the parts with these", f"{whole / own:.2f}")]
    title = f"CPU time of one lead on warm functions, medians of {rounds} leads"
    yield Part("warm", title, ("", "CPU, ms"), tuple(rows), {"lead": whole / least, "lead_by_our_client": whole / own})


def prepared(on: Road) -> Bare:
    """Take one lead all the way, note its steps, and parse the keys."""
    steps: list[Step] = []
    of_aws, of_partner = BaseClient._make_api_call, Transport.call  # type: ignore[attr-defined]

    def noting(client: Any, operation: str, asked: dict[str, Any]) -> Any:
        if client.meta.service_model.service_name == "dynamodb":
            steps.append(Step(operation, json.loads(json.dumps(asked))))
        return of_aws(client, operation, asked)

    def noting_partner(transport: Transport, operation: str, *args: Any, **kwargs: Any) -> Answer:
        steps.append(Step(operation))
        return of_partner(transport, operation, *args, **kwargs)

    with patch.object(BaseClient, "_make_api_call", noting), patch.object(Transport, "call", noting_partner):
        lead_id = on.received(post(0))
        on.submitted(message(lead_id))
    if (way := tuple(spelt(one.operation, one.asked) for one in steps)) != WAY:
        raise SystemExit(f"a lead's way is not the one of quality/testkit/way.py: {', '.join(way)}")
    first = items.decode(stored(on, items.lead_key(lead_id)))
    public = load_pem_public_key(on.credentials["partner_public_key"].encode())
    private = load_pem_private_key(on.credentials["private_key"].encode(), password=None)
    assert isinstance(public, RSAPublicKey)
    assert isinstance(private, RSAPrivateKey)
    return Bare(on, steps, first, public, private, urllib3.PoolManager(retries=False), plain_client())


def plain_client() -> Any:
    """A client as botocore makes it, with the timeouts and tries of the product's own."""
    config = Config(connect_timeout=1, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 3})
    return get_session().create_client("dynamodb", config=config)


def stored(on: Road, key: dict[str, str]) -> items.Item:
    """An item of the table as it lies there."""
    found = on.cloud.client("dynamodb").get_item(TableName=on.cloud.ref("Leads"), Key=items.encode(key))
    item: items.Item = found["Item"]
    return item


def one_round(bare: Bare, number: int) -> dict[str, float]:
    """CPU milliseconds of one lead, and of the parts by themselves."""
    event = post(number)
    receive, lead_id = timed(lambda: bare.road.received(event))
    told = message(lead_id)
    lead = stored(bare.road, items.lead_key(lead_id))
    delivery = stored(bare.road, items.delivery_key(lead_id, "leadleader"))
    submit, _ = timed(lambda: bare.road.submitted(told))
    by_itself = bare.go(number, event, told, lead, delivery)
    return {"receive": receive, "submit": submit, **by_itself, OWN: bare.go_by_our_client(FURTHER + number)}


def timed[T](work: Callable[[], T]) -> tuple[float, T]:
    """CPU milliseconds of this process, all its threads, and what came of it."""
    began = time.process_time()
    done = work()
    return (time.process_time() - began) * 1000, done


def main() -> int:
    """Measure and print."""
    return run_alone(measured, rounds=ROUNDS, described=__doc__)


if __name__ == "__main__":
    sys.exit(main())
