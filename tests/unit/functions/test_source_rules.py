"""What a source's configuration does to a lead at the door: rules, repeats, quotas, by the real handler and table."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ReadTimeoutError

from leadbridge.domain.clock import utc_now
from leadbridge.runtime import aws
from leadbridge.runtime.aws_errors import Contended
from leadbridge.services.receive_lead import LeadReceiver
from leadbridge.settings import Settings, Source
from leadbridge.storage.items import decode
from leadbridge.storage.leads import Journey, LeadRepository
from leadbridge.storage.quota import Quota, QuotaExceeded
from quality.testkit.fixtures import TABLE, Context
from quality.testkit.forms.receiver import InMemoryPosts
from quality.testkit.people import NOW, asked, lead

TOKEN = "a token of the tests alone"
Post = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def post(
    store: LeadRepository,
    shipped_settings: Settings,
    function: Callable[[str], ModuleType],
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
) -> Post:
    """Post to a source of plain forms that is configured as the test wants."""
    app = function("receive_lead")
    plain = shipped_settings.sources["plain-credit"].model_dump(by_alias=True, exclude_unset=True)

    def send(fields: dict[str, Any], /, **configured: Any) -> tuple[int, dict[str, Any]]:
        source = Source.model_validate({**plain, "per_minute": 0, **configured})
        settings = shipped_settings.model_copy(update={"sources": {"mine": source}})
        receiver = LeadReceiver(
            settings,
            store,
            lambda *_: {"secrets": [TOKEN]},
            lambda value: f"hash of {len(value)}",
            utc_now,
            InMemoryPosts(),
        )
        monkeypatch.setattr(app, "receiver", lambda: receiver)
        monkeypatch.setattr(app, "settings", lambda: settings)
        event = {
            "httpMethod": "POST",
            "pathParameters": {"source": "mine"},
            "queryStringParameters": {"token": TOKEN},
            "headers": {"Content-Type": "application/json"},
            "body": json.dumps({**FIELDS, **fields}),
        }
        response = app.handler(event, context)
        return response["statusCode"], {**json.loads(response["body"]), **response["headers"]}

    return send


FIELDS = {
    "your-name": asked()["person"]["full_name"],
    "your-phone": "0500000001",
    "your-tax-number": "3068208400",
    "your-activity": "вчителька",
    "amount": "6 000",
    "term": "12",
}
RULES = [
    {"to": ["leadleader", "matchtrade"], "when": {"loan.amount": {"at_least": 5000}}},
    {"to": "matchtrade", "when": {"form.newsletter": {"given": True}}},
]


def test_rules_decide_and_the_timeline_tells_why(post: Post, store: LeadRepository) -> None:
    status, said = post({}, partners=RULES)
    assert status == 202
    journey = store.journey(said["lead_id"])
    assert journey is not None
    assert list(journey.deliveries) == ["leadleader"]
    assert journey.lead.fallbacks == {"leadleader": "matchtrade"}
    told = {entry.what: entry.detail for entry in journey.timeline}
    assert told["routed"] == "rule 1: leadleader, else matchtrade; rule 2 does not match: form.newsletter"


def test_only_who_gets_it_says_what_is_required(post: Post) -> None:
    status, said = post({"amount": "10", "newsletter": "on"}, partners=RULES)
    assert (status, said["status"]) == (202, "incomplete")
    assert said["errors"] == [{"field": "person.email", "code": "required", "message": "is required"}]
    trader = {"your-tax-number": "", "your-email": "a@example.com", "newsletter": "on", "amount": ""}
    assert post(trader, partners=RULES)[0] == 202


def test_a_lead_that_no_rule_fits_is_stored_all_the_same(post: Post, store: LeadRepository) -> None:
    status, said = post({"amount": "10"}, partners=RULES)
    assert status == 202
    journey = store.journey(said["lead_id"])
    assert journey is not None
    assert journey.deliveries == {}
    assert "no partner gets it" in str([entry.detail for entry in journey.timeline])


def test_the_hashes_by_which_repeats_are_known_are_kept(post: Post) -> None:
    post({}, dedup_days=30)
    (item,) = [
        values
        for page in aws.dynamodb().get_paginator("scan").paginate(TableName=TABLE)
        for values in map(decode, page["Items"])
        if values["sk"] == "LEAD"
    ]
    assert (item["phone_hash"], item["tax_hash"]) == ("hash of 13", "hash of 10")


def test_a_source_brings_so_many_leads_a_minute_and_no_more(post: Post) -> None:
    statuses = [post({"your-name": f"Ім'я Номер{chr(1072 + number)}"}, per_minute=3) for number in range(5)]
    assert [status for status, _ in statuses] == [202, 202, 202, 429, 429]
    assert 0 < int(statuses[-1][1]["Retry-After"]) <= 60
    assert post({"your-name": "Ім'я Номера"}, per_minute=3)[0] == 200, "a redelivery is none"
    assert post({"your-name": "Інше Джерело"})[0] == 202, "where there is no quota there is none"


def counts() -> list[int]:
    pages = aws.dynamodb().get_paginator("scan").paginate(TableName=TABLE)
    found = [decode(item) for page in pages for item in page["Items"]]
    return sorted(int(item["leads"]) for item in found if item["pk"].startswith("RATE#"))


def test_a_redelivery_is_taken_off_the_count_and_answered_when_the_count_is_full(store: LeadRepository) -> None:
    quota = Quota("mine", 2)
    for number in (1, 1, 2, 2, 1):
        store.accept(lead(number), phone_hash=None, quota=quota)
    assert counts() == [2]
    assert store.accept(lead(2), phone_hash=None, quota=quota) == lead(2).lead_id
    with pytest.raises(QuotaExceeded):
        store.accept(lead(3), phone_hash=None, quota=quota)


def test_a_redelivery_without_an_id_is_answered_when_the_count_is_full(store: LeadRepository) -> None:
    quota, day = Quota("mine", 1), timedelta(days=1)

    def bring(number: int, content: str, at: datetime) -> str | None:
        one = lead(number, received_at=at).model_copy(update={"content_hash": content})
        return store.accept(one, phone_hash=None, quota=quota, window=day)

    assert bring(1, "a", NOW) is None
    assert bring(2, "a", NOW) == lead(1).lead_id
    assert bring(3, "b", NOW + day) is None
    with pytest.raises(QuotaExceeded):
        bring(4, "a", NOW + day)  # its window is over, so it is a new lead, and the count is full
    assert counts() == [1, 1]


def test_simultaneous_leads_within_the_quota_are_all_taken_and_no_more(store: LeadRepository) -> None:
    def bring(number: int) -> bool:
        try:
            store.accept(lead(number), phone_hash=None, quota=Quota("mine", 20))
        except QuotaExceeded:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(bring, range(30))) == 20
    assert counts() == [20]


def test_no_transaction_meets_another_one_at_the_count(store: LeadRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    """DynamoDB cancels a transaction that meets another one at an item; plain updates wait for each other."""
    written, call = list[str](), vars(BaseClient)["_make_api_call"]

    def noting(client: Any, operation: str, parameters: Any) -> Any:
        if operation == "TransactWriteItems":
            writes = [write for one in parameters["TransactItems"] for write in one.values()]
            written.extend((write.get("Key") or write["Item"])["pk"]["S"] for write in writes)
        return call(client, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", noting)
    for number in (1, 2):
        store.accept(lead(number), phone_hash=None, quota=Quota("mine", 20))
    assert len(written) == 4
    assert not [pk for pk in written if pk.startswith("RATE#")]


def test_a_lead_whose_write_fails_is_counted_all_the_same(
    store: LeadRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it was stored is not known then, and no lead may be stored uncounted."""
    client = aws.dynamodb()
    monkeypatch.setattr(client, "transact_write_items", Mock(side_effect=ReadTimeoutError(endpoint_url="dynamodb")))
    with pytest.raises(Contended):
        store.accept(lead(1), phone_hash=None, quota=Quota("mine", 20), retry_for=0.1)
    assert counts() == [1]


def test_a_redelivery_whose_lost_answer_is_repeated_is_taken_off_the_count_once(
    store: LeadRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    quota = Quota("mine", 9)
    for number in (1, 2, 3):
        store.accept(lead(number), phone_hash=None, quota=quota)
    lost = lose_replies(monkeypatch, "REMOVE", 2)
    assert store.accept(lead(1), phone_hash=None, quota=quota) == lead(1).lead_id
    assert (counts(), len(lost)) == ([3], 2)


@pytest.mark.parametrize("others", [0, 3])
def test_a_post_whose_count_is_repeated_after_a_lost_reply_is_counted_once(
    store: LeadRepository, monkeypatch: pytest.MonkeyPatch, others: int
) -> None:
    quota = Quota("mine", others + 1)
    for number in range(others):
        store.accept(lead(number), phone_hash=None, quota=quota)
    lost = lose_replies(monkeypatch, "SET", 2)
    assert store.accept(lead(9), phone_hash=None, quota=quota) is None, "it has the last place"
    assert (counts(), len(lost)) == ([others + 1], 2)
    with pytest.raises(QuotaExceeded):
        store.accept(lead(10), phone_hash=None, quota=quota)


def lose_replies(monkeypatch: pytest.MonkeyPatch, verb: str, times: int) -> list[str]:
    """Lose the replies to so many updates of a count, after each was written; return the updates that lost theirs."""
    client, lost = aws.dynamodb(), list[str]()
    write = client.update_item

    def lossy(**parameters: Any) -> Any:
        answer = None
        try:
            answer = write(**parameters)
        finally:
            if parameters["UpdateExpression"].startswith(verb) and len(lost) < times:
                lost.append(parameters["UpdateExpression"])
                raise ReadTimeoutError(endpoint_url="dynamodb")
        return answer

    monkeypatch.setattr(client, "update_item", lossy)
    return lost


def test_a_new_minute_starts_at_zero_and_parts_add_up(store: LeadRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leadbridge.storage.quota.MAX_LEADS_PER_PART", 4)
    quota, waits = Quota("mine", 8), set[int]()

    def bring(minute: int) -> int:
        now, taken = datetime(2026, 3, 1, 12, minute, 30, tzinfo=UTC), 0
        for number in range(24):
            try:
                store.accept(lead(1000 * minute + number, received_at=now), phone_hash=None, quota=quota)
                taken += 1
            except QuotaExceeded as left:
                waits.add(left.args[0])
        return taken

    assert ([bring(1), bring(2)], waits) == ([8, 8], {30})


def stored(store: LeadRepository, said: dict[str, Any]) -> Journey:
    journey = store.journey(said["lead_id"])
    assert journey is not None
    return journey


def test_an_incomplete_lead_is_accepted_and_its_redelivery_says_so(post: Post, store: LeadRepository) -> None:
    status, said = post({"your-tax-number": "", "your-email": "немає"})
    assert (status, said["status"]) == (202, "incomplete")
    assert said["errors"] == [{"field": "person.tax_number", "code": "required", "message": "is required"}]
    journey = stored(store, said)
    assert [(one.field, one.code) for one in journey.lead.warnings] == [("person.email", "not_an_email")]
    assert (journey.lead.answers["your-email"], "your-tax-number" in journey.lead.answers) == ("немає", False)
    status, again = post({"your-tax-number": "", "your-email": "немає"})
    assert (status, again["status"], again["duplicate"], again["lead_id"]) == (200, "incomplete", True, said["lead_id"])


def test_a_source_that_refuses_stores_nothing(post: Post, store: LeadRepository) -> None:
    status, problem = post({"your-tax-number": "", "your-email": "немає"}, on_invalid="refuse")
    assert status == 422
    assert {error["field"] for error in problem["errors"]} == {"person.tax_number", "person.email"}
    status, said = post({"your-email": "немає"}, on_invalid="refuse")
    assert (status, said["status"]) == (202, "received"), "an optional field never costs the lead"
    status, said = post({"amount": "багато"}, partners=RULES, on_invalid="keep", origins=["https://example.com"])
    assert (status, said["status"]) == (202, "incomplete")


def test_a_post_with_no_configured_field_lists_what_it_has(post: Post, store: LeadRepository) -> None:
    unknown = dict.fromkeys(FIELDS, "") | {"imya": "x", "telefon": "050 000 00 01", "n" * 300: "x"}
    fields = {"їмʼя": "person.full_name", "other": "person.phone"}
    status, said = post(unknown, fields=fields)
    assert (status, said["status"]) == (202, "incomplete")
    (error,) = said["errors"]
    assert (error["field"], error["code"]) == ("", "no_configured_field")
    assert "imya, telefon" in error["message"]
    assert "n" * 61 not in error["message"]
    assert stored(store, said).lead.answers["telefon"] == "050 000 00 01"


def test_a_post_without_contact_and_answers_is_refused(post: Post) -> None:
    assert post(dict.fromkeys(FIELDS, " "))[0] == 422


def test_of_two_partners_the_one_that_can_take_the_lead_gets_it(post: Post, store: LeadRepository) -> None:
    status, said = post({}, partners=["leadleader", "matchtrade"])
    assert (status, said["status"]) == (202, "received")
    journey = stored(store, said)
    assert list(journey.deliveries) == ["leadleader"]
    assert [(one.field, one.message) for one in journey.lead.warnings] == [
        ("person.email", "is required; matchtrade does not get the lead")
    ]
    (routed,) = [entry for entry in journey.timeline if entry.what == "routed"]
    assert (routed.detail, routed.data) == ("matchtrade cannot accept it", {"passed_over": ["matchtrade"]})


def test_a_value_that_a_rule_needs_and_that_cannot_be_read_makes_a_lead_incomplete(
    post: Post, store: LeadRepository
) -> None:
    status, said = post({"amount": "від душі"}, partners=RULES[:1])
    assert (status, said["status"]) == (202, "incomplete")
    assert [error["field"] for error in said["errors"]] == ["loan.amount"]
    (entry,) = [entry for entry in stored(store, said).timeline if entry.what == "incomplete"]
    assert entry.data["fields"] == ["loan.amount"]
    assert entry.data["rules"] == [{"rule": 1, "unmet": ["loan.amount"]}]


def test_a_value_that_a_rule_needs_and_that_is_missing_makes_a_lead_incomplete(
    post: Post, store: LeadRepository
) -> None:
    status, said = post({"amount": ""}, partners=RULES[:1])
    assert (status, said["status"]) == (202, "incomplete")
    assert [(error["field"], error["code"]) for error in said["errors"]] == [("loan.amount", "required")]
    assert stored(store, said).status.value == "incomplete"


def test_a_lead_that_no_rule_wants_is_no_incomplete_lead(post: Post) -> None:
    city = {"to": "leadleader", "when": {"loan.amount": {"at_least": 5000}, "person.city": {"equals": "Київ"}}}
    assert post({"amount": "100"}, partners=RULES[:1])[1]["status"] == "received"
    assert post({"amount": "100"}, partners=[city])[1]["status"] == "received"


def test_an_incomplete_lead_counts_for_the_quota_and_not_for_the_honeypot(post: Post) -> None:
    bad = {"your-tax-number": ""}
    assert post(bad | {"website": "https://spam.example"}, honeypot="website")[1]["status"] == "received"
    assert post(bad, per_minute=1)[0] == 202
    assert post({"your-tax-number": "1"}, per_minute=1)[0] == 429


def test_a_value_that_cannot_be_read_has_one_warning(post: Post, store: LeadRepository) -> None:
    status, said = post({"your-email": "немає"}, partners=["leadleader", "matchtrade"])
    assert (status, said["status"]) == (202, "received")
    assert [(one.field, one.message) for one in stored(store, said).lead.warnings] == [
        ("person.email", "must be an e-mail address; matchtrade does not get the lead")
    ]
