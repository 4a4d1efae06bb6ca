"""The one search of the list: what is understood, and that each finds its lead, alone and with filters."""

import json
from datetime import timedelta
from typing import Any

import pytest

from leadbridge.domain import delivery as steps
from leadbridge.domain.acceptance.correction import correct_lead
from leadbridge.domain.clock import to_text, utc_now
from leadbridge.domain.errors.error_codes import ErrorCode, ErrorInfo
from leadbridge.domain.errors.field_codes import FieldCode, FieldError
from leadbridge.domain.errors.problem_keys import ProblemFilter, parse_problem
from leadbridge.domain.fields.hashes import hashes_of, keyed_hash, short_hash
from leadbridge.domain.lead import Lead
from leadbridge.domain.statistics.times import Stage
from leadbridge.domain.statuses.status_change import change_status
from leadbridge.runtime import aws
from leadbridge.settings import Settings
from leadbridge.storage.corrections import CorrectionRepository
from leadbridge.storage.erasure.eraser import Eraser
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.table import Table
from quality.testkit.fixtures import TABLE
from quality.testkit.operator_api import KEY, Get, ids
from quality.testkit.people import NOW, lead
from quality.testkit.statistics import count_all

MINUTE = timedelta(minutes=1)


def hashed(value: str) -> str:
    return keyed_hash(KEY, value)


@pytest.fixture
def accept(store: LeadRepository, shipped_settings: Settings) -> Any:
    def stored(number: int, **changes: Any) -> Lead:
        person = {name: changes.pop(name) for name in ("full_name", "phone", "email") if name in changes}
        one = lead(number, received_at=changes.pop("received_at", NOW), **person).model_copy(update=changes)
        assert store.accept(one, **hashes_of(one, hashed)) is None
        return one

    return stored


def test_a_lead_is_found_by_all_that_is_known_of_it(get: Get, accept: Any, store: LeadRepository) -> None:
    one = accept(1, full_name="Прикладенко Олена Іванівна", phone="050 000 00 01", email="Olena@Example.com")
    accept(2, full_name="Зразковий Андрій Петрович", phone="050 000 00 02", email="andrij@example.com")
    begun = store.apply(steps.start_attempt(_delivery(store, one), NOW, MINUTE))
    store.apply(steps.confirm(begun, NOW, 4711, is_followed=True))
    for text in (
        *("+38 (050) 000-00-01", "0500000001", "380500000001", "тел. 050 000 00 01"),
        *("olena@example.com", "OLENA@EXAMPLE.COM", "mailto:olena@example.com"),
        *("4711", "№ 4711", "#4711", one.lead_id, f" {one.lead_id} "),
        *("прикладенко", "Прикладенко Олена", "Олена ПРИКЛАДЕНКО", "Олена Іванівна Прикладенко", "Прикладенко О"),
    ):
        assert ids(get, search=text) == [one.lead_id], text
    for text in ("050 000 00 09", "nobody@example.com", "4712", "Ніхтоненко", "Прикладенко Марія", "ld_" + "a" * 26):
        assert ids(get, search=text) == [], text


def test_an_account_of_a_broker_is_found(get: Get, accept: Any, store: LeadRepository) -> None:
    one = accept(1, partners=("matchtrade",))
    begun = store.apply(steps.start_attempt(_delivery(store, one), NOW, MINUTE))
    store.apply(steps.confirm(begun, NOW, "3f6e0a52-8d2c-4a3b-9a51-000000000001", is_followed=True))
    assert ids(get, search="3f6e0a52-8d2c-4a3b-9a51-000000000001") == [one.lead_id]
    assert ids(get, search="3f6e0a52-8d2c-4a3b-9a51-000000000002") == []


@pytest.mark.parametrize("text", ["?", "@", "a b c d e", "nobody@", "+1", "x" * 300])
def test_what_cannot_be_searched_is_named_with_what_can(get: Get, shipped_settings: Settings, text: str) -> None:
    status, problem = get(search=text)
    assert status == 400
    if len(text) < 255:
        assert problem["type"] == "urn:leadbridge:problem:invalid-search"
        for what in ("phone", "e-mail", "lead id", "deal number", "account id", "name"):
            assert what in problem["detail"]


def test_a_search_is_combined_with_filters_and_pages_do_not_lose_any(get: Get, accept: Any) -> None:
    found = []
    for number in range(12):
        source = "tilda" if number % 3 else "web"
        one = accept(number, received_at=NOW + number * MINUTE, source=source, campaign=f"c{number % 2}")
        found.append((one.lead_id, source, f"c{number % 2}"))
    found.reverse()
    for limit in ("1", "5", "100"):
        assert ids(get, search="Прикладенко", limit=limit) == [one for one, _, _ in found]
        tilda = [one for one, source, campaign in found if source == "tilda" and campaign == "c1"]
        assert ids(get, search="Прикладенко Олена", source="tilda", campaign="c1", limit=limit) == tilda
        assert ids(get, campaign="c1", source="tilda", limit=limit) == tilda
        assert ids(get, campaign="c1", source="tilda", status="received", limit=limit) == tilda
    assert ids(get, search="Прикладенко", status="failed") == []
    assert get(search="Прикладенко", phone="+380500000001")[0] == 400


def test_days_and_times_are_the_ends_of_a_list(get: Get, accept: Any) -> None:
    every = [accept(number, received_at=NOW + timedelta(hours=6 * number)).lead_id for number in range(8)]
    every.reverse()
    assert ids(get, since="2026-03-02", limit="2") == every[:6]
    assert ids(get, until="2026-03-01") == every[6:]
    assert ids(get, since="2026-03-02", until="2026-03-02", limit="1") == every[2:6]
    assert ids(get, since="2026-03-01T18:00:00Z", until="2026-03-02T02:00:00+02:00", search="Прикладенко") == [every[6]]
    assert ids(get, since="2026-03-03", until="2026-03-01") == []
    for text in ("yesterday", "2026-13-01", "2026-03-01T10:00:00", "20260301", "0001-01-01"):
        assert get(since=text)[0] == 400, text


def test_leads_are_listed_by_what_is_wrong_with_them(get: Get, accept: Any, store: LeadRepository) -> None:
    wrong = accept(1, partners=(), problems=(FieldError("person.phone", FieldCode.NOT_A_PHONE),))
    accept(2, partners=(), problems=(FieldError("loan.amount", FieldCode.REQUIRED),))
    refused, away = accept(3, received_at=NOW + MINUTE), accept(4)
    error = ErrorInfo(ErrorCode.FIELDS_REJECTED, "the partner rejected fields", {"fields": ["person.phone"]})
    begun = store.apply(steps.start_attempt(_delivery(store, refused), NOW, MINUTE))
    store.apply(steps.reject(begun, NOW, error))
    store.apply(steps.fail(_delivery(store, away), NOW, ErrorInfo(ErrorCode.RATE_LIMITED, "too many requests")))
    assert ids(get, problem="person.phone") == [refused.lead_id, wrong.lead_id]
    assert ids(get, problem="person.phone:not_a_phone") == [wrong.lead_id]
    assert ids(get, problem="not_a_phone") == [wrong.lead_id]
    assert ids(get, problem="fields_rejected") == [refused.lead_id]
    assert ids(get, problem="person.phone:fields_rejected", status="rejected") == [refused.lead_id]
    assert ids(get, problem="rate_limited", partner="leadleader") == [away.lead_id]
    assert ids(get, problem="rate_limited", status="rejected") == []
    assert ids(get, problem="no_such_code") == []
    for text in (":", "person.", "a b", "x" * 200, "Person.phone"):
        assert get(problem=text)[0] == 400, text


def reach(store: LeadRepository, one: Lead, partner: str, stage: Stage | None, deal: int) -> None:
    """Bring the delivery to a partner to a stage of the funnel; one without a stage is only received."""
    found = store.delivery(one.lead_id, partner)
    assert found is not None
    if stage is None:
        return
    begun = store.apply(steps.start_attempt(found, one.received_at, MINUTE))
    after = store.apply(steps.confirm(begun, one.received_at, deal, is_followed=True))
    for outcome in {Stage.SUBMITTED: (), Stage.APPROVED: ("approved", "declined"), Stage.ISSUED: ("active",)}[stage]:
        change = change_status(after, NOW, outcome, outcome=outcome, final=False, is_followed=True)
        after = store.apply(change)


def test_each_number_of_the_statistics_is_that_of_a_list(get: Get, accept: Any, store: LeadRepository) -> None:
    partners = ("leadleader", "matchtrade")
    for number in range(24):
        names = {"source": "tilda" if number % 3 else "web", "campaign": f"c{number % 2}"}
        one = accept(number, received_at=NOW + timedelta(days=number % 3), partners=partners[number % 2 :], **names)
        for place, partner in enumerate(one.partners):
            reach(store, one, partner, (None, *Stage)[(number // 2 + place) % 4], 2 * number + place + 1)
    count_all(TABLE, NOW)
    days = {"from": "2026-03-01", "to": "2026-03-03"}
    stats = get("/stats", **days, by="outcome")[1]
    wanted = [({"since": one["day"], "until": one["day"], "source": one["source"]}, one) for one in stats["leads"]]
    for one in stats["counts"]:
        names = {"source": one["source"], "partner": one["partner"], "status": one["state"]}
        wanted.append(({"since": one["day"], "until": one["day"], **names}, one))
    for one in stats["outcomes"]:
        if one["outcome"]:
            names = {"source": one["source"], "partner": one["partner"], "outcome": one["outcome"]}
            wanted.append(({"since": one["day"], "until": one["day"], **names}, one))
    funnels = [*stats["funnels"]["sources"], *stats["funnels"]["partners"]]
    funnels += get("/stats", **days, by="campaign")[1]["campaigns"]
    for one in funnels:
        names = {name: one[name] for name in ("source", "partner", "campaign") if name in one}
        period = {"since": days["from"], "until": days["to"], **names}
        wanted += [(period, {"count": one["received"]}), *(({**period, "stage": stage}, one[stage]) for stage in Stage)]
    found = {json.dumps(query): (len(ids(get, **query)), one["count"]) for query, one in wanted}
    assert len(found) > 50
    assert sum(count > 0 for _, count in found.values()) > 40
    assert {query: numbers for query, numbers in found.items() if numbers[0] != numbers[1]} == {}


def test_a_problem_is_a_field_a_code_or_both() -> None:
    assert parse_problem("person.phone") == parse_problem("person.phone:") == ProblemFilter("person.phone")
    assert parse_problem("required") == parse_problem(":required") == ProblemFilter(code="required")
    assert parse_problem("person.phone:required") == ProblemFilter("person.phone", "required")


def test_a_correction_moves_the_lead_to_its_new_name_and_an_erasure_removes_it(
    get: Get, accept: Any, store: LeadRepository, shipped_settings: Settings
) -> None:
    one = accept(1)
    table = Table(aws.dynamodb(), TABLE)
    journey = store.journey(one.lead_id)
    assert journey is not None
    correction = correct_lead(
        journey.lead,
        list(journey.deliveries.values()),
        {"person": {"full_name": "Новенко Олена Іванівна"}},
        partners=shipped_settings.partners,
        choose=None,
        operator="olena",
        now=utc_now(),
    )
    assert correction is not None
    CorrectionRepository(table).correct(correction, hashes_of(correction.after, hashed), hashes_of(one, hashed))
    assert ids(get, search="Новенко") == [one.lead_id]
    assert ids(get, search="Прикладенко") == []
    Eraser(table).erase(one.lead_id, "olena", utc_now())
    assert ids(get, search="Новенко") == []
    kept = aws.dynamodb().scan(TableName=TABLE)["Items"]
    assert short_hash(hashed("новенко")) not in json.dumps(kept)
    assert short_hash(hashed("прикладенко")) not in json.dumps(kept)
    assert to_text(one.received_at) in json.dumps(kept)


def _delivery(store: LeadRepository, one: Lead) -> steps.Delivery:
    found = store.delivery(one.lead_id, one.partners[0])
    assert found is not None
    return found
