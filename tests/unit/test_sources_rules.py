"""What a source's configuration does to a lead at the door: rules, repeats, quotas, by the real handler and table."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest

from leadbridge import aws
from leadbridge.clock import utc_now
from leadbridge.forms.reception import Desk
from leadbridge.leads.items import decode
from leadbridge.leads.quota import Quota, TooMany
from leadbridge.leads.store import Store
from leadbridge.settings import Settings, Source
from tests.people import asked, lead
from tests.unit.conftest import TABLE, Context

TOKEN = "a token of the tests alone"
Post = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def post(
    store: Store,
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
        desk = Desk(settings, store, lambda *_: {"secrets": [TOKEN]}, lambda value: f"hash of {len(value)}", utc_now)
        monkeypatch.setattr(app, "desk", lambda: desk)
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


def test_rules_decide_and_the_timeline_tells_why(post: Post, store: Store) -> None:
    status, said = post({}, partners=RULES)
    assert status == 202
    journey = store.journey(said["lead_id"])
    assert journey is not None
    assert list(journey.deliveries) == ["leadleader"]
    assert journey.lead.fallbacks == {"leadleader": "matchtrade"}
    told = {entry.what: entry.detail for entry in journey.timeline}
    assert told["routed"] == "rule 1: leadleader, else matchtrade; rule 2 does not fit: form.newsletter"


def test_only_who_gets_it_says_what_is_required(post: Post) -> None:
    assert post({"amount": "10", "newsletter": "on"}, partners=RULES)[1]["errors"] == [
        {"field": "person.email", "message": "is required"}
    ]
    trader = {"your-tax-number": "", "your-email": "a@example.com", "newsletter": "on", "amount": ""}
    assert post(trader, partners=RULES)[0] == 202


def test_a_lead_that_no_rule_fits_is_stored_all_the_same(post: Post, store: Store) -> None:
    status, said = post({"amount": "10"}, partners=RULES)
    assert status == 202
    journey = store.journey(said["lead_id"])
    assert journey is not None
    assert journey.deliveries == {}
    assert "nobody gets it" in str([entry.detail for entry in journey.timeline])


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


def test_a_new_minute_begins_anew_and_parts_add_up(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leadbridge.leads.quota.PER_PART", 4)
    quota, waits = Quota("mine", 8), set[int]()

    def bring(minute: int) -> int:
        now, taken = datetime(2026, 3, 1, 12, minute, 30, tzinfo=UTC), 0
        for number in range(24):
            try:
                store.accept(lead(1000 * minute + number, received_at=now), phone_hash=None, quota=quota)
                taken += 1
            except TooMany as left:
                waits.add(left.args[0])
        return taken

    assert ([bring(1), bring(2)], waits) == ([8, 8], {30})
