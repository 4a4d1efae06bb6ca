"""How much CPU time a lead takes, received and submitted by warm functions, over what its parts take by themselves.

python -m benchmarks.warm [--rounds 150]

The whole: both handlers, from the form's post and the queue's message to their answers. Beside it in every round, the
parts that cannot be done without, each as bare as it can be:

- validation: the post's proof, its body, the lead; the queue's message, and the lead and delivery as they come back
- writes: the very calls of the table that the handlers make, made again for another lead by the bare client
- encryption: two encryptions and two signatures, with keys that were parsed once
- calls: the two posts to the lender, by urllib3 alone

CPU time of this process; the emulated AWS and the partners are others and do not count.
"""

from __future__ import annotations

import base64
import json
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
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from benchmarks.part import Part, median_text, run_alone
from benchmarks.road import Event, Road, message, post, road
from benchmarks.scenes import SECRET
from leadbridge import aws
from leadbridge.clock import utc_now
from leadbridge.forms.adapter import Request
from leadbridge.forms.reception import adapter_named
from leadbridge.leads import items
from leadbridge.leads.events import read_delivery_changed
from leadbridge.leads.lead import build_lead, lead_id_of
from leadbridge.leads.routing import decide
from leadbridge.partners.leadleader.client import short_deal
from leadbridge.settings import settings

ROUNDS, WARM_UP = 150, 15
WHOLE, PARTS = ("receive", "submit"), ("validation", "writes", "encryption", "calls")
HASHES = ("phone_hash", "email_hash", "tax_hash")
TIMEOUT = urllib3.Timeout(connect=3, read=15)

type Call = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Parts:
    """What the parts need, made once."""

    road: Road
    calls: list[Call]
    first: dict[str, Any]
    public: RSAPublicKey
    private: RSAPrivateKey
    pool: urllib3.PoolManager

    def validation(self, event: Event, told: Event, lead: items.Item, delivery: items.Item) -> Any:
        """Believe and read a post, then a message and what the table has."""
        known = settings()
        source = known.sources["web"]
        request, adapter = Request.of(event), adapter_named(source.adapter)
        adapter.verify(request, [SECRET], utc_now())
        (submission,) = adapter.parse(request, source)
        lead_id = lead_id_of("web", f"id:{submission.delivery_id}")
        build_lead(
            submission.values,
            lead_id=lead_id,
            source="web",
            received_at=utc_now(),
            partners=known.partners,
            choose=lambda asked: decide(source.partners, asked.value, submission.answers),
        )
        read_delivery_changed(json.loads(told["Records"][0]["body"]))
        items.delivery_of(items.decode(delivery))
        return items.lead_of(items.decode(lead))

    def writes(self, calls: list[Call]) -> None:
        """Both handlers' calls of the table."""
        client: Any = aws.dynamodb()
        for operation, asked in calls:
            client._make_api_call(operation, asked)

    def encryption(self) -> dict[str, Any]:
        """Two credentials, encrypted and signed."""
        digest = hashes.SHA1()  # what the partner demands
        oaep = padding.OAEP(mgf=padding.MGF1(digest), algorithm=digest, label=None)
        body: dict[str, Any] = {}
        for name in ("email", "password"):
            text = str(self.road.credentials[name]).encode()
            body[f"encrypted_{name}"] = base64.b64encode(self.public.encrypt(text, oaep)).decode()
            body[f"signed_{name}"] = list(self.private.sign(text, padding.PKCS1v15(), digest))
        return body

    def post_twice(self, authorization: dict[str, Any], deal: dict[str, Any]) -> None:
        """Authorize, and create a deal."""
        known = self.road.credentials
        tokens = self.ask(known["auth_url"], authorization, {})
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        sealed = {**deal, "security_token": tokens["security_token"]}
        self.ask(f"{known['base_url'].rstrip('/')}/create-short-deal/", sealed, bearer)

    def ask(self, url: str, body: dict[str, Any], headers: dict[str, str]) -> Any:
        """One post."""
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

    def calls_of(self, number: int) -> list[Call]:
        """The recorded calls, for a lead that has not come before."""
        text = json.dumps(self.calls).replace(self.first["lead_id"], f"ld_again{number:018d}")
        for name in HASHES:
            if name in self.first:
                text = text.replace(self.first[name], f"{name}{number:050d}")
        found: list[Call] = [(operation, asked) for operation, asked in json.loads(text)]
        return found


def measured(rounds: int) -> Iterator[Part]:
    """The whole and its parts, in turns."""
    taken: dict[str, list[float]] = {name: [] for name in (*WHOLE, *PARTS)}
    with road() as on:
        parts = prepared(on)
        for number in range(1, WARM_UP + rounds + 1):
            found = one_round(parts, number)
            if number > WARM_UP:
                for name, milliseconds in found.items():
                    taken[name].append(milliseconds)
    medians = {name: statistics.median(values) for name, values in taken.items()}
    whole, least = sum(medians[name] for name in WHOLE), sum(medians[name] for name in PARTS)
    rows = [(name, median_text(taken[name], 2)) for name in WHOLE]
    rows += [("both", f"**{whole:.2f}**")]
    rows += [(f"by itself: {name}", median_text(taken[name], 2)) for name in PARTS]
    rows += [("the parts", f"**{least:.2f}**"), ("both × the parts", f"{whole / least:.2f}")]
    title = f"CPU time of one lead on warm functions, medians of {rounds} leads"
    yield Part("warm", title, ("", "CPU, ms"), tuple(rows), {"lead": whole / least})


def prepared(on: Road) -> Parts:
    """Take one lead all the way, note its calls of the table, and parse the keys."""
    calls: list[Call] = []
    of_aws = BaseClient._make_api_call  # type: ignore[attr-defined]

    def noting(client: Any, operation: str, asked: dict[str, Any]) -> Any:
        if client.meta.service_model.service_name == "dynamodb":
            calls.append((operation, json.loads(json.dumps(asked))))
        return of_aws(client, operation, asked)

    with patch.object(BaseClient, "_make_api_call", noting):
        lead_id = on.received(post(0))
        on.submitted(message(lead_id))
    first = items.decode(stored(on, items.lead_key(lead_id)))
    public = load_pem_public_key(on.credentials["partner_public_key"].encode())
    private = load_pem_private_key(on.credentials["private_key"].encode(), password=None)
    assert isinstance(public, RSAPublicKey)
    assert isinstance(private, RSAPrivateKey)
    return Parts(on, calls, first, public, private, urllib3.PoolManager(retries=False))


def stored(on: Road, key: dict[str, str]) -> items.Item:
    """An item of the table as it lies there."""
    found = on.cloud.client("dynamodb").get_item(TableName=on.cloud.ref("Leads"), Key=items.encode(key))
    item: items.Item = found["Item"]
    return item


def one_round(parts: Parts, number: int) -> dict[str, float]:
    """CPU milliseconds of one lead, and of the parts by themselves."""
    event, found = post(number), {}
    found["receive"], lead_id = timed(lambda: parts.road.received(event))
    told = message(lead_id)
    lead, delivery = (
        stored(parts.road, key) for key in (items.lead_key(lead_id), items.delivery_key(lead_id, "leadleader"))
    )
    found["submit"], _ = timed(lambda: parts.road.submitted(told))
    found["validation"], read = timed(lambda: parts.validation(event, told, lead, delivery))
    calls = parts.calls_of(number)
    found["writes"], _ = timed(lambda: parts.writes(calls))
    found["encryption"], authorization = timed(parts.encryption)
    deal = short_deal(read)
    found["calls"], _ = timed(lambda: parts.post_twice(authorization, deal))
    return found


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
