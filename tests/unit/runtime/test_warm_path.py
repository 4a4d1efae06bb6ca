"""What a worker does once and never again, and what a lead costs it each time.

Its keys are parsed with the first lead, and so are its clients made; a lead's calls are those of
quality/testkit/way.py.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from types import ModuleType
from typing import Any

import pytest
from botocore.client import BaseClient
from cryptography.hazmat.primitives import serialization

from events.sign import signed
from leadbridge import settings
from leadbridge.domain.delivery import State
from leadbridge.partners.http import Answer, Transport
from leadbridge.partners.leadleader import rsa_credentials
from leadbridge.runtime import aws
from leadbridge.storage.leads import LeadRepository
from quality.testkit.fixtures import Context
from quality.testkit.lambda_runtime.samples import sample
from quality.testkit.people import lead
from quality.testkit.rsa_keys import PRIVATE, PUBLIC
from quality.testkit.way import WAY, spelt

PROOF = "whsec_c2FtcGxlLXNlY3JldC1vZi10aGUtdGVzdHMhISEh"
PARSERS = ("load_pem_private_key", "load_pem_public_key")
SECRET = {
    "auth_url": "https://lender.example.com/authorize/",
    "base_url": "https://lender.example.com/api/",
    "email": "us@example.com",
    "password": "a password",
    "partner_public_key": PUBLIC,
    "private_key": PRIVATE,
}
ANSWERS = {
    "authorize": {"access_token": "an access token", "security_token": "a security token"},
}


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """How often a key was parsed in this test, by what parsed it."""
    counts: Counter[str] = Counter()

    def counting(name: str) -> Callable[..., Any]:
        parse = getattr(serialization, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            counts[name] += 1
            return parse(*args, **kwargs)

        return counted

    for name in PARSERS:
        counted = counting(name)
        for module in (rsa_credentials, serialization):
            monkeypatch.setattr(module, name, counted)
    rsa_credentials._private_key.cache_clear()
    rsa_credentials._public_key.cache_clear()
    yield counts
    rsa_credentials._private_key.cache_clear()
    rsa_credentials._public_key.cache_clear()


@pytest.fixture
def submit_lead(
    monkeypatch: pytest.MonkeyPatch,
    store: LeadRepository,
    shipped_settings: settings.Settings,
    function: Callable[[str], ModuleType],
    context: Context,
) -> ModuleType:
    """The function, with a lender that takes everything."""
    context.milliseconds = 90_000
    aws.secrets_manager().create_secret(Name="leadbridge/leadleader", SecretString=json.dumps(SECRET))
    monkeypatch.setenv("SUBMIT_QUEUES", '{"leadleader": "https://sqs.example.com/1/submit"}')
    monkeypatch.setenv("SUBMIT_DEAD_LETTER_QUEUES", '{"leadleader": "https://sqs.example.com/1/dead"}')

    deals = count(24)

    def answered(self: Transport, operation: str, *args: Any, **kwargs: Any) -> Answer:
        said = {"deal_id": next(deals)} if operation == "create" else ANSWERS[operation]
        return Answer(200, {}, json.dumps(said).encode())

    monkeypatch.setattr(Transport, "call", answered)
    return function("submit_lead")


def waiting_message(lead_id: str) -> dict[str, Any]:
    """The queue's message of a lead that waits for the lender."""
    event = sample("SubmitLead", "waiting")
    envelope = json.loads(event["Records"][0]["body"])
    envelope["detail"]["lead_id"] = lead_id
    event["Records"][0]["body"] = json.dumps(envelope)
    return event


def submitted(app: ModuleType, store: LeadRepository, context: Context, number: int) -> None:
    """Take one new lead to the lender."""
    waiting = lead(number, phone=f"05000000{number:02d}", tax_number=None, email=f"{number}@example.com")
    assert store.accept(waiting, phone_hash=f"hash {number}") is None
    assert app.handler(waiting_message(waiting.lead_id), context) == {"batchItemFailures": []}
    delivery = store.delivery(waiting.lead_id, "leadleader")
    assert delivery is not None
    assert delivery.state is State.SUBMITTED


def test_a_lead_makes_the_calls_that_are_written_down_and_no_others(
    monkeypatch: pytest.MonkeyPatch,
    submit_lead: ModuleType,
    store: LeadRepository,
    function: Callable[[str], ModuleType],
    context: Context,
) -> None:
    for name, value in {"sources": {"web": {"secrets": [PROOF]}}, "index": {"key": "an index key"}}.items():
        aws.secrets_manager().create_secret(Name=f"leadbridge/{name}", SecretString=json.dumps(value))
    receive_lead, steps = function("receive_lead"), []
    of_aws, of_partner = BaseClient._make_api_call, Transport.call  # type: ignore[attr-defined]

    def noting(client: Any, operation: str, asked: dict[str, Any]) -> Any:
        if client.meta.service_model.service_name == "dynamodb":
            steps.append(spelt(operation, asked))
        return of_aws(client, operation, asked)

    def noting_partner(transport: Transport, operation: str, *args: Any, **kwargs: Any) -> Answer:
        steps.append(spelt(operation))
        return of_partner(transport, operation, *args, **kwargs)

    monkeypatch.setattr(BaseClient, "_make_api_call", noting)
    monkeypatch.setattr(Transport, "call", noting_partner)
    answer = receive_lead.handler(signed(sample("ReceiveLead", "good"), PROOF, int(time.time())), context)
    waiting = waiting_message(json.loads(answer["body"])["lead_id"])
    assert submit_lead.handler(waiting, context) == {"batchItemFailures": []}

    assert tuple(steps) == WAY


def test_keys_are_parsed_with_the_first_lead_and_never_again(
    submit_lead: ModuleType, store: LeadRepository, context: Context, parsed: Counter[str]
) -> None:
    submitted(submit_lead, store, context, 1)
    assert parsed == dict.fromkeys(PARSERS, 1)

    for number in range(2, 5):
        submitted(submit_lead, store, context, number)

    assert parsed == dict.fromkeys(PARSERS, 1)


def test_a_rotated_key_is_parsed_once_too(parsed: Counter[str]) -> None:
    for key in (PRIVATE, f"{PRIVATE}\n") * 3:
        rsa_credentials.sign(key, "text")

    assert parsed == {"load_pem_private_key": 2}


def test_clients_are_made_once_and_share_one_session(aws_mocked: None) -> None:
    assert aws.dynamodb() is aws.dynamodb()
    assert aws.secrets_manager() is aws.secrets_manager()
    assert aws._session.cache_info().misses == 1
