"""The stack tier: the deployed template on the local AWS, started once, driven over HTTP."""

import json
from collections.abc import Callable, Iterator
from itertools import count
from time import monotonic, sleep
from typing import Any
from uuid import uuid4

import pytest

from devstack.commands.form import Answer, Form, Operator
from devstack.sandbox.remote import Remote
from devstack.stack import Stack, running_stack
from devstack.workdir import TESTS

PATIENCE = 60.0  # seconds that anything may take

_numbers = count(1)


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The developer's running stack, or one started in a home of the tests' own and stopped after the last test."""
    with running_stack(TESTS) as running:
        yield running


@pytest.fixture(scope="session")
def form(stack: Stack) -> Form:
    """The source "web", with the secret that the stack knows."""
    manager = stack.client("secretsmanager")
    sources = json.loads(manager.get_secret_value(SecretId="leadbridge/sources")["SecretString"])
    return Form(stack, sources["web"]["secrets"][0])


@pytest.fixture(scope="session")
def operator(stack: Stack) -> Operator:
    """An operator with the stack's token."""
    return Operator(stack)


@pytest.fixture
def partner(stack: Stack) -> Iterator[Remote]:
    """The partner sandbox; faults that a test arms are gone after it."""
    remote = Remote(stack.sandbox_url)
    remote.disarm()
    yield remote
    remote.disarm()


def person() -> dict[str, Any]:
    """A lead of somebody who never was, with a phone and an e-mail that no other test has."""
    number = next(_numbers)
    return {
        "person": {
            "full_name": "Прикладенко Олена Іванівна",
            "phone": f"+38050{uuid4().int % 10_000:04d}{number:03d}",
            "tax_number": "3068208400",
            "activity": "вчителька",
            "email": f"olena.{uuid4().hex[:12]}@example.com",
        },
        "loan": {"amount": "6000.00", "term": 12},
    }


def at_the_partner(lead: dict[str, Any]) -> str:
    """The lead's phone as Lead Leader gets it."""
    return str(lead["person"]["phone"]).removeprefix("+38")


def eventually[T](ask: Callable[[], T], holds: Callable[[T], bool], *, patience: float = PATIENCE) -> T:
    """Ask until the answer is as it should be, and return it; fail with the last answer when patience ends."""
    deadline = monotonic() + patience
    while True:
        answer = ask()
        if holds(answer):
            return answer
        assert monotonic() < deadline, f"still not so after {patience:g} s: {answer}"
        sleep(0.1)


def accepted(answer: Answer) -> str:
    """The id of a lead that was accepted."""
    assert answer.status == 202, answer
    return str(answer.content["lead_id"])


def creates(partner: Remote, lead: dict[str, Any]) -> list[dict[str, Any]]:
    """The create calls that the partner has seen for a person."""
    return [call for call in partner.calls("leadleader", "create") if call["telephone"] == at_the_partner(lead)]


def deals(partner: Remote, lead: dict[str, Any]) -> list[dict[str, Any]]:
    """The deals that the partner keeps for a person."""
    return [call for call in creates(partner, lead) if call.get("deal_id") is not None]
