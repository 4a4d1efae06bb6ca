"""What each function finds when its sample event reaches it, so that its first answer is that of its usual work.

A scene prepares an empty AWS and the partners, and gives the event; its answer is checked, for a refusal is quick.
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
from leadbridge.domain.lead import Lead, Loan, Person, lead_id_of
from leadbridge.domain.message import status_notification
from leadbridge.storage.messages import MessageRepository
from leadbridge.storage.table import Table
from quality.benchmarks.runtime_stack import Stage
from quality.testkit.lambda_runtime.cloud import Cloud
from quality.testkit.lambda_runtime.samples import sample

type Event = dict[str, Any]

SECRET = "whsec_c2FtcGxlLXNlY3JldC1vZi10aGUtdGVzdHMhISEh"
SOME_TIME_AGO = datetime(2026, 3, 1, 12, tzinfo=UTC)
LEADGEN_ID = "1202100000000011"
ACCOUNTS = 3  # that the broker lists
DONE: dict[str, list[Any]] = {"batchItemFailures": []}


@dataclass(frozen=True)
class Scene:
    """How a function is called; `ends_well` says whether it has done what it is there for."""

    prepared: Callable[[Stage, Cloud], Event]
    ends_well: Callable[[Any], bool]


def credit(cloud: Cloud, lead_id: str | None = None) -> Lead:
    """The lead for the lender that the samples are about, stored and nothing more."""
    event = sample("ReceiveLead", "good")
    body = json.loads(event["body"], parse_float=Decimal)
    lead_id = lead_id or lead_id_of("web", f"id:{event['headers']['webhook-id']}")
    person, loan = Person(**body["person"]), Loan(**body["loan"])
    lead = Lead(
        lead_id=lead_id, source="web", received_at=SOME_TIME_AGO, partners=("leadleader",), person=person, loan=loan
    )
    cloud.store.accept(lead, phone_hash="a hash of a phone", email_hash="a hash of an e-mail")
    return lead


def submitted(cloud: Cloud, lead: Lead, deal_id: int) -> Delivery:
    """The lead with the lender, its status due to be asked for."""
    waiting = cloud.store.delivery(lead.lead_id, "leadleader")
    assert waiting is not None
    begun = cloud.store.apply(steps.start_attempt(waiting, SOME_TIME_AGO, timedelta(seconds=92)))
    return cloud.store.apply(steps.confirm(begun, SOME_TIME_AGO, deal_id, timedelta(minutes=2)))


def form_post(stage: Stage, cloud: Cloud) -> Event:
    """A form's post, signed at this moment."""
    cloud.put_secret("sources", {"web": {"secrets": [SECRET]}})
    return signed(sample("ReceiveLead", "good"), SECRET, int(time.time()))


def deal_to_make(stage: Stage, cloud: Cloud) -> Event:
    """A lead that waits for the lender."""
    credit(cloud)
    return sample("SubmitLead", "waiting")


def check_due(stage: Stage, cloud: Cloud) -> Event:
    """A deal whose status is due."""
    lead = credit(cloud)
    submitted(cloud, lead, stage.deal(lead))
    return sample("CheckStatus", "due")


def message_to_send(stage: Stage, cloud: Cloud) -> Event:
    """A message to somebody whom Leeloo knows."""
    lead = credit(cloud)
    submitted(cloud, lead, 24)
    stage.partners.add_person("Ольга", phone=lead.person.phone, accounts=["TELEGRAM"])
    event = sample("SendMessage", "pending")
    message_id = json.loads(event["Records"][0]["body"])["detail"]["message_id"]
    when = datetime.fromisoformat(message_id.partition("#")[0])
    MessageRepository(Table(cloud.client("dynamodb"), cloud.ref("Leads"))).add(
        status_notification(lead.lead_id, "leadleader", 5, "Видано", when)
    )
    return event


def lead_to_fetch(stage: Stage, cloud: Cloud) -> Event:
    """A lead that Meta only named."""
    known = stage.secrets["graph"]
    entry = {"secrets": [known["app_secret"]], "access_token": known["access_token"], "graph_url": known["graph_url"]}
    cloud.put_secret("sources", {"meta-credit": entry})
    answers = {"full_name": "Мар'яненко Ольга Петрівна", "phone_number": "+380500001104"}
    stage.partners.add_lead(answers, leadgen_id=LEADGEN_ID)
    lead_id = lead_id_of("meta-credit", f"id:{LEADGEN_ID}")
    named = Lead(lead_id=lead_id, source="meta-credit", received_at=SOME_TIME_AGO, partners=())
    pending = fetch.new_fetch(lead_id, "meta-credit", {"leadgen_id": LEADGEN_ID}, SOME_TIME_AGO)
    cloud.store.accept(named, phone_hash=None, fetch=pending)
    return sample("FetchLead", "pending")


def leeloos_word(stage: Stage, cloud: Cloud) -> Event:
    """An order that Leeloo tells of."""
    credit(cloud)
    event = sample("ReceiveLeelooEvent", "order")
    return event | {"pathParameters": {"token": stage.secrets["leeloo"]["webhook_token"]}}


def broker_to_read(stage: Stage, cloud: Cloud) -> Event:
    """A broker with a few accounts."""
    stage.partners.add_accounts(ACCOUNTS, start=to_text(utc_now() - timedelta(days=1)))
    return sample("SyncAccounts", "tick")


def one_lead(function: str, case: str) -> Callable[[Stage, Cloud], Event]:
    """A lead of which nothing else is wanted."""

    def prepared(stage: Stage, cloud: Cloud) -> Event:
        credit(cloud)
        return sample(function, case)

    return prepared


def operator_asks(stage: Stage, cloud: Cloud) -> Event:
    """An operator's token."""
    event = sample("Authorize", "good")
    cloud.put_secret("operators", {"olena": event["authorizationToken"].removeprefix("Bearer ")})
    return event


def answered(status: int) -> Callable[[Any], bool]:
    """Whether the gateway is answered with a status."""
    return lambda answer: bool(answer["statusCode"] == status)


def is_(expected: Any) -> Callable[[Any], bool]:
    """Whether the answer is this one."""
    return lambda answer: bool(answer == expected)


SCENES = {
    "Authorize": Scene(operator_asks, lambda answer: answer["principalId"] == "olena"),
    "CheckStatus": Scene(check_due, is_(DONE)),
    "FetchLead": Scene(lead_to_fetch, is_(DONE)),
    "FindDue": Scene(one_lead("FindDue", "tick"), is_({"queued": 1})),
    "DetectStaleSources": Scene(one_lead("DetectStaleSources", "tick"), lambda answer: "quiet" in answer),
    "SnapshotStats": Scene(one_lead("SnapshotStats", "tick"), is_({"days": 35})),
    "ManageLeads": Scene(one_lead("ManageLeads", "list"), answered(200)),
    "PublishChanges": Scene(lambda *_: sample("PublishChanges", "new_lead"), is_(DONE)),
    "ReceiveLead": Scene(form_post, answered(202)),
    "ReceiveLeelooEvent": Scene(leeloos_word, answered(202)),
    "SendMessage": Scene(message_to_send, is_(DONE)),
    "ServeConsole": Scene(lambda *_: sample("ServeConsole", "page"), answered(200)),
    "SubmitLead": Scene(deal_to_make, is_(DONE)),
    "SyncAccounts": Scene(broker_to_read, is_({"matchtrade": "completed"})),
}
