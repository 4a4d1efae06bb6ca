"""A scenario for each function: the data and the event of its usual work.

A scenario prepares an empty AWS and the partners, and returns the event. The answer is checked, because an error is
fast. The start-up tests and the benchmarks use them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from events.sign import signed
from leadbridge.domain import delivery as steps
from leadbridge.domain import fetch
from leadbridge.domain.clock import to_text, utc_now
from leadbridge.domain.delivery import Delivery
from leadbridge.domain.feedback.postback import Postback
from leadbridge.domain.lead import Lead, Loan, Person, lead_id_of
from leadbridge.domain.message import status_notification
from leadbridge.partners.leadleader.kind import client
from leadbridge.runtime.budget import Budget
from leadbridge.storage.feedback.postbacks import postback_item
from leadbridge.storage.items import encode
from leadbridge.storage.messages import MessageRepository
from leadbridge.storage.table import Table
from quality.testkit.clients.leadleader import SETTINGS, Vault
from quality.testkit.lambda_runtime.cloud import SECRET, Backend, Event
from quality.testkit.lambda_runtime.samples import sample

RECEIVED_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
LEADGEN_ID = "1202100000000011"
ACCOUNTS = 3  # of the broker
DONE: Event = {"batchItemFailures": []}


@dataclass(frozen=True)
class Scenario:
    prepare: Callable[[Backend], Event]
    is_expected: Callable[[Any], bool]
    configuration: str = "prod"


def credit(backend: Backend) -> Lead:
    """Store the samples' lead for the lender."""
    event = sample("ReceiveLead", "good")
    body = json.loads(event["body"], parse_float=Decimal)
    lead_id = lead_id_of("web", f"id:{event['headers']['webhook-id']}")
    person, loan = Person(**body["person"]), Loan(**body["loan"])
    lead = Lead(
        lead_id=lead_id, source="web", received_at=RECEIVED_AT, partners=("leadleader",), person=person, loan=loan
    )
    backend.cloud.store.accept(lead, phone_hash="a hash of a phone", email_hash="a hash of an e-mail")
    return lead


def submitted(backend: Backend, lead: Lead, deal_id: int) -> Delivery:
    """Submit the lead; its status check is due."""
    waiting = backend.cloud.store.delivery(lead.lead_id, "leadleader")
    assert waiting is not None
    begun = backend.cloud.store.apply(steps.start_attempt(waiting, RECEIVED_AT, timedelta(seconds=92)))
    return backend.cloud.store.apply(steps.confirm(begun, RECEIVED_AT, deal_id, is_followed=True))


def form_post(backend: Backend) -> Event:
    backend.cloud.put_secret("sources", {"web": {"secrets": [SECRET]}})
    return signed(sample("ReceiveLead", "good"), SECRET, int(time.time()))


def check_due(backend: Backend) -> Event:
    """A deal of the lender whose status check is due."""
    lead, secret, budget = credit(backend), backend.secrets["leadleader"], Budget(time.monotonic() + 30)
    lender = client("leadleader", Vault(lambda: secret, secret), SETTINGS.timeouts)
    deal_id = lender.authorize(budget).create(lead, budget)
    backend.cloud.store.defer_check(submitted(backend, lead, deal_id), RECEIVED_AT)
    return sample("CheckStatus", "due")


def message_to_send(backend: Backend) -> Event:
    """A message to a person in Leeloo."""
    lead = credit(backend)
    submitted(backend, lead, 24)
    backend.partners.post("leeloo/people", {"name": "Ольга", "phone": lead.person.phone, "accounts": ["TELEGRAM"]})
    event = sample("SendMessage", "pending")
    message_id = json.loads(event["Records"][0]["body"])["detail"]["message_id"]
    when = datetime.fromisoformat(message_id.partition("#")[0])
    MessageRepository(Table(backend.cloud.client("dynamodb"), backend.cloud.ref("Leads"))).add(
        status_notification(lead.lead_id, "leadleader", 5, "Видано", when)
    )
    return event


def postback_to_send(backend: Backend) -> Event:
    """A postback of a stored lead, and the sandbox's tracker."""
    entry = backend.secrets["feedback"]["tracker"]
    tracker = {**entry, "url": entry["url"].replace("{click_id}", "{lead_id}")}
    backend.cloud.client("secretsmanager").put_secret_value(
        SecretId=f"{backend.cloud.ref('Prefix')}/feedback", SecretString=json.dumps({"tracker": tracker})
    )
    lead = credit(backend)
    submitted(backend, lead, 24)
    event = sample("SendFeedback", "pending")
    event_id = json.loads(event["Records"][0]["body"])["detail"]["event_id"]
    about = (lead.lead_id, event_id, "tracker", "leadleader", "local-feedback", 3, "submitted", "lead", RECEIVED_AT)
    backend.cloud.client("dynamodb").put_item(
        TableName=backend.cloud.ref("Leads"), Item=encode(postback_item(Postback(*about)))
    )
    return event


def lead_to_fetch(backend: Backend) -> Event:
    """A lead of which Meta sent only the id."""
    known = backend.secrets["graph"]
    entry = {"secrets": [known["app_secret"]], "access_token": known["access_token"], "graph_url": known["graph_url"]}
    backend.cloud.put_secret("sources", {"meta-credit": entry})
    answers = {"full_name": "Мар'яненко Ольга Петрівна", "phone_number": "+380500001104"}
    backend.partners.post("graph/leads", {"answers": answers, "leadgen_id": LEADGEN_ID})
    lead_id = lead_id_of("meta-credit", f"id:{LEADGEN_ID}")
    named = Lead(lead_id=lead_id, source="meta-credit", received_at=RECEIVED_AT, partners=())
    pending = fetch.new_fetch(lead_id, "meta-credit", {"leadgen_id": LEADGEN_ID}, RECEIVED_AT)
    backend.cloud.store.accept(named, phone_hash=None, fetch=pending)
    return sample("FetchLead", "pending")


def leeloo_event(backend: Backend) -> Event:
    """Leeloo's event about an order."""
    credit(backend)
    event = sample("ReceiveLeelooEvent", "order")
    return event | {"pathParameters": {"token": backend.secrets["leeloo"]["webhook_token"]}}


def broker_to_read(backend: Backend) -> Event:
    backend.partners.post("matchtrade/accounts", {"count": ACCOUNTS, "start": to_text(utc_now() - timedelta(days=1))})
    return sample("SyncAccounts", "broker")


def one_lead(function: str, case: str) -> Callable[[Backend], Event]:
    """A stored lead, and a sample."""

    def prepare(backend: Backend) -> Event:
        credit(backend)
        return sample(function, case)

    return prepare


def operator_token(backend: Backend) -> Event:
    event = sample("Authorize", "good")
    backend.cloud.put_secret("operators", {"olena": event["authorizationToken"].removeprefix("Bearer ")})
    return event


def answered(status: int) -> Callable[[Any], bool]:
    """Whether the response has this status."""
    return lambda answer: bool(answer["statusCode"] == status)


def is_(expected: Any) -> Callable[[Any], bool]:
    return lambda answer: bool(answer == expected)


SCENARIOS = {
    "Authorize": Scenario(operator_token, lambda answer: answer["principalId"] == "olena"),
    "CheckStatus": Scenario(check_due, is_(DONE)),
    "FetchLead": Scenario(lead_to_fetch, is_(DONE)),
    "FindDue": Scenario(one_lead("FindDue", "tick"), is_({"queued": 1})),
    "DetectStaleSources": Scenario(one_lead("DetectStaleSources", "tick"), lambda answer: "stale" in answer),
    "ManageLeads": Scenario(one_lead("ManageLeads", "list"), answered(200)),
    "PublishChanges": Scenario(lambda _: sample("PublishChanges", "new_lead"), is_(DONE)),
    "ReceiveLead": Scenario(form_post, answered(202)),
    "ReceiveLeelooEvent": Scenario(leeloo_event, answered(202)),
    "SendAlert": Scenario(lambda _: sample("SendAlert", "alarm"), is_(DONE)),
    "SendFeedback": Scenario(postback_to_send, is_(DONE), "local"),  # as shipped, no source has a tracker
    "SendMessage": Scenario(message_to_send, is_(DONE)),
    "ServeConsole": Scenario(lambda _: sample("ServeConsole", "page"), answered(200)),
    "SubmitLead": Scenario(one_lead("SubmitLead", "waiting"), is_(DONE)),
    # With the configuration as shipped, the first run of a stack reads years of accounts. Later ones read a few pages.
    "SyncAccounts": Scenario(broker_to_read, is_(DONE), "local"),
    "UpdateStats": Scenario(lambda _: sample("UpdateStats", "new_lead"), is_(DONE)),
}
