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
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.quota import Quota, QuotaExceeded
from quality.testkit.fixtures import TABLE, Context
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

    def send(fields: dict[str, Any], **configured: Any) -> tuple[int, dict[str, Any]]:
        source = Source.model_validate({**plain, "per_minute": 0, **configured})
        settings = shipped_settings.model_copy(update={"sources": {"mine": source}})
        receiver = LeadReceiver(
            settings, store, lambda *_: {"secrets": [TOKEN]}, lambda value: f"hash of {len(value)}", utc_now
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
    assert len(written) == 6
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


def test_a_new_minute_begins_anew_and_parts_add_up(store: LeadRepository, monkeypatch: pytest.MonkeyPatch) -> None:
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
