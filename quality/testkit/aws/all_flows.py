"""All that a stack does, once: whatever a function can want of AWS, it has wanted when this is over."""

import json
import os
import time
from datetime import datetime, timedelta
from string import ascii_lowercase
from typing import Any
from unittest.mock import patch
from zoneinfo import ZoneInfo

from devstack.partners import stored_secrets
from devstack.sandbox.remote import Remote
from events.sign import signed
from leadbridge import settings
from leadbridge.domain import delivery as steps
from leadbridge.domain.clock import to_text, utc_now
from leadbridge.domain.feedback.postback import Postback
from leadbridge.domain.lead import Lead, Loan, Person
from leadbridge.domain.recipient import Contact
from leadbridge.partners.registry import kind_names
from leadbridge.runtime import aws
from leadbridge.settings import self_check
from leadbridge.settings.sources import TrackerSettings
from leadbridge.storage.feedback.postbacks import postback_item
from leadbridge.storage.items import encode
from leadbridge.storage.messages import MessageRepository
from leadbridge.storage.table import Table
from quality.testkit.aws.memory_stack import MemoryStack
from quality.testkit.aws.operator_flows import BEARER, TOKEN, asked, operators_act
from quality.testkit.fakes.errors import some_error
from quality.testkit.lambda_runtime.samples import sample
from quality.testkit.services.alerts import alarm, envelope

VERIFY_TOKEN = sample("ReceiveLead", "meta_verify")["queryStringParameters"]["hub.verify_token"]
WEB, PLAIN = "whsec_c2FtcGxlLXNlY3JldC1vZi10aGUtdGVzdHMhISEh", "a-token-of-the-tests"
WEBHOOK_TOKEN = "leeloo-of-the-tests"
UNKNOWN_ID = "0" * 24  # an account that Leeloo does not have
TRACKER = TrackerSettings(kind="url", on={"submitted": "lead", "issued": "sale"})
LONG_AGO = {"S": "2020-01-01T00:00:00.000Z"}


def begin(stack: MemoryStack, partner: Remote, secrets: dict[str, dict[str, Any]]) -> None:
    """Post a lead from each form, and process what follows. `secrets` are the partners'."""
    put_secrets(stack, secrets)
    count_repeats()
    tell_tracker(stack, partner, secrets)
    partner.post("leeloo/people", {"name": "Ольга", "phone": "+380500001101", "accounts": ["TELEGRAM"]})
    partner.post(
        "graph/leads",
        {
            "answers": {"full_name": "Прикладенко Олена", "phone_number": "+380500000077"},
            "leadgen_id": "1202100000000012",
        },
    )
    forms(stack)
    stack.carry()


def live(stack: MemoryStack, partner: Remote, secrets: dict[str, dict[str, Any]]) -> None:
    """Let everything happen. `secrets` are the partners'."""
    begin(stack, partner, secrets)
    refusals(stack, partner)
    stack.tick()
    the_broker_takes_and_tells(stack, partner)
    an_operator_settles(stack, partner)
    operators_messages(stack)
    leeloo_tells(stack)
    what_is_overdue(stack)
    operators_look(stack)
    dead_letters(stack)
    faults_of_ours(stack)
    failures(stack, partner, secrets)
    alerts(stack, partner, secrets)
    operators_act(stack, accept(stack, 10, "leadleader", "matchtrade"))
    erase_all(stack)


def count_repeats() -> None:
    """A source of each partner takes a person's second lead for the first, so that their leads claim the person.

    One of them is to send leads each day.
    """
    with patch.dict(os.environ, {"LEADBRIDGE_ENVIRONMENT": "local"}):  # as the stack's functions have it
        sources = settings.settings().sources
    for name in ("plain-credit", "web-trading"):
        sources[name] = sources[name].model_copy(update={"dedup_days": 30})
    sources["plain-credit"] = sources["plain-credit"].model_copy(update={"stale_after": timedelta(days=1)})


def tell_tracker(stack: MemoryStack, partner: Remote, secrets: dict[str, dict[str, Any]]) -> None:
    """A source sends postbacks to a tracker that is busy, then refuses one permanently, and accepts all others."""
    with patch.dict(os.environ, {"LEADBRIDGE_ENVIRONMENT": "local"}):
        sources = settings.settings().sources
    sources["web"] = sources["web"].model_copy(update={"feedback": {"tracker": TRACKER}})
    entry = secrets["feedback"]["tracker"]
    stack.put_secret("feedback", {"tracker": {**entry, "url": entry["url"].replace("{click_id}", "{sub1}")}})
    for status in (500, 410):
        partner.arm("feedback", "postback", {"kind": "answer", "status": status, "body": {}}, times=1)


def put_secrets(stack: MemoryStack, secrets: dict[str, dict[str, Any]]) -> None:
    """The partners' secrets and our own."""
    graph = secrets["graph"]
    stored = stored_secrets(secrets)
    for name in kind_names():
        stack.put_secret(name, stored[name])
    stack.put_secret("leeloo", {**secrets["leeloo"], "webhook_token": WEBHOOK_TOKEN})
    tokens = {"access_token": graph["access_token"], "verify_token": VERIFY_TOKEN}
    meta = {"secrets": [graph["app_secret"]], "graph_url": graph["graph_url"], **tokens}
    proofs = {name: {"secrets": [WEB]} for name in ("web", "web-trading")}
    stack.put_secret("sources", {**proofs, "plain-credit": {"secrets": [PLAIN]}, "meta-credit": meta})
    stack.put_secret("operators", {"anna": TOKEN})
    stack.put_secret(self_check.SOURCE, {"secret": "Ab1" * 16})


def post(stack: MemoryStack, case: str, **instead: str) -> list[str]:
    """Post a sample, its body with some words instead of others; the ids of its leads."""
    event = sample("ReceiveLead", case)
    for old, new in instead.items():
        event["body"] = event["body"].replace(old.removeprefix("_"), new)
    (secret,) = stack.secret("sources")[event["pathParameters"]["source"]]["secrets"]
    answer = stack.invoke("ReceiveLead", signed(event, secret, int(time.time())))
    assert answer["statusCode"] in {200, 202}, answer
    content = json.loads(answer["body"])
    return list(content.get("lead_ids") or [content["lead_id"]])


def forms(stack: MemoryStack) -> None:
    """Leads of every way into the table: new, again, without an id of its own, several, named and not there."""
    for case in ("good", "redelivered", "trading"):
        post(stack, case)
    post(stack, "plain_urlencoded")
    post(stack, "meta_batch")
    for case in ("meta_verify", "plain_preflight"):
        stack.invoke("ReceiveLead", sample("ReceiveLead", case))
    wrong = {"webhook-id": "x", "webhook-timestamp": "1", "webhook-signature": "v1,x"}
    named = {"source": self_check.SOURCE}
    headers = {"Content-Type": "application/json", **wrong}
    answer = stack.ask("POST", "/webhooks/{source}", "{}", headers=headers, pathParameters=named)
    assert answer["statusCode"] == 401  # test_road.py sends it the right lead


def accept(stack: MemoryStack, number: int, first: str, then: str, *, age: timedelta = timedelta()) -> str:
    """A lead that goes to one partner, and to another if that one rejects it; returns its id."""
    person = Person(
        full_name="Прикладенко Олена",
        phone=f"+3805000022{number:02}",
        email=f"lead{number}@example.com",
        tax_number="3068208400",
        activity="вчителька",
    )
    lead = Lead(
        lead_id=f"ld_{ascii_lowercase[number] * 26}",
        source="web",
        received_at=utc_now() - age,
        partners=(first,),
        fallbacks={first: then},
        person=person,
        loan=Loan(amount="6000.00", term=12),
    )
    stack.store.accept(lead, phone_hash=None)
    return lead.lead_id


def refusals(stack: MemoryStack, partner: Remote) -> None:
    """Each partner rejects a lead that then goes to the other one."""
    for number, (first, then) in enumerate([("leadleader", "matchtrade"), ("matchtrade", "leadleader")]):
        words = {"error": "no"} if first == "leadleader" else {"status": "BAD_REQUEST", "message": "no"}
        refusal = {"kind": "answer", "status": 400, "body": words}  # in a shape of the partner's own
        fault = partner.arm(first, "create", refusal, times=1)
        accept(stack, number, first, then)
        stack.carry()
        partner.disarm(fault)


def the_broker_takes_and_tells(stack: MemoryStack, partner: Remote) -> None:
    """A reply is lost and looked up; the list of accounts changes; each delivery is looked at, by hand too."""
    fault = partner.arm("matchtrade", "create", {"kind": "drop", "when": "after"}, times=1)
    post(stack, "trading_reply_lost")
    stack.carry()
    partner.disarm(fault)
    time.sleep(1.1)  # config/partners.local.toml waits for a second before the account is looked up
    stack.carry()
    partner.post("matchtrade/accounts", {"count": 2})
    partner.post(
        "matchtrade/accounts", {"emails": ["olha.marianenko@example.com"], "start": to_text(utc_now())}
    )  # of a lead for another
    for account in partner.rows("matchtrade/accounts"):
        partner.post(f"matchtrade/accounts/{account['uuid']}", {"status": "READY_TO_DEPOSIT"})
    for item in aws.dynamodb().scan(TableName="Leads")["Items"]:
        if item["sk"]["S"] == "LINK":  # the account is found by its e-mail
            aws.dynamodb().delete_item(TableName="Leads", Key={"pk": item["pk"], "sk": item["sk"]})
    stack.invoke("SyncAccounts", {})
    stack.carry()
    for lead in asked(stack, "GET", "/leads")["leads"]:
        for name, delivery in lead["deliveries"].items():
            if delivery["state"] == "submitted":
                place = {"lead_id": lead["lead_id"], "partner": name}
                path = "/leads/{lead_id}/deliveries/{partner}/check"
                asked(stack, "POST", path, pathParameters=place)
    make_due(stack)
    stack.tick()
    make_due(stack)
    stack.tick()


def an_operator_settles(stack: MemoryStack, partner: Remote) -> None:
    """An unknown lead is settled, withdrawn and settled again; its checks are refused until a person must look."""
    fault = partner.arm("leadleader", "create", {"kind": "drop", "when": "after"}, times=1)
    accept(stack, 7, "leadleader", "matchtrade")
    lead_id = f"ld_{'h' * 26}"
    stack.carry()
    partner.disarm(fault)
    path = "/leads/{lead_id}/deliveries/{partner}/resolve"
    place = {"pathParameters": {"lead_id": lead_id, "partner": "leadleader"}}
    deal = max(int(one["deal_id"]) for one in partner.rows("leadleader/deals"))
    wrong = stack.ask("POST", path, json.dumps({"deal_id": 999_999}), headers=BEARER, **place)
    assert (wrong["statusCode"], "not-known-to-partner" in wrong["body"]) == (422, True), wrong
    for body in ({"deal_id": deal}, {"outcome": "unknown"}, {"deal_id": deal}):
        asked(stack, "POST", path, body, **place)
    refusal = {"kind": "answer", "status": 404, "body": {"error": "no"}}
    fault = partner.arm("leadleader", "status", refusal, times=None)
    for _ in range(3):
        make_due(stack)
        stack.tick()
    partner.disarm(fault)
    assert lead_id in {one["lead_id"] for one in in_doubt(stack)}
    limit = {"kind": "answer", "status": 429, "body": {}}
    fault = partner.arm("leadleader", "authorize", limit, times=None)
    asked(stack, "POST", "/leads/{lead_id}/deliveries/{partner}/check", **place)
    make_due(stack)
    stack.tick()  # the batch of the operator's check returns to its queue, the others are deferred
    partner.disarm(fault)
    make_due(stack)
    stack.tick()
    assert in_doubt(stack) == []
    accept(stack, 8, "matchtrade", "leadleader")
    lost = stack.store.delivery(f"ld_{'i' * 26}", "matchtrade")
    assert lost is not None
    begun = stack.store.apply(steps.start_attempt(lost, utc_now(), timedelta(minutes=1)))
    stack.store.apply(steps.mark_unknown(begun, utc_now(), some_error("lost"), can_be_looked_up=True))
    place = {"pathParameters": {"lead_id": lost.lead_id, "partner": "matchtrade"}}
    answer = stack.ask("POST", path, json.dumps({"account_uuid": "nobodys"}), headers=BEARER, **place)
    assert answer["statusCode"] == 422, answer


def in_doubt(stack: MemoryStack) -> list[dict[str, Any]]:
    """The leads that are followed and need a person."""
    return list(asked(stack, "GET", "/leads", queryStringParameters={"attention": "true"})["leads"])


def make_due(stack: MemoryStack) -> None:
    """Make everything due that has a due time, and every followed deal; end the pauses before retries."""
    for item in aws.dynamodb().scan(TableName="Leads")["Items"]:
        if shard := item.get("due_shard") or item.get("follow_shard"):
            aws.dynamodb().update_item(
                TableName="Leads",
                Key={"pk": item["pk"], "sk": item["sk"]},
                UpdateExpression="SET due_at = :due_at, due_shard = :shard"
                + (", next_attempt_at = :due_at" if "next_attempt_at" in item else ""),
                ExpressionAttributeValues={":due_at": LONG_AGO, ":shard": shard},
            )


def operators_messages(stack: MemoryStack) -> None:
    """Messages to a person, to one whose account is gone, to an account, and to none."""
    (lead_id,) = post(stack, "good")
    asked(stack, "POST", "/messages", {"lead_id": lead_id, "text": "Добрий день"})
    stack.carry()
    MessageRepository(Table(aws.dynamodb(), "Leads")).remember(lead_id, Contact(UNKNOWN_ID, lead_received_at=utc_now()))
    asked(stack, "POST", "/messages", {"lead_id": lead_id, "text": "Добрий вечір"})
    asked(stack, "POST", "/messages", {"account_id": UNKNOWN_ID, "text": "Добраніч"})
    stack.carry()


def leeloo_tells(stack: MemoryStack) -> None:
    """Leeloo's own events: of an account, a phone, an e-mail that no lead has; and of a phone that one has."""
    post(stack, "good")
    known = json.dumps({"type": "ORDER", "data": {"phone": "+380500001101"}})
    place = {"token": WEBHOOK_TOKEN}
    stack.ask("POST", "/partners/leeloo/{token}", known, pathParameters=place, headers=JSON)
    data = {"account_id": "nobody", "phone": "+380500009999", "email": "nobody@example.com"}
    body = json.dumps({"type": "ORDER", "data": data})
    for token, status in ((WEBHOOK_TOKEN, 202), ("wrong", 401)):
        place = {"token": token}
        answer = stack.ask("POST", "/partners/leeloo/{token}", body, pathParameters=place, headers=JSON)
        assert answer["statusCode"] == status


JSON = {"Content-Type": "application/json"}


def what_is_overdue(stack: MemoryStack) -> None:
    """A delivery, a message and a fetch that nothing happened to come up again; a fetch that was tried for too long."""
    (lead_id,) = post(stack, "warned")
    accept(stack, 5, "leadleader", "matchtrade")
    accept(stack, 6, "matchtrade", "leadleader")
    stack.lose_changes()
    post(stack, "meta_lead")
    asked(stack, "POST", "/messages", {"lead_id": lead_id, "text": "Вітаємо"})
    about = (lead_id, "evt_overdue", "tracker", "leadleader", "web", 3, "submitted", "lead", utc_now())
    postback = postback_item(Postback(*about, due_at=utc_now()))
    aws.dynamodb().put_item(TableName="Leads", Item=encode(postback))
    make_due(stack)
    stack.invoke("FindDue", {})
    for item in aws.dynamodb().scan(TableName="Leads")["Items"]:
        if item["sk"]["S"] == "FETCH":
            put = {name: value for name, value in item.items() if name != "next_attempt_at"}
            aws.dynamodb().put_item(TableName="Leads", Item={**put, "first_attempt_at": LONG_AGO})
    stack.carry()


def operators_look(stack: MemoryStack) -> None:
    """Lists, one lead, current and old figures, requests without an operator; the daily count."""
    (lead_id,) = post(stack, "good")
    asked(stack, "GET", "/health")
    stack.ask("GET", "/console")
    stack.ask("GET", "/console/{file}", pathParameters={"file": "uplot.css"})
    asked(stack, "GET", "/partners")
    asked(stack, "GET", "/leads", queryStringParameters={"phone": "+380500001101"})
    for wanted in ("Прикладенко", "ivan@example.com", "24", UNKNOWN_ID):
        asked(stack, "GET", "/leads", queryStringParameters={"search": wanted})
    asked(stack, "GET", "/sources")
    asked(stack, "GET", "/leads", queryStringParameters={"status": "submitted", "partner": "leadleader"})
    for resource in ("/leads/{lead_id}", "/leads/{lead_id}/messages/options"):
        asked(stack, "GET", resource, pathParameters={"lead_id": lead_id})
    accept(stack, 9, "leadleader", "matchtrade", age=timedelta(days=1))
    stack.invoke("UpdateStats", {})
    asked(stack, "GET", "/stats")
    asked(stack, "GET", "/stats", queryStringParameters={"from": "2026-01-01", "to": "2026-02-01", "by": "campaign"})
    assert stack.ask("GET", "/leads", headers={"Authorization": "Bearer wrong"})["statusCode"] == 401


def dead_letters(stack: MemoryStack) -> None:
    """Letters of every kind in every queue; some are put back, one is thrown away."""
    changed = {"lead_id": "ld_gone", "owner": "ld_gone", "message_id": "gone"}
    letters = [
        {"detail-type": "DeliveryChanged", "detail": {**changed, "partner": "leadleader"}},
        {"detail-type": "DeliveryChanged", "detail": {**changed, "partner": "matchtrade"}},
        {"detail-type": "MessageChanged", "detail": changed},
        {"detail-type": "FetchChanged", "detail": changed},
        {"detail-type": "PostbackChanged", "detail": {**changed, "event_id": "evt_gone"}},
        {"lead_id": "ld_gone", "step": "publish", "reason": "one to throw away"},
    ]
    queues = {
        "submit-leadleader": "SubmitLeadLeaderDeadLetterQueue",
        "submit-matchtrade": "SubmitMatchTradeDeadLetterQueue",
        "messages": "MessageDeadLetterQueue",
        "fetch": "FetchDeadLetterQueue",
        "feedback": "FeedbackDeadLetterQueue",
        "checks": "CheckDeadLetterQueue",
        "events": "EventDeadLetterQueue",
    }
    for name, queue in queues.items():
        # of different leads: an older letter of the same delivery is deleted
        lost = [{"lead_id": f"ld_{name}_{number}", "partner": "leadleader"} for number in range(2)]
        for letter in letters if name == "events" else [*letters[:1], *lost]:
            aws.sqs().send_message(QueueUrl=stack.ref(queue), MessageBody=json.dumps(letter))
    ids = {one["queue"]: one["dead_letter_id"] for one in asked(stack, "GET", "/dead-letters")["dead_letters"]}
    for name in queues:
        place = {"pathParameters": {"queue": name}}
        asked(stack, "POST", "/dead-letters/{queue}/discard", {"dead_letter_id": ids[name]}, **place)
        asked(stack, "POST", "/dead-letters/{queue}/redrive", {}, **place)
    stack.carry()
    asked(stack, "GET", "/inbox")


def faults_of_ours(stack: MemoryStack) -> None:
    """A record of the stream that cannot be read."""
    broken = {"eventName": "INSERT", "dynamodb": {"Keys": {"pk": {"S": "x"}}, "NewImage": {"pk": {"S": "x"}}}}
    for function in ("PublishChanges", "UpdateStats"):
        assert stack.invoke(function, {"Records": [broken]}) == {"batchItemFailures": []}


def failures(stack: MemoryStack, partner: Remote, secrets: dict[str, dict[str, Any]]) -> None:
    """Partners that are away for a moment, and partners that do not take our credentials."""
    away = {"kind": "drop", "when": "before"}
    faults = [partner.arm(name, None, away, times=None) for name in ("leadleader", "matchtrade", "leeloo", "graph")]
    (lead_id,) = post(stack, "large_amount")
    accept(stack, 4, "matchtrade", "leadleader")
    post(stack, "meta_lead", _1202100000000011="1202100000000099")
    asked(stack, "POST", "/messages", {"lead_id": lead_id, "text": "Вітаємо"})
    stack.carry()
    for fault in faults:
        partner.disarm(fault)
    put_secrets(stack, {name: {**one, "password": "wrong"} for name, one in secrets.items()})
    stack.restart("SubmitLead")
    accept(stack, 2, "leadleader", "matchtrade")
    accept(stack, 3, "matchtrade", "leadleader")
    with patch("leadbridge.auth.secrets.MIN_REFRESH_SECONDS", 0.0):  # it is read again immediately, and still wrong
        stack.carry()


def alerts(stack: MemoryStack, partner: Remote, secrets: dict[str, dict[str, Any]]) -> None:
    """An alarm reaches the chats, is late, and is e-mailed; other texts of the topic; the digest of the day."""
    local = datetime.now(ZoneInfo("Europe/Kyiv"))
    with patch.dict(os.environ, {"LEADBRIDGE_ENVIRONMENT": "local"}):
        configured = settings.settings()
    digest = configured.alerts.digest.model_copy(update={"at": local.time()})
    vars(configured)["alerts"] = configured.alerts.model_copy(update={"digest": digest})
    telegram = secrets["telegram"]
    stack.put_secret("alerts", {"telegram": telegram})
    stack.restart("SendAlert")
    url, now = stack.ref("AlertQueue"), utc_now()
    stack.invoke("SendAlert", {})
    for body in (alarm("an-alarm", now), alarm("another", now), envelope("a text")):
        aws.sqs().send_message(QueueUrl=url, MessageBody=json.dumps(body))
    stack.carry()
    fault = partner.arm("telegram", "send", {"kind": "drop", "when": "before"}, times=None)
    late = alarm("late", now, text="Late: docs/runbook.md#unknown")
    aws.sqs().send_message(QueueUrl=url, MessageBody=json.dumps(late))
    stack.carry()
    partner.disarm(fault)
    for chat in telegram["chats"]:
        partner.post(f"telegram/chats/{chat}")
    aws.sqs().send_message(QueueUrl=url, MessageBody=json.dumps(envelope("for e-mail", "another-id")))
    aws.sqs().send_message(QueueUrl=url, MessageBody="{")
    stack.carry()
    texts = [message["text"] for message in partner.rows("telegram/messages")]
    assert len([text for text in texts if "📊" in text]) == len([text for text in texts if text == "a text"]) == 2


def erase_all(stack: MemoryStack) -> None:
    """Every person is forgotten who is not with a partner at this moment."""
    for lead in asked(stack, "GET", "/leads", queryStringParameters={"limit": "100"})["leads"]:
        stack.ask("DELETE", "/leads/{lead_id}", headers=BEARER, pathParameters={"lead_id": lead["lead_id"]})
