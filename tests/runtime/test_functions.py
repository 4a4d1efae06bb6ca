"""What each function does with its sample events, as it is shipped."""

import json
import re
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from devstack.sandbox.remote import Remote
from devstack.sandbox.server import Sandbox
from events.sign import signed
from leadbridge.domain import delivery as steps
from leadbridge.domain.acceptance.status import LeadStatus
from leadbridge.domain.clock import to_text, utc_now
from leadbridge.domain.delivery import Delivery, State, fail
from leadbridge.domain.fields.hashes import keyed_hash
from leadbridge.domain.lead import Lead, Loan, Person, Trading, lead_id_of
from leadbridge.domain.message import MessageState, status_notification
from leadbridge.storage.messages import MessageRepository
from leadbridge.storage.statistics.counters import CounterReader
from leadbridge.storage.table import Table
from quality.testkit.fakes.errors import some_error
from quality.testkit.lambda_runtime.cloud import Cloud
from quality.testkit.lambda_runtime.samples import sample
from quality.testkit.lambda_runtime.workshop import Start

SECRET = "whsec_c2FtcGxlLXNlY3JldC1vZi10aGUtdGVzdHMhISEh"
LEAD_ID = lead_id_of("web", f"id:{sample('ReceiveLead', 'good')['headers']['webhook-id']}")
TRADER_ID = lead_id_of("web-trading", f"id:{sample('ReceiveLead', 'trading')['headers']['webhook-id']}")
KEYS = {"secrets": [SECRET]}
FORMS = {
    **dict.fromkeys(
        ("tilda_lead", "incomplete", "typeform_lead", "webflow_signed", "webflow_dashboard", "elementor_simple"), 202
    ),
    **dict.fromkeys(("elementor_advanced", "jotform_lead", "google_lead", "tally_lead", "plain_urlencoded"), 202),
    **dict.fromkeys(("plain_windows1251", "plain_multipart", "plain_json"), 202),
    **dict.fromkeys(("tilda_test", "google_test", "tally_other_event"), 200),
}
CASES_OF_MANAGE_LEADS = ("health", "list", "find_by_phone", "show", "unknown_lead")
SOME_TIME_AGO = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def source(cloud: Cloud) -> None:
    """The source `web` can prove itself."""
    cloud.put_secret("sources", {name: {"secrets": [SECRET]} for name in ("web", "web-trading")})
    cloud.put_secret("index", {"key": "a-key"})


@pytest.fixture
def lead(cloud: Cloud) -> Lead:
    """The lead that the sample events are about, received and nothing more."""
    body = json.loads(sample("ReceiveLead", "good")["body"], parse_float=Decimal)
    lead = Lead(
        lead_id=LEAD_ID,
        source="web",
        received_at=SOME_TIME_AGO,
        partners=("leadleader",),
        person=Person(**body["person"]),
        loan=Loan(**body["loan"]),
    )
    assert cloud.store.accept(lead, phone_hash=None) is None
    return lead


@pytest.fixture
def trader(cloud: Cloud) -> Lead:
    """The lead for the broker that the sample events are about."""
    body = json.loads(sample("ReceiveLead", "trading")["body"])
    lead = Lead(
        lead_id=TRADER_ID,
        source="web-trading",
        received_at=SOME_TIME_AGO,
        partners=("matchtrade",),
        person=Person(**body["person"]),
        trading=Trading(**body["trading"]),
    )
    assert cloud.store.accept(lead, phone_hash=None) is None
    return lead


def post(case: str) -> dict[str, Any]:
    """A form's post, signed at this moment."""
    return signed(sample("ReceiveLead", case), SECRET, int(time.time()))


def delivery(cloud: Cloud, lead_id: str = LEAD_ID, partner: str = "leadleader") -> Delivery:
    found = cloud.store.delivery(lead_id, partner)
    assert found is not None
    return found


def submitted(cloud: Cloud, deal_id: int) -> None:
    """Bring the delivery to where its status is due to be asked for."""
    attempt = steps.start_attempt(delivery(cloud), SOME_TIME_AGO, timedelta(seconds=92))
    after = cloud.store.apply(attempt)
    cloud.store.apply(steps.confirm(after, SOME_TIME_AGO, deal_id, is_followed=True))


@pytest.mark.usefixtures("source")
def test_receive_lead_stores_a_good_lead_once(start: Start, cloud: Cloud) -> None:
    with start("ReceiveLead") as function:
        first, again = function.invoke(post("good")), function.invoke(post("redelivered"))

    assert first["statusCode"] == 202
    assert json.loads(first["body"]) == {"lead_id": LEAD_ID, "status": "received"}
    assert again["statusCode"] == 200
    assert json.loads(again["body"]) == {"lead_id": LEAD_ID, "status": "received", "duplicate": True}
    journey = cloud.store.journey(LEAD_ID)
    assert journey is not None
    assert journey.lead.person.full_name == "Мар'яненко Ольга Петрівна"
    assert journey.deliveries["leadleader"].state is State.RECEIVED


@pytest.mark.usefixtures("source")
@pytest.mark.parametrize(
    ("case", "status"),
    [
        ("large_amount", 202),
        ("partner_down", 202),
        ("reply_lost", 202),
        ("test_ping", 200),
        ("trading", 202),
        ("trading_reply_lost", 202),
        ("warned", 202),
    ],
)
def test_receive_lead_takes_each_good_sample(start: Start, cloud: Cloud, case: str, status: int) -> None:
    with start("ReceiveLead") as function:
        answer = function.invoke(post(case))

    assert answer["statusCode"] == status


def test_receive_lead_takes_each_kind_of_form(start: Start, cloud: Cloud) -> None:
    cloud.put_secret("sources", {sample("ReceiveLead", case)["pathParameters"]["source"]: KEYS for case in FORMS})
    cloud.put_secret("index", {"key": "a-key"})
    with start("ReceiveLead") as function:
        answers = {case: function.invoke(post(case)) for case in FORMS}
        again = {case: function.invoke(post(case)) for case in FORMS}

    assert {case: answer["statusCode"] for case, answer in answers.items()} == FORMS
    assert {answer["statusCode"] for answer in again.values()} == {200}
    taken = [json.loads(answer["body"])["lead_id"] for answer in answers.values() if answer["statusCode"] == 202]
    kept = [cloud.store.lead(lead_id) for lead_id in taken]
    assert [lead.consent.form or lead.consent.page_url for lead in kept if lead is not None].count(None) == 0
    assert None not in kept


def test_receive_lead_answers_a_browser_that_asks_before_it_posts(start: Start) -> None:
    with start("ReceiveLead") as function:
        answer = function.invoke(sample("ReceiveLead", "plain_preflight"))

    assert (answer["statusCode"], answer["body"]) == (204, "")
    assert answer["headers"]["Access-Control-Allow-Origin"] == "https://groshi.example.com"


@pytest.mark.usefixtures("source")
def test_receive_lead_names_every_wrong_field(start: Start) -> None:
    with start("ReceiveLead") as function:
        answer = function.invoke(post("invalid"))

    assert answer["statusCode"] == 422
    assert {error["field"] for error in json.loads(answer["body"])["errors"]} >= {
        *("person.email", "person.tax_number", "loan.amount", "loan.term")
    }


@pytest.mark.usefixtures("source")
def test_receive_lead_refuses_a_sample_that_was_not_signed(start: Start) -> None:
    with start("ReceiveLead") as function:
        assert function.invoke(sample("ReceiveLead", "good"))["statusCode"] == 401


def test_publish_changes_tells_the_bus_of_a_new_lead(start: Start, cloud: Cloud) -> None:
    with start("PublishChanges") as function:
        assert function.invoke(sample("PublishChanges", "new_lead")) == {"batchItemFailures": []}

    (envelope,) = cloud.messages("SubmitLeadLeaderQueue")
    assert envelope["detail-type"] == "DeliveryChanged"
    assert envelope["detail"]["lead_id"] == LEAD_ID
    (waiting,) = sample("SubmitLead", "waiting")["Records"]
    assert envelope["detail"] == json.loads(waiting["body"])["detail"]


@pytest.mark.parametrize(("case", "published"), [("status_changed", 1), ("check_put_off", 0)])
def test_publish_changes_tells_changes_and_nothing_else(start: Start, case: str, published: int) -> None:
    with start("PublishChanges") as function:
        assert function.invoke(sample("PublishChanges", case)) == {"batchItemFailures": []}
        told = [json.loads(line) for line in function.log_lines() if '"published"' in line]

    assert len(told) == published


@pytest.mark.usefixtures("lead")
def test_submit_lead_makes_a_deal(start: Start, cloud: Cloud, sandbox: Sandbox) -> None:
    with start("SubmitLead") as function:
        assert function.invoke(sample("SubmitLead", "waiting")) == {"batchItemFailures": []}

    (deal,) = Remote(sandbox.url).rows("leadleader/deals")
    after = delivery(cloud)
    assert after.state is State.SUBMITTED
    assert after.deal_id == deal["deal_id"]
    assert deal["clientInfo"]["PIB"] == "Мар'яненко Ольга Петрівна"
    assert deal["clientInfo"]["telephone"] == "0500001101"


@pytest.mark.usefixtures("lead", "sandbox")
def test_every_call_to_a_partner_is_measured_and_tells_nothing_of_the_person(start: Start) -> None:
    with start("SubmitLead") as function:
        function.invoke(sample("SubmitLead", "waiting"))
        measured = [json.loads(line) for line in function.log_lines() if '"PartnerLatency"' in line]

    assert [(line["partner"], line["operation"], line["outcome"], *line["PartnerErrors"]) for line in measured] == [
        ("leadleader", "authorize", "answered", 0),
        ("leadleader", "create", "answered", 0),
    ]
    assert all(line["PartnerLatency"][0] > 0 for line in measured)
    assert {line["service"] for line in measured} == {"submit_lead"}
    assert not {"0500001101", LEAD_ID} & set(re.findall(r"\w+", json.dumps(measured)))


@pytest.mark.usefixtures("lead")
def test_submit_lead_gives_back_only_the_message_it_cannot_read(start: Start, cloud: Cloud, sandbox: Sandbox) -> None:
    event = sample("SubmitLead", "unreadable_among_good")
    with start("SubmitLead") as function:
        answer = function.invoke(event)

    assert answer == {"batchItemFailures": [{"itemIdentifier": event["Records"][0]["messageId"]}]}
    assert delivery(cloud).state is State.SUBMITTED


def test_submit_lead_is_done_with_a_lead_that_is_gone(start: Start, sandbox: Sandbox) -> None:
    with start("SubmitLead") as function:
        assert function.invoke(sample("SubmitLead", "lead_gone")) == {"batchItemFailures": []}

    assert Remote(sandbox.url).calls() == []


@pytest.mark.usefixtures("trader")
def test_submit_lead_makes_an_account_and_its_status_can_be_asked_for(
    start: Start, cloud: Cloud, sandbox: Sandbox
) -> None:
    with start("SubmitLead") as function:
        for _ in range(2):
            assert function.invoke(sample("SubmitLead", "waiting_account")) == {"batchItemFailures": []}

    (account,) = Remote(sandbox.url).rows("matchtrade/accounts")
    assert (account["email"], account["name"]) == ("roman.torhovenko@example.com", "Роман")
    after = delivery(cloud, TRADER_ID, "matchtrade")
    assert (after.state, after.account_uuid) == (State.SUBMITTED, account["uuid"])

    Remote(sandbox.url).post(f"matchtrade/accounts/{account['uuid']}", {"status": "CONTACTED"})
    with start("CheckStatus") as function:
        assert function.invoke(sample("CheckStatus", "account_at_once")) == {"batchItemFailures": []}
    assert delivery(cloud, TRADER_ID, "matchtrade").partner_status == "CONTACTED"


def test_submit_lead_is_done_with_an_account_s_lead_that_is_gone(start: Start, sandbox: Sandbox) -> None:
    with start("SubmitLead") as function:
        assert function.invoke(sample("SubmitLead", "account_lead_gone")) == {"batchItemFailures": []}

    assert Remote(sandbox.url).calls() == []


@pytest.mark.usefixtures("lead")
def test_find_due_queues_what_is_due(start: Start, cloud: Cloud) -> None:
    with start("FindDue") as function:
        assert function.invoke(sample("FindDue", "tick")) == {"queued": 1}

    (due,) = sample("CheckStatus", "due")["Records"]
    assert cloud.messages("CheckQueue") == [json.loads(due["body"])]


@pytest.mark.usefixtures("lead")
@pytest.mark.parametrize("case", ["due", "at_once"])
def test_check_status_notes_the_status(start: Start, cloud: Cloud, sandbox: Sandbox, case: str) -> None:
    with start("SubmitLead") as function:
        function.invoke(sample("SubmitLead", "waiting"))
    Remote(sandbox.url).post(f"leadleader/deals/{delivery(cloud).deal_id or 0}", {"status": "Погоджено"})
    if case == "due":
        cloud.store.defer_check(delivery(cloud), SOME_TIME_AGO)

    with start("CheckStatus") as function:
        assert function.invoke(sample("CheckStatus", case)) == {"batchItemFailures": []}

    after = delivery(cloud)
    assert (after.state, after.partner_status, after.outcome) == (State.SUBMITTED, "Погоджено", "approved")
    assert (after.due_at, after.followed_since is not None) == (None, True)


def test_authorize_accepts_valid_tokens_only(start: Start, cloud: Cloud) -> None:
    event = sample("Authorize", "good")
    cloud.put_secret("operators", {"olena": event["authorizationToken"].removeprefix("Bearer ")})

    with start("Authorize") as function:
        policy = function.invoke(event)
        refusals = [function.invoke(sample("Authorize", case)) for case in ("wrong", "no_bearer")]

    assert [one["policyDocument"]["Statement"][0]["Effect"] for one in refusals] == ["Deny", "Deny"]
    (statement,) = policy["policyDocument"]["Statement"]
    assert policy["context"] == {"operator": "olena"}
    assert (statement["Effect"], statement["Action"]) == ("Allow", "execute-api:Invoke")


@pytest.mark.usefixtures("source")
def test_manage_leads_answers_the_operator(start: Start, cloud: Cloud) -> None:
    with start("ReceiveLead") as function:
        function.invoke(post("good"))

    with start("ManageLeads") as function:
        answers = {case: function.invoke(sample("ManageLeads", case)) for case in CASES_OF_MANAGE_LEADS}

    statuses = {case: answer["statusCode"] for case, answer in answers.items()}
    assert statuses == {"health": 200, "list": 200, "find_by_phone": 200, "show": 200, "unknown_lead": 404}
    for case in ("list", "find_by_phone"):
        assert [lead["lead_id"] for lead in json.loads(answers[case]["body"])["leads"]] == [LEAD_ID]
    assert [entry["what"] for entry in json.loads(answers["show"]["body"])["timeline"]] == ["received"]


@pytest.mark.usefixtures("lead")
def test_send_message_tells_the_person_once(start: Start, cloud: Cloud, sandbox: Sandbox) -> None:
    submitted(cloud, deal_id=24)
    changed = json.loads(sample("SendMessage", "pending")["Records"][0]["body"])["detail"]
    when = datetime.fromisoformat(changed["message_id"].partition("#")[0])
    outbox = MessageRepository(Table(cloud.client("dynamodb"), cloud.ref("Leads")))
    assert outbox.add(status_notification(LEAD_ID, "leadleader", 5, "Видано", when))

    with start("SendMessage") as function:
        for case in ("pending", "pending", "overdue"):
            assert function.invoke(sample("SendMessage", case)) == {"batchItemFailures": []}

    (message,) = outbox.messages(LEAD_ID)
    assert message.state is MessageState.SENT
    (told,) = Remote(sandbox.url).rows("leeloo/messages")
    assert told["text"] == "Статус вашої заявки на кредит: Видано."


@pytest.mark.usefixtures("lead", "sandbox")
def test_manage_leads_writes_a_message_and_asks_for_a_check(start: Start, cloud: Cloud) -> None:
    submitted(cloud, deal_id=24)

    with start("ManageLeads") as function:
        answers = [function.invoke(sample("ManageLeads", case)) for case in ("write_message", "check")]

    assert [answer["statusCode"] for answer in answers] == [202, 202]
    (message,) = MessageRepository(Table(cloud.client("dynamodb"), cloud.ref("Leads"))).messages(LEAD_ID)
    assert message.state is MessageState.PENDING
    (at_once,) = sample("CheckStatus", "at_once")["Records"]
    assert cloud.messages("CheckQueue") == [json.loads(at_once["body"])]


@pytest.mark.usefixtures("lead")
def test_manage_leads_corrects_and_erases(start: Start, cloud: Cloud, sandbox: Sandbox) -> None:
    Remote(sandbox.url).arm("leadleader", "create", {"kind": "drop", "when": "after"}, times=1)
    with start("SubmitLead") as function:
        function.invoke(sample("SubmitLead", "waiting"))
    assert delivery(cloud).state is State.UNKNOWN
    (deal,) = Remote(sandbox.url).rows("leadleader/deals")
    resolve = {**sample("ManageLeads", "resolve"), "body": json.dumps({"deal_id": deal["deal_id"]})}

    with start("ManageLeads") as function:
        events = (resolve, sample("ManageLeads", "retry"), sample("ManageLeads", "erase"))
        answers = [function.invoke(event)["statusCode"] for event in events]

    assert answers == [200, 409, 204]
    journey = cloud.store.journey(LEAD_ID)
    assert journey is not None
    assert (journey.lead.person.full_name, journey.status) == (None, LeadStatus.SUBMITTED)


def test_manage_leads_counts_and_deals_with_dead_letters(start: Start, cloud: Cloud, lead: Lead) -> None:
    delivery = cloud.store.delivery(LEAD_ID, "leadleader")
    assert delivery is not None
    cloud.store.apply(fail(delivery, utc_now(), some_error("spent")))
    url = cloud.ref("SubmitLeadLeaderDeadLetterQueue")
    note = {"lead_id": LEAD_ID, "partner": "leadleader", "step": "submit", "reason": "spent"}
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(note))

    with start("ManageLeads") as function:
        answers = [
            function.invoke(sample("ManageLeads", case))
            for case in ("stats", "dead_letters", "redrive", "discard", "sync")
        ]

    assert [answer["statusCode"] for answer in answers] == [200] * 5
    bodies = [json.loads(answer["body"]) for answer in answers]
    assert [letter["lead_id"] for letter in bodies[1]["dead_letters"]] == [LEAD_ID]
    redriven = {"redriven": 1, "kept": [], "obsolete": []}
    assert bodies[2:4] == [redriven, {"discarded": 0}]
    assert bodies[4]["partners"] == dict.fromkeys(("matchtrade", "broker-b", "broker-c"))


def test_serve_console_answers_with_the_page_and_its_files(start: Start) -> None:
    with start("ServeConsole") as function:
        page, script, nothing = (
            function.invoke(sample("ServeConsole", case)) for case in ("page", "script", "unknown_file")
        )

    assert [page["statusCode"], script["statusCode"], nothing["statusCode"]] == [200, 200, 404]
    assert page["headers"]["Content-Type"] == "text/html; charset=utf-8"
    assert script["headers"]["Content-Type"] == "text/javascript; charset=utf-8"


def test_update_stats_counts_a_new_lead_once(start: Start, cloud: Cloud) -> None:
    today = utc_now().date()
    event = json.loads(json.dumps(sample("UpdateStats", "new_lead")).replace("2026-11-02", today.isoformat()))
    with start("UpdateStats") as function:
        for _ in range(2):
            assert function.invoke(event) == {"batchItemFailures": []}
        compared = function.invoke(sample("UpdateStats", "tick"))

    assert compared == {"compared": 0, "corrected": 0, "is_done": True}
    table = Table(cloud.client("dynamodb"), cloud.ref("Leads"))
    (counts,) = CounterReader(table, today - timedelta(days=1), today).counts().values()
    assert (counts["l"], counts["d|leadleader|received|"]) == (1, 1)


def test_find_quiet_misses_a_source_until_it_brings_a_lead(start: Start, cloud: Cloud, lead: Lead) -> None:
    with start("DetectStaleSources") as function:
        silent = function.invoke(sample("DetectStaleSources", "tick"))
        next_one = lead.model_copy(update={"lead_id": "ld_next", "received_at": utc_now()})
        assert cloud.store.accept(next_one, phone_hash=None) is None
        received = function.invoke(sample("DetectStaleSources", "tick"))

    assert (silent, received) == ({"stale": ["web"], "incomplete": []}, {"stale": [], "incomplete": []})


@pytest.mark.usefixtures("source")
def test_receive_leeloo_event_keeps_an_order_with_the_lead_it_is_about(start: Start, cloud: Cloud) -> None:
    cloud.put_secret("leeloo", {"webhook_token": sample("ReceiveLeelooEvent", "order")["pathParameters"]["token"]})
    with start("ReceiveLead") as function:
        function.invoke(post("good"))

    with start("ReceiveLeelooEvent") as function:
        answers = [function.invoke(sample("ReceiveLeelooEvent", case)) for case in ("order", "order", "unknown_type")]

    assert [answer["statusCode"] for answer in answers] == [202, 202, 202]
    assert [json.loads(answer["body"]).get("duplicate", False) for answer in answers] == [False, True, False]
    journey = cloud.store.journey(LEAD_ID)
    assert journey is not None
    assert [(entry.what, entry.detail) for entry in journey.timeline][1:] == [("leeloo_order", "Консультація 100 UAH")]


@pytest.mark.usefixtures("source")
def test_sync_matchtrade_keeps_what_the_broker_lists_and_tells_its_lead_of_it(
    start: Start, cloud: Cloud, sandbox: Sandbox
) -> None:
    now = utc_now()
    person = Person(full_name="Ольга Петренко", phone="+380501234567", email="olha@example.com")
    ours = Lead(lead_id="ld_ours", source="web-trading", received_at=now, partners=("matchtrade",), person=person)
    assert cloud.store.accept(ours, phone_hash=None, email_hash=keyed_hash("a-key", "olha@example.com")) is None
    waiting = cloud.store.delivery(ours.lead_id, "matchtrade")
    assert waiting is not None
    cloud.store.apply(steps.start_attempt(waiting, now, timedelta(seconds=30)))
    broker = Remote(sandbox.url, "matchtrade")
    broker.post("accounts", {"count": 3, "start": "2019-01-01T00:00:00Z"})
    person_of_ours = {"emails": ["olha@example.com"], "status": "NEW_CONTACT", "start": to_text(now)}
    account = broker.post("accounts", person_of_ours)["first"]

    with start("SyncAccounts") as function:
        ticked = function.invoke(sample("SyncAccounts", "tick"))
        first = function.invoke(sample("SyncAccounts", "broker"))
        cloud.store.apply(steps.confirm(delivery_to_broker(cloud), utc_now(), None, is_followed=False))
        answers = [function.invoke(sample("SyncAccounts", "broker")) for _ in range(2)]

    assert ticked == {"queued": 3}  # the partners of config/partners.local.toml
    assert [first, *answers] == [{"batchItemFailures": []}] * 3
    settled = delivery_to_broker(cloud)
    assert (settled.account_uuid, settled.partner_status) == (account, "NEW_CONTACT")
    assert cloud.store.owner_of("matchtrade", account) == ours.lead_id


def delivery_to_broker(cloud: Cloud) -> Delivery:
    found = cloud.store.delivery("ld_ours", "matchtrade")
    assert found is not None
    return found
