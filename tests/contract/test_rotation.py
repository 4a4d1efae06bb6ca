"""Secrets are changed in the middle of traffic, as docs/runbook.md says: nothing is lost, and nothing is sent twice."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest

from devstack.sandbox.remote import Remote
from devstack.sandbox.server import Sandbox
from leadbridge.auth import secrets
from leadbridge.forms.adapters.standard_webhooks import sign
from quality.testkit.aws.all_flows import WEB, put_secrets
from quality.testkit.aws.memory_stack import MemoryStack, memory_stack
from quality.testkit.aws.operator_flows import TOKEN, asked

NEW = "whsec_YW5vdGhlci1zZWNyZXQtb2YtdGhlLXRlc3RzISEhISE="
LOST_PATIENCE = 30.0  # seconds


@dataclass
class Traffic:
    """Leads that keep coming, and what became of them."""

    stack: MemoryStack
    partner: Remote
    leads: dict[str, dict[str, Any]] = field(default_factory=dict)

    def lead(self, source: str = "web", secret: str = WEB, body: str | None = None, message_id: str = "") -> int:
        """One more lead, or one again; the status that its form hears."""
        number = len(self.leads)
        person = {
            "full_name": "Прикладенко Олена",
            "phone": f"+38050000{number:04d}",
            "email": f"o{uuid4().hex}@example.com",
            "tax_number": "3068208400",
            "activity": "вчителька",
        }
        text = body or json.dumps({"person": person, "loan": {"amount": "6000.00", "term": 12}})
        message_id, now = message_id or uuid4().hex, int(time.time())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(now),
            "webhook-signature": sign(secret, message_id, now, text.encode()),
        }
        place = {"source": source}
        answer = self.stack.ask("POST", "/webhooks/{source}", text, headers=headers, pathParameters=place)
        if answer["statusCode"] in {200, 202}:
            self.leads[json.loads(answer["body"])["lead_id"]] = json.loads(text)["person"]
        return int(answer["statusCode"])

    def deliveries(self) -> list[dict[str, Any]]:
        """What became of each."""
        page = asked(self.stack, "GET", "/leads", queryStringParameters={"limit": "100"})
        return [delivery for lead in page["leads"] for delivery in lead["deliveries"].values()]

    def states(self) -> list[str]:
        """The states of all deliveries."""
        return sorted(delivery["state"] for delivery in self.deliveries())

    def settle(self, is_settled: Callable[[], bool]) -> None:
        """Carry on until it is as wanted: what comes again is hidden for a second or a few."""
        ends = time.monotonic() + LOST_PATIENCE
        self.stack.carry()
        while not is_settled():
            assert time.monotonic() < ends, self.deliveries()
            time.sleep(0.2)
            self.stack.carry()

    def store(self, partner: str, secret: dict[str, Any]) -> None:
        """Store a partner's new secret."""
        self.stack.put_secret(partner, {**self.stack.secret(partner), partner: secret})

    def redrive(self, queue: str) -> int:
        """Put a queue's dead letters back on their way, as an operator does."""
        place = {"queue": queue}
        return int(asked(self.stack, "POST", "/dead-letters/{queue}/redrive", {}, pathParameters=place)["redriven"])


@pytest.fixture
def traffic(sandbox: Sandbox) -> Iterator[Traffic]:
    """A stack with its partners; a secret that is refused is read anew at once, however short ago it was read."""
    remote = Remote(sandbox.url)
    remote.reset()
    with memory_stack() as stack, patch.object(secrets, "MIN_REFRESH_SECONDS", 0.0):
        put_secrets(stack, sandbox.secrets())
        yield Traffic(stack, remote)


def each_once(found: list[Any], traffic: Traffic) -> None:
    """Every lead is at the partner, and none is twice."""
    assert len(found) == len(set(found)) == len(traffic.leads)


def made(traffic: Traffic) -> list[str]:
    """The phones of all deals that Lead Leader made."""
    calls = traffic.partner.calls("leadleader", "create")
    return [call["telephone"] for call in calls if call.get("deal_id") is not None]


@pytest.mark.parametrize("what", ["password", "private_key"])
def test_lead_leaders_password_and_keys(traffic: Traffic, what: str) -> None:
    assert traffic.lead() == 202
    traffic.settle(lambda: traffic.states() == ["submitted"])
    renewed = traffic.partner.rotate("leadleader", what)
    assert traffic.lead() == 202  # nobody has told us yet
    traffic.settle(lambda: traffic.states() == ["failed", "submitted"])
    assert traffic.lead() == 202
    traffic.store("leadleader", renewed)
    traffic.settle(lambda: traffic.states() == ["failed", "submitted", "submitted"])
    assert traffic.redrive("submit-leadleader") == 1
    traffic.settle(lambda: traffic.states() == ["submitted"] * 3)
    each_once(made(traffic), traffic)


def test_match_trades_password(traffic: Traffic) -> None:
    assert traffic.lead("web-trading") == 202
    traffic.settle(lambda: traffic.states() == ["submitted"])
    renewed = traffic.partner.rotate("matchtrade", "password")
    traffic.partner.post("matchtrade/expire")
    assert traffic.lead("web-trading") == 202
    traffic.settle(lambda: traffic.states() == ["failed", "submitted"])
    traffic.store("matchtrade", renewed)
    assert traffic.lead("web-trading") == 202
    traffic.settle(lambda: traffic.states() == ["failed", "submitted", "submitted"])
    assert traffic.redrive("submit-matchtrade") == 1
    traffic.settle(lambda: traffic.states() == ["submitted"] * 3)
    each_once([account["email"] for account in traffic.partner.rows("matchtrade/accounts")], traffic)
    traffic.stack.tick()
    assert traffic.states() == ["submitted"] * 3


def test_leeloos_token(traffic: Traffic) -> None:
    assert traffic.lead() == 202
    ((lead_id, person),) = traffic.leads.items()
    traffic.partner.post("leeloo/people", {"name": "Олена", "phone": person["phone"], "accounts": ["TELEGRAM"]})
    traffic.settle(lambda: traffic.states() == ["submitted"])

    def write(text: str) -> None:
        asked(traffic.stack, "POST", "/messages", {"lead_id": lead_id, "text": text})

    def sent() -> list[str]:
        return [message["text"] for message in traffic.partner.rows("leeloo/messages", phone=person["phone"])]

    write("one")
    traffic.settle(lambda: sent() == ["one"])
    renewed = {**traffic.stack.secret("leeloo"), **traffic.partner.rotate("leeloo", "token")}
    write("two")
    traffic.stack.carry()
    assert sent() == ["one"]
    write("three")
    traffic.stack.put_secret("leeloo", renewed)
    traffic.settle(lambda: len(sent()) == 3)
    assert sent() == ["one", "two", "three"]  # by themselves, in their order


def test_a_sources_secret(traffic: Traffic) -> None:
    def put(*proofs: str) -> None:
        traffic.stack.put_secret("sources", {"web": {"secrets": list(proofs)}})

    assert traffic.lead(secret=WEB) == 202
    put(NEW, WEB)
    assert [traffic.lead(secret=WEB), traffic.lead(secret=NEW)] == [202, 202]
    body = json.dumps({"person": next(iter(traffic.leads.values())), "loan": {"amount": "6000.00", "term": 12}})
    assert traffic.lead(secret=WEB, body=body, message_id="again") == 202
    put(NEW)
    with patch.object(secrets, "CACHE_SECONDS", 0.0):  # a minute later
        assert traffic.lead(secret=WEB) == 401
        assert traffic.lead(secret=NEW, body=body, message_id="again") == 200  # the form repeats what it sent before
        assert traffic.lead(secret=NEW) == 202
    traffic.settle(lambda: set(traffic.states()) == {"submitted"})
    assert len(made(traffic)) == len(traffic.leads) == 5


def test_a_typo_in_the_sources_stops_no_form_of_a_worker_that_has_read_them(traffic: Traffic) -> None:
    for wrong in ({"web": "a text"}, {"web": {"secrets": WEB}}):
        assert traffic.lead(secret=WEB) == 202
        traffic.stack.put_secret("sources", wrong)
        with patch.object(secrets, "CACHE_SECONDS", 0.0):  # a minute later
            assert traffic.lead(secret=WEB) == 202
            assert traffic.lead(secret=NEW) == 503, "the form may have a new secret already, and is to post again"
        traffic.stack.put_secret("sources", {"web": {"secrets": [WEB]}})
    traffic.stack.put_secret("sources", {})
    with patch.object(secrets, "CACHE_SECONDS", 0.0):
        assert traffic.lead(secret=WEB) == 503, "it was taken away"
    assert set(traffic.states()) == {"received"}


def test_an_operators_token(traffic: Traffic) -> None:
    def status(token: str) -> int:
        return int(traffic.stack.ask("GET", "/leads", headers={"Authorization": f"Bearer {token}"})["statusCode"])

    assert [status(TOKEN), status("a-new-one")] == [200, 401]
    traffic.stack.put_secret("operators", {"anna": "a-new-one"})
    assert status("a-new-one") == 200  # at once
    with patch.object(secrets, "CACHE_SECONDS", 0.0):  # a minute later
        assert [status(TOKEN), status("a-new-one")] == [401, 200]
