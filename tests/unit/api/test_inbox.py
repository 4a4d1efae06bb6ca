"""GET /inbox and what operators do with a group: each trouble is there once, until it is solved."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime, time, timedelta
from itertools import pairwise
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from leadbridge.api.routes.inbox import LATE, MAX_SNOOZE
from leadbridge.domain import delivery as steps
from leadbridge.domain import fetch as fetch_steps
from leadbridge.domain import message as message_steps
from leadbridge.domain.clock import date_in, from_text, to_text, utc_now
from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.field_codes import FieldCode, FieldError
from leadbridge.domain.inbox.trouble import MAX_TROUBLES
from leadbridge.domain.lead import Lead, Loan, lead_id_of
from leadbridge.domain.message import status_notification
from leadbridge.domain.operator_steps import retry_by_operator
from leadbridge.domain.routing.fallback import NextOn, open_next
from leadbridge.domain.shards import SHARDS
from leadbridge.domain.statistics.contribution import LEADS
from leadbridge.runtime import aws
from leadbridge.settings import Settings
from leadbridge.storage import items
from leadbridge.storage.erasure.eraser import Eraser
from leadbridge.storage.fetches import FetchRepository
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.messages import MessageRepository
from leadbridge.storage.queries.partner_state import PartnerStates
from leadbridge.storage.table import Table
from quality.testkit.fakes.errors import some_error
from quality.testkit.fixtures import TABLE, Context, queue
from quality.testkit.people import lead

QUEUES = ("submit-leadleader", "messages", "fetch", "checks", "events")
FAILED = "failed.leadleader.rate_limited"
LOST = "unknown.leadleader.reply_lost"
LEASE = timedelta(minutes=1)
ZONE = "Europe/Kyiv"  # of the statistics, as shipped


class Desk:
    """The inbox of two operators, and the leads in it."""

    def __init__(self, store: LeadRepository, app: ModuleType, context: Context, dead: dict[str, str]) -> None:
        self.store, self.app, self.context, self.dead = store, app, context, dead

    def ask(
        self,
        method: str,
        path: str = "/inbox",
        *,
        key: str = "",
        body: object = None,
        operator: str = "olena",
        **query: str,
    ) -> tuple[int, dict[str, Any]]:
        event = {
            "httpMethod": method,
            "resource": path,
            "pathParameters": {"group": key},
            "queryStringParameters": query or None,
            "requestContext": {"authorizer": {"operator": operator}},
            "body": None if body is None else json.dumps(body),
        }
        answer = self.app.handler(event, self.context)
        return answer["statusCode"], json.loads(answer["body"])

    def groups(self) -> dict[str, dict[str, Any]]:
        status, view = self.ask("GET")
        assert status == 200
        return {group["key"]: group for group in view["groups"]}

    def counts(self) -> dict[str, int]:
        return {key: group["count"] for key, group in self.groups().items()}

    def retry(self, group: str, **body: object) -> tuple[int, dict[str, Any]]:
        return self.ask("POST", "/inbox/{group}/retry", key=group, body=body)

    def mark(self, group: str, operator: str = "olena", **body: object) -> tuple[int, dict[str, Any]]:
        return self.ask("PATCH", "/inbox/{group}", key=group, body=body, operator=operator)

    def add(
        self, number: int, state: State = State.FAILED, code: ErrorCode = ErrorCode.RATE_LIMITED, **values: Any
    ) -> Lead:
        one = lead(number, received_at=utc_now() - timedelta(minutes=60 - number % 60)).model_copy(update=values)
        self.store.accept(one, phone_hash=None)
        now, error = one.received_at + timedelta(seconds=1), some_error("as the test says", code)
        if state is State.FAILED:
            self.store.apply(steps.fail(self.delivery(one), now, error))
        elif state is not State.RECEIVED:
            begun = self.store.apply(steps.start_attempt(self.delivery(one), now, LEASE))
            match state:
                case State.UNKNOWN:
                    self.store.apply(steps.mark_unknown(begun, now, error))
                case State.REJECTED:
                    self.store.apply(steps.reject(begun, now, error))
                case State.SUBMITTED:
                    self.store.apply(steps.confirm(begun, now, number, is_followed=True))
        return one

    def fail_again(self, one: Lead) -> None:
        """Retry a delivery on its lead's page. It fails again, and leaves another dead letter."""
        self.store.apply(retry_by_operator(self.delivery(one), utc_now(), "bohdan", is_confirmed=False))
        self.store.apply(steps.fail(self.delivery(one), utc_now(), some_error("again", ErrorCode.RATE_LIMITED)))

    def lose(self, one: Lead) -> None:
        """Submit a delivery now; the reply is lost."""
        begun = self.store.apply(steps.start_attempt(self.delivery(one), utc_now(), LEASE))
        self.store.apply(steps.mark_unknown(begun, utc_now(), some_error("lost", ErrorCode.REPLY_LOST)))

    def delivery(self, one: Lead) -> Delivery:
        found = self.store.delivery(one.lead_id, "leadleader")
        assert found is not None
        return found

    def bury(self, name: str, **content: object) -> None:
        aws.sqs().send_message(QueueUrl=self.dead[name], MessageBody=json.dumps(content))

    def buried(self) -> int:
        found = (aws.sqs().get_queue_attributes(QueueUrl=url, AttributeNames=["All"]) for url in self.dead.values())
        return sum(int(one["Attributes"]["ApproximateNumberOfMessages"]) for one in found)


@pytest.fixture
def desk(
    store: LeadRepository,
    shipped_settings: Settings,
    function: Callable[[str], ModuleType],
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
) -> Desk:
    dead = {name: queue(f"dead-{name}") for name in QUEUES}
    monkeypatch.setenv("DEAD_LETTER_QUEUES", json.dumps(dead))
    monkeypatch.setenv("QUEUES", json.dumps({name: queue(name) for name in QUEUES}))
    monkeypatch.setattr("leadbridge.services.dead_letters.queues.VISIBILITY_SECONDS", 0)
    return Desk(store, function("manage_leads"), context, dead)


def note_of(one: Lead, **more: object) -> dict[str, object]:
    return {"lead_id": one.lead_id, "partner": "leadleader", "step": "submit", "reason": "x", **more}


def test_each_trouble_is_in_one_group_with_its_leads(desk: Desk) -> None:
    failed = [desk.add(number) for number in range(3)]
    for one in failed:
        desk.bury("submit-leadleader", **note_of(one, reason_code="rate_limited"))
    lost = desk.add(4, State.UNKNOWN, ErrorCode.REPLY_LOST)
    desk.add(5, State.REJECTED, ErrorCode.TAX_NUMBER_INVALID)
    desk.add(6, State.REJECTED, ErrorCode.REJECTED)
    desk.add(7, State.SUBMITTED)
    held = desk.add(8, code=ErrorCode.CAPPED)
    desk.add(10, code=ErrorCode.SELF_CHECK, source="self-check")  # a deployment's test lead is no trouble
    problems = (FieldError("person.phone", FieldCode.NOT_A_PHONE), FieldError("loan.term", FieldCode.REQUIRED))
    desk.store.accept(lead(9).model_copy(update={"partners": (), "problems": problems}), phone_hash=None)
    desk.bury("events", DDBStreamBatchInfo={})
    groups = desk.groups()
    assert {key: group["count"] for key, group in groups.items()} == {
        "unknown.leadleader.reply_lost": 1,
        FAILED: 3,
        "failed.leadleader.capped": 1,
        "rejected.leadleader.tax_number_invalid": 1,
        "incomplete.web.person.phone.not_a_phone": 1,
        "technical.events.stream_failed": 1,
    }
    rate_limited = groups[FAILED]
    assert (rate_limited["kind"], rate_limited["partner"], rate_limited["code"]) == (
        "failed",
        "leadleader",
        "rate_limited",
    )
    assert from_text(rate_limited["first_seen"]) < from_text(rate_limited["last_seen"])
    assert rate_limited["is_complete"]
    status, view = desk.ask("GET", group=FAILED)
    assert [one["lead_id"] for one in view["leads"]] == [one.lead_id for one in reversed(failed)]
    assert desk.ask("GET", group="failed.leadleader.capped", masked="true")[1]["leads"][0]["lead_id"] == held.lead_id
    assert desk.ask("GET", group="unknown.leadleader.reply_lost")[1]["leads"][0]["lead_id"] == lost.lead_id
    assert desk.ask("GET", group="failed.nobody.capped") == (200, {"groups": [], "leads": []})
    assert status == 200


def test_a_dead_letter_disappears_when_its_lead_has_moved_on_and_a_retry_makes_no_second_one(desk: Desk) -> None:
    one, other = desk.add(1), desk.add(2)
    for each in (one, other):
        desk.bury("submit-leadleader", **note_of(each))
    desk.fail_again(one)
    desk.bury("submit-leadleader", **note_of(one))
    assert desk.counts() == {FAILED: 2}
    assert desk.buried() == 2, "the letter of the first life of the one lead is gone"
    Eraser(Table(aws.dynamodb(), TABLE)).erase(other.lead_id, "bohdan", utc_now())
    desk.store.apply(retry_by_operator(desk.delivery(one), utc_now(), "bohdan", is_confirmed=False))
    assert desk.groups() == {}
    assert desk.buried() == 1, "it may fail again"
    begun = desk.store.apply(steps.start_attempt(desk.delivery(one), utc_now(), LEASE))
    desk.store.apply(steps.confirm(begun, utc_now(), 24, is_followed=True))
    assert desk.groups() == {}
    assert desk.buried() == 0


def test_what_only_a_dead_letter_shows_is_a_group_of_its_own_and_can_be_retried(desk: Desk) -> None:
    one = desk.add(1, State.SUBMITTED)
    outbox = MessageRepository(Table(aws.dynamodb(), TABLE))
    message = status_notification(one.lead_id, "leadleader", 4, "Видано", utc_now())
    outbox.add(message)
    outbox.apply(message_steps.fail(message, utc_now(), some_error("away")))
    desk.bury(
        "messages",
        lead_id=one.lead_id,
        message_id=message.message_id,
        step="send",
        reason="x",
        reason_code="unavailable",
    )
    key = "dead_letter.messages.unavailable"
    assert desk.counts() == {key: 1}
    assert desk.ask("GET", group=key)[1]["leads"][0]["lead_id"] == one.lead_id
    status, done = desk.retry(key)
    assert (status, done["retried"], done["kept"], done["has_more"]) == (200, 1, [], False)
    assert desk.groups() == {}
    assert desk.retry(key)[1]["retried"] == 0


def test_an_answer_that_was_not_stored_counts_once_and_is_stored_by_a_retry(desk: Desk) -> None:
    one = desk.add(1, State.UNKNOWN, ErrorCode.REPLY_LOST)
    answer = {"step": "record_answer", "reason_code": "answer_not_recorded", "answer": {"deal_id": 24}, "attempt": 1}
    desk.bury("submit-leadleader", **note_of(one, **answer))
    key = "dead_letter.submit-leadleader.answer_not_recorded"
    assert desk.counts() == {key: 1}
    assert desk.retry(key)[1]["retried"] == 1
    assert (desk.delivery(one).state, desk.delivery(one).deal_id) == (State.SUBMITTED, 24)
    assert desk.groups() == {}


def test_all_leads_of_a_group_are_retried_but_those_that_cannot_be(desk: Desk) -> None:
    fine, lacking = desk.add(1), desk.add(2, loan=Loan())
    status, done = desk.retry(FAILED)
    assert (status, done["retried"], done["has_more"]) == (200, 1, False)
    assert done["kept"] == [{"lead_id": lacking.lead_id, "code": "missing_fields"}]
    assert desk.delivery(fine).state is State.RECEIVED
    journey = desk.store.journey(fine.lead_id)
    assert journey is not None
    assert journey.timeline[-1].data == {"operator": "olena"}
    assert desk.counts() == {FAILED: 1}


def test_a_group_whose_partner_may_have_the_leads_is_retried_after_a_confirmation(desk: Desk) -> None:
    one, key = desk.add(1, State.UNKNOWN, ErrorCode.REPLY_LOST), "unknown.leadleader.reply_lost"
    status, refused = desk.retry(key)
    assert (status, refused["type"].rpartition(":")[2]) == (409, "needs-confirmation")
    assert desk.delivery(one).state is State.UNKNOWN
    assert desk.retry(key, confirm=True)[1]["retried"] == 1
    assert desk.delivery(one).state is State.RECEIVED


def test_one_confirmation_sends_each_lead_once_although_every_reply_is_lost_again(desk: Desk) -> None:
    leads = [desk.add(number, State.UNKNOWN, ErrorCode.REPLY_LOST) for number in range(MAX_TROUBLES + 5)]
    late, sent, body = desk.add(999, State.RECEIVED), Counter[str](), dict[str, Any](confirm=True)
    calls = []
    for _ in range(4):
        status, done = desk.retry(LOST, **body)
        assert status == 200
        calls.append((done["retried"], done["has_more"]))
        body["before"] = done["before"]
        for one in (*leads, late):  # the partner is still away; this is the first attempt of the late one
            if desk.delivery(one).state is State.RECEIVED:
                sent[one.lead_id] += 1
                desk.lose(one)
    assert calls == [(MAX_TROUBLES, True), (5, False), (0, False), (0, False)]
    assert set(sent.values()) == {1}
    assert (len(sent), desk.delivery(late).state) == (len(leads) + 1, State.UNKNOWN)


def test_a_time_in_the_future_confirms_nothing_that_is_to_come(desk: Desk) -> None:
    one, body = desk.add(1, State.UNKNOWN, ErrorCode.REPLY_LOST), {"confirm": True, "before": "2199-01-01T00:00:00Z"}
    done = desk.retry(LOST, **body)[1]
    assert (done["retried"], from_text(done["before"]) <= utc_now()) == (1, True)
    desk.lose(one)
    assert desk.retry(LOST, confirm=True, before=done["before"])[1]["retried"] == 0
    assert desk.retry(LOST, confirm=True, before="tomorrow")[0] == 422


def test_a_retry_reaches_leads_behind_those_that_it_cannot_retry_or_says_that_it_does_not(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = desk.add(0)
    fill(MAX_TROUBLES, start=1000)  # newer ones, whose leads have expired
    monkeypatch.setattr("leadbridge.api.routes.inbox.MAX_RETRY_READ", MAX_TROUBLES)
    done = desk.retry(FAILED)[1]
    assert (done["retried"], done["has_more"]) == (0, True)
    monkeypatch.undo()
    done = desk.retry(FAILED)[1]
    assert (done["retried"], done["has_more"]) == (1, False)
    assert desk.delivery(one).state is State.RECEIVED


@pytest.mark.parametrize("key", ["failed", "../x", "failed.a.b\n", "failed.lead leader.x", "f" * 5000])
def test_the_key_of_a_group_in_the_query_is_as_in_the_path(desk: Desk, key: str) -> None:
    status, refused = desk.ask("GET", group=key)
    assert (status, refused["type"].rpartition(":")[2]) == (400, "invalid-query")
    assert refused["detail"] == "group does not have the right form."


def test_what_a_person_must_correct_is_not_retried_together(desk: Desk) -> None:
    desk.add(1, State.REJECTED, ErrorCode.FIELDS_REJECTED)
    status, refused = desk.retry("rejected.leadleader.fields_rejected", confirm=True)
    assert (status, refused["type"].rpartition(":")[2]) == (409, "wrong-state")


def test_a_rejected_lead_is_no_trouble_while_a_later_partner_has_it_or_may_get_it(desk: Desk) -> None:
    partners = ("leadleader", "matchtrade", "lender-b")
    one = desk.add(1, State.RECEIVED, fallbacks=dict(pairwise(partners)))
    error = some_error("the tax number", ErrorCode.TAX_NUMBER_INVALID)
    for partner, following in zip(partners, (*partners[1:], None), strict=True):
        waiting = desk.store.delivery(one.lead_id, partner)
        assert waiting is not None
        assert desk.counts() == {}, "the next partner may take it"
        begun = desk.store.apply(steps.start_attempt(waiting, utc_now(), LEASE))
        desk.store.apply(open_next(steps.reject(begun, utc_now(), error), following, NextOn.REJECTED))
    assert desk.counts() == {f"rejected.{name}.tax_number_invalid": 1 for name in partners}, "no one has it"
    last = desk.store.delivery(one.lead_id, partners[-1])
    assert last is not None
    again = desk.store.apply(retry_by_operator(last, utc_now(), "olena", is_confirmed=False))
    begun = desk.store.apply(steps.start_attempt(again, utc_now(), LEASE))
    desk.store.apply(steps.confirm(begun, utc_now(), 7, is_followed=True))
    assert desk.counts() == {}


def test_a_retry_ends_in_time_and_says_that_there_is_more(desk: Desk) -> None:
    for number in range(3):
        desk.add(number)
    desk.context.milliseconds = 6_000
    status, done = desk.retry(FAILED)
    assert (status, done["retried"], done["kept"], done["has_more"]) == (200, 0, [], True)
    assert desk.retry(FAILED, before=to_text(utc_now() - timedelta(days=1)))[1]["has_more"] is False, "all are newer"


def test_a_fetch_that_failed_is_fetched_again(desk: Desk) -> None:
    fetch = fetch_steps.new_fetch("ld_" + "a" * 26, "meta-credit", {"leadgen_id": "77"}, utc_now())
    empty = Lead(lead_id=fetch.lead_id, source="meta-credit", received_at=utc_now(), partners=())
    desk.store.accept(empty, phone_hash=None, fetch=fetch)
    fetches = FetchRepository(Table(aws.dynamodb(), TABLE))
    fetches.apply(fetch_steps.fail(fetch, utc_now(), some_error("no", ErrorCode.FORBIDDEN)))
    desk.bury("fetch", lead_id=fetch.lead_id, step="fetch", reason="no", reason_code="forbidden")
    assert desk.counts() == {"fetch.meta-credit.forbidden": 1}
    assert desk.retry("fetch.meta-credit.forbidden")[1]["retried"] == 1
    assert desk.groups() == {}


def test_an_operator_takes_a_group_notes_it_snoozes_it_and_gives_it_back(desk: Desk) -> None:
    desk.add(1)
    until = to_text(utc_now() + timedelta(hours=2))
    assert desk.mark(FAILED, assigned=True, note="asked their support")[0] == 200
    desk.mark(FAILED, "bohdan", snoozed_until=until)
    group = desk.groups()[FAILED]
    assert (group["assignee"]["operator"], group["note"]["text"]) == ("olena", "asked their support")
    assert (group["note"]["operator"], group["snoozed_until"]) == ("olena", until)
    assert [(one["operator"], one["what"]) for one in group["changes"]] == [
        ("olena", "assignee"),
        ("olena", "note"),
        ("bohdan", "snoozed_until"),
    ]
    desk.mark(FAILED, "bohdan", assigned=True)
    assert desk.groups()[FAILED]["assignee"]["operator"] == "bohdan"
    assert desk.mark(FAILED, assigned=False, snoozed_until=None, note=None)[1]["assignee"] is None
    group = desk.groups()[FAILED]
    assert (group["assignee"], group["snoozed_until"], group["note"]) == (None, None, None)


def test_a_mark_does_not_hide_what_comes_after_the_group_was_solved(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = desk.add(1)
    desk.mark(FAILED, assigned=True, snoozed_until=to_text(utc_now() + timedelta(days=1)))
    desk.retry(FAILED)
    later = utc_now() + timedelta(hours=2)
    desk.store.apply(steps.fail(desk.delivery(one), later, some_error("again", ErrorCode.RATE_LIMITED)))
    group = desk.groups()[FAILED]
    assert (group["assignee"], group["snoozed_until"], len(group["changes"])) == (None, None, 2)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"note": "call 0671234509"}, "note"),
        ({"note": "x" * 301}, "note"),
        ({"snoozed_until": to_text(utc_now() - timedelta(minutes=1))}, "snoozed_until"),
        ({"snoozed_until": to_text(utc_now() + MAX_SNOOZE + timedelta(days=1))}, "snoozed_until"),
        ({"snoozed_until": "tomorrow"}, "snoozed_until"),
        ({"assigned": "me"}, "assigned"),
        ({"owner": "me"}, ""),
    ],
)
def test_a_mark_that_is_not_valid_is_refused_and_changes_nothing(desk: Desk, body: dict[str, Any], field: str) -> None:
    desk.add(1)
    status, refused = desk.mark(FAILED, **body)
    assert (status, [one["field"] for one in refused["errors"]]) == (422, [field])
    assert desk.groups()[FAILED]["changes"] == []
    assert desk.mark(FAILED)[0] == 422


def test_a_group_that_is_not_there_cannot_be_marked(desk: Desk) -> None:
    for key in (FAILED, "nonsense.a.b", "../x", "failed"):
        status, refused = desk.mark(key, assigned=True)
        assert (status, refused["type"].rpartition(":")[2]) == (404, "unknown-group")


def test_partners_that_get_no_leads_and_silent_sources_need_a_person(desk: Desk) -> None:
    circuits, now = PartnerStates(Table(aws.dynamodb(), TABLE)), utc_now()
    circuits.count_failure("matchtrade", "ld_1", "unreachable")
    circuits.open_circuit("matchtrade", now - timedelta(minutes=5), timedelta(hours=1), "unreachable")
    today = date_in(ZONE, now)
    day = (today - timedelta(days=3)).isoformat()
    for name in (day, today.isoformat()):
        source = "web" if name != day else "tilda-credit"
        counted = items.encode({"pk": "STATS#0", "sk": f"{name}#{source}", LEADS: 4})
        aws.dynamodb().put_item(TableName=TABLE, Item=counted)
    groups = desk.groups()
    assert set(groups) == {"partner.matchtrade.circuit_open", "source.tilda-credit.stale"}
    assert groups["partner.matchtrade.circuit_open"]["first_seen"] == to_text(now - timedelta(minutes=5))
    assert groups["source.tilda-credit.stale"]["source"] == "tilda-credit"
    day_after = datetime.combine(today - timedelta(days=2), time(), ZoneInfo(ZONE))
    assert groups["source.tilda-credit.stale"]["first_seen"] == to_text(day_after)
    assert desk.mark("source.tilda-credit.stale", assigned=True)[0] == 200


def test_a_partner_needs_a_person_if_its_status_checks_are_late(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for seconds, expected in ((LATE, set()), (LATE + 60, {"partner.leadleader.checks_late"})):
        checks = {"oldest_due_seconds": seconds, "at_once": 1}
        views = lambda request, name, *_, checks=checks: checks if name == "leadleader" else None  # noqa: E731
        monkeypatch.setattr("leadbridge.api.routes.partners.checks_view", views)
        assert desk.groups().keys() == expected


def test_the_list_of_a_status_has_the_rejections_that_can_be_corrected_too(desk: Desk) -> None:
    found = {
        desk.add(1, State.REJECTED, ErrorCode.REJECTED).lead_id,
        desk.add(2, State.REJECTED, ErrorCode.FIELDS_REJECTED).lead_id,
    }
    status, view = desk.ask("GET", "/leads", status="rejected")
    assert (status, {one["lead_id"] for one in view["leads"]}) == (200, found)


def test_the_inbox_costs_the_same_for_any_number_of_leads(desk: Desk) -> None:
    """It reads the newest of each kind, and says that there are more."""
    fill(5 * MAX_TROUBLES)
    touched = count_reads()
    assert desk.groups()[FAILED]["count"] == MAX_TROUBLES
    few = dict(touched)
    fill(10 * MAX_TROUBLES, start=10_000)
    touched.clear()
    group = desk.groups()[FAILED]
    assert (group["count"], group["is_complete"]) == (MAX_TROUBLES, False)
    assert touched["BatchGetItem"] == few["BatchGetItem"] == 4, "two of the deliveries, the partners, the marks"
    assert abs(touched["Query"] - few["Query"]) <= SHARDS, "a shard may need a page more"
    assert touched["items"] <= 1.2 * few["items"]


def fill(number: int, start: int = 0) -> None:
    """Failed deliveries, written past the repository."""
    requests: list[Any] = []
    for place in range(start, start + number):
        at = utc_now() - timedelta(hours=1) + timedelta(milliseconds=place)
        error = some_error("limited", ErrorCode.RATE_LIMITED)
        change = steps.fail(steps.new_delivery(lead_id_of("web", f"id:{place}"), "leadleader", "web", at), at, error)
        requests.append(items.delivery_item(change.after))
    for first in range(0, len(requests), 25):
        some: list[Any] = [{"PutRequest": {"Item": items.encode(item)}} for item in requests[first : first + 25]]
        aws.dynamodb().batch_write_item(RequestItems={TABLE: some})


def count_reads() -> Counter[str]:
    """Count the calls that read the table by name, and the items that they touch."""
    touched = Counter[str]()

    def note(parsed: dict[str, Any], model: Any, **_: Any) -> None:
        touched[model.name] += 1
        touched["items"] += parsed.get("ScannedCount", 0)
        touched["items"] += sum(map(len, parsed.get("Responses", {}).values())) if model.name == "BatchGetItem" else 0

    aws.dynamodb().meta.events.register("after-call.dynamodb", note)
    return touched
