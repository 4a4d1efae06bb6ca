"""Counting changes of leads exactly once, whatever happens to the stream, to workers and to AWS."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from leadbridge.domain.delivery import new_delivery
from leadbridge.domain.errors.field_codes import FieldCode, FieldError
from leadbridge.domain.statistics.contribution import MAIN, MAX_CAMPAIGNS, OTHER, LeadChange, part_of
from leadbridge.domain.statuses.status_change import change_status
from leadbridge.runtime import aws
from leadbridge.storage import items
from leadbridge.storage.erasure.eraser import Eraser
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.statistics.counted import NEW_FOR, CountedLeads, counted_key
from leadbridge.storage.statistics.counters import MANY_CHANGES, SHARDS, spread
from leadbridge.storage.statistics.records import change_of
from leadbridge.storage.table import Table
from leadbridge.storage.writes import put
from quality.testkit.aws.aws_answers import aws_error
from quality.testkit.aws.capacity import Meter, size
from quality.testkit.aws.memory_dynamodb import memory_table
from quality.testkit.counted_lives import DAY, PROBLEM, advertised, move
from quality.testkit.fixtures import TABLE
from quality.testkit.people import NOW, lead
from quality.testkit.statistics import counts_of, every_item, expected_counts
from quality.testkit.template import template

CELL = ("2026-03-01", "web", MAIN)

Records = list[dict[str, Any]]


@pytest.fixture
def aws_engine() -> str:
    """Only the memory has the stream's records."""
    return "memory"


def counted_leads(client: Any = None) -> CountedLeads:
    return CountedLeads(Table(client or aws.dynamodb(), TABLE))


def take_records() -> Records:
    return memory_table(TABLE).take_records()


def changes_in(records: Records) -> dict[str, LeadChange]:
    changes: dict[str, LeadChange] = {}
    for record in records:
        found = change_of(record)
        if found is not None:
            lead_id, change = found
            changes[lead_id] = changes[lead_id].merged(change) if lead_id in changes else change
    return changes


def count(records: Records, client: Any = None) -> set[str]:
    """Count records as one batch; returns the leads that could not be counted."""
    return counted_leads(client).count(changes_in(records), NOW).failed


def test_a_lead_is_counted_once_along_its_way(store: LeadRepository) -> None:
    one = advertised(1)
    store.accept(one, phone_hash=None)
    count(take_records())
    assert counts_of(TABLE) == {CELL: Counter({"l": 1, "c|0|l": 1, "d|leadleader|received|": 1})}
    move(store, one, "submitting", "submitted", "approved")
    records = take_records()
    count(records)
    expected = {"l": 1, "c|0|l": 1, "d|leadleader|submitted|approved": 1, "c|0|o|approved": 1}
    for stage, limit in {"s": 5, "a": 3600}.items():
        expected |= {f"t|{stage}|leadleader|{limit}": 1, f"t|{stage}||{limit}": 1, f"c|0|t|{stage}||{limit}": 1}
    assert counts_of(TABLE) == {CELL: Counter(expected)}
    before = every_item(TABLE)
    count(records)
    assert every_item(TABLE) == before, "a repeated record writes nothing"


def test_a_record_that_changes_nothing_counted_writes_nothing(store: LeadRepository) -> None:
    one = advertised(1)
    store.accept(one, phone_hash=None)
    move(store, one, "submitting", "submitted", "approved")
    count(take_records())
    found = store.delivery(one.lead_id, "leadleader")
    assert found is not None
    store.defer(found, NOW + DAY)
    store.apply(change_status(found, NOW, "other", outcome="approved", final=False, is_followed=True))
    assert changes_in(take_records()) == {}


def test_a_delivery_that_is_counted_before_its_lead_counts_for_the_leads_day_and_campaign(
    store: LeadRepository,
) -> None:
    one = advertised(1).model_copy(update={"received_at": NOW - DAY})
    store.accept(one, phone_hash=None)
    leads: Records = []
    deliveries: Records = []
    for record in take_records():
        (leads if record["dynamodb"]["Keys"]["sk"]["S"] == "LEAD" else deliveries).append(record)
    count(deliveries)
    expected = {("2026-02-28", "web", MAIN): Counter({"l": 1, "c|0|l": 1, "d|leadleader|received|": 1})}
    assert counts_of(TABLE) == expected
    count(leads)
    assert counts_of(TABLE) == expected


def test_what_is_counted_before_the_lead_arrives_lives_as_long_as_the_lead(store: LeadRepository) -> None:
    """Otherwise the record could expire on the last day on which a lead without a record is new."""
    one = advertised(1)
    store.accept(one, phone_hash=None)
    records = take_records()
    count([record for record in records if record["dynamodb"]["Keys"]["sk"]["S"] != "LEAD"])
    count(records)
    lives_until = {values["sk"]: values["expires_at"] for values in every_item(TABLE) if "expires_at" in values}
    assert lives_until["COUNTED"] == lives_until["LEAD"]


def test_the_counts_stay_after_an_erasure_and_name_no_person(store: LeadRepository) -> None:
    one = advertised(1)
    store.accept(one.model_copy(update={"partners": (), "problems": (PROBLEM,)}), phone_hash=None)
    count(take_records())
    before = counts_of(TABLE)
    Eraser(Table(aws.dynamodb(), TABLE)).erase(one.lead_id, "olena", NOW)
    count(take_records())
    assert counts_of(TABLE) == before
    (counted,) = [values for values in every_item(TABLE) if values["sk"] == "COUNTED"]
    assert "Прикладенко" not in str(counted)
    assert "expires_at" in counted


def expire(lead_id: str) -> None:
    aws.dynamodb().delete_item(TableName=TABLE, Key=items.encode(counted_key(lead_id)))


def test_a_lead_whose_record_expired_is_not_counted_again_and_a_new_delivery_is(store: LeadRepository) -> None:
    one = advertised(1)
    store.accept(one, phone_hash=None)
    move(store, one, "submitting", "submitted")
    count(take_records())
    before = counts_of(TABLE)
    expire(one.lead_id)
    later = NOW + 401 * DAY
    opened = new_delivery(one.lead_id, "matchtrade", "web", later)
    Table(aws.dynamodb(), TABLE).transact([put(items.delivery_item(opened))])
    move(store, one, "approved")
    counted_leads().count(changes_in(take_records()), later)
    after = counts_of(TABLE)
    assert after[CELL] - before[CELL] == Counter({"d|matchtrade|received|": 1})
    assert after[CELL]["l"] == 1


def test_a_longer_retention_does_not_count_a_lead_again_whose_record_expired(
    store: LeadRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = advertised(1)
    store.accept(one, phone_hash=None)
    move(store, one, "submitting", "submitted")
    count(take_records())
    before = counts_of(TABLE)
    expire(one.lead_id)
    monkeypatch.setenv("RETENTION_DAYS", "3650")
    move(store, one, "approved")
    counted_leads().count(changes_in(take_records()), NOW + 62 * DAY)
    assert counts_of(TABLE) == before


def test_a_lead_counts_on_the_day_that_its_item_has_whatever_happens_to_it(store: LeadRepository) -> None:
    """The day is stored with the lead, so another time zone in the configuration moves no counts."""
    one = advertised(1).model_copy(update={"day": "2026-03-02"})
    store.accept(one, phone_hash=None)
    move(store, one, "submitting", "submitted")
    changes = take_records()
    delivery_only = [record for record in changes if record["dynamodb"]["Keys"]["sk"]["S"] != "LEAD"]
    count(delivery_only)
    count(changes)
    move(store, one, "approved")
    count(take_records())
    Eraser(Table(aws.dynamodb(), TABLE)).erase(one.lead_id, "olena", NOW)
    count(take_records())
    [(day, source, _)] = counts_of(TABLE)
    assert (day, source) == ("2026-03-02", "web")
    assert counts_of(TABLE)[day, source, MAIN]["d|leadleader|submitted|approved"] == 1
    [tombstone] = [values for values in every_item(TABLE) if values["sk"] == "LEAD"]
    assert tombstone["day"] == "2026-03-02"


def test_the_record_of_a_new_lead_never_expires() -> None:
    assert template()["Parameters"]["RetentionDays"]["MinValue"] >= NEW_FOR.days


def test_ttl_deletions_change_nothing(store: LeadRepository) -> None:
    one = advertised(1)
    store.accept(one, phone_hash=None)
    count(take_records())
    before = counts_of(TABLE)
    for values in every_item(TABLE):
        if values["pk"].startswith("LEAD#"):
            key = items.encode({name: values[name] for name in ("pk", "sk")})
            aws.dynamodb().delete_item(TableName=TABLE, Key=key)
    assert changes_in(take_records()) == {}
    assert counts_of(TABLE) == before


class Disturbed:
    """A client whose transactions fail as they are told to."""

    def __init__(self, *failures: Exception | None, takes_place: bool = False) -> None:
        self.client, self.failures, self.takes_place = aws.dynamodb(), list(failures), takes_place
        self.before: Callable[[], object] = lambda: None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def transact_write_items(self, **asked: Any) -> Any:
        before, self.before = self.before, lambda: None
        before()
        failure = self.failures.pop(0) if self.failures else None
        if failure is None or self.takes_place:
            answer = self.client.transact_write_items(**asked)
        if failure is not None:
            raise failure
        return answer


@pytest.mark.parametrize("takes_place", [True, False])
@pytest.mark.parametrize(
    "failure", [ReadTimeoutError(endpoint_url="https://dynamodb"), aws_error("ThrottlingException")]
)
def test_a_lost_reply_and_throttling_are_retried_and_counted_once(
    store: LeadRepository, failure: Exception, takes_place: bool
) -> None:
    store.accept(advertised(1), phone_hash=None)
    assert count(take_records(), Disturbed(failure, takes_place=takes_place)) == set()
    assert counts_of(TABLE)[CELL]["l"] == 1


def test_a_worker_that_dies_before_its_write_leaves_the_batch_to_the_next(store: LeadRepository) -> None:
    store.accept(advertised(1), phone_hash=None)
    records = take_records()
    with pytest.raises(ClientError):
        count(records, Disturbed(aws_error("ValidationException")))
    assert counts_of(TABLE) == {}
    count(records)
    assert counts_of(TABLE)[CELL]["l"] == 1


def test_two_workers_that_count_the_same_records_at_once_count_them_once(store: LeadRepository) -> None:
    store.accept(advertised(1), phone_hash=None)
    records = take_records()
    client = Disturbed()
    client.before = lambda: count(records)
    assert count(records, client) == set()
    assert counts_of(TABLE)[CELL]["l"] == 1


def test_only_leads_that_were_not_counted_are_returned(store: LeadRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leadbridge.storage.statistics.counted.RETRY_FOR", 0.01)
    for number in range(60):
        one = lead(number, received_at=NOW - number % 59 * DAY)
        store.accept(one, phone_hash=None)
    failed = count(take_records(), Disturbed(None, *[aws_error("ThrottlingException")] * 100))
    counted = sum(found["l"] for found in counts_of(TABLE).values())
    assert counted >= 50, "with its counters, a transaction has room for 50 leads"
    assert len(failed) == 60 - counted


def test_after_a_conflict_the_records_are_read_as_they_are(store: LeadRepository) -> None:
    """A read that is not consistent could return the same outdated record again."""
    one = advertised(1)
    store.accept(one, phone_hash=None)
    count(take_records())
    move(store, one, "submitting")

    class Outdated(Disturbed):
        def batch_get_item(self, **asked: Any) -> Any:
            is_consistent = asked["RequestItems"][TABLE]["ConsistentRead"]
            return self.client.batch_get_item(**asked) if is_consistent else {"Responses": {TABLE: []}}

    assert count(take_records(), Outdated()) == set()
    assert counts_of(TABLE) == expected_counts(every_item(TABLE))


@pytest.mark.parametrize("days", [1, 11, 60])
def test_the_leads_of_any_number_of_days_fit_into_transactions(store: LeadRepository, days: int) -> None:
    for number in range(90):
        store.accept(lead(number, received_at=NOW - number % days * DAY), phone_hash=None)
    assert count(take_records()) == set()
    assert counts_of(TABLE) == expected_counts(every_item(TABLE))


def test_leads_that_cannot_be_counted_now_are_returned(store: LeadRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leadbridge.storage.statistics.counted.RETRY_FOR", 0.01)
    one = advertised(1)
    store.accept(one, phone_hash=None)
    records = take_records()
    busy = Disturbed(*[aws_error("ThrottlingException")] * 100)
    assert count(records, busy) == {one.lead_id}
    assert count(records) == set()


def test_a_thousand_leads_are_counted_in_few_transactions(store: LeadRepository) -> None:
    for number in range(200):
        store.accept(advertised(number, f"campaign {number % 5}"), phone_hash=None)
    records, meter = take_records(), Meter()
    calls: Counter[str] = Counter()

    class Metered(Disturbed):
        def __getattr__(self, name: str) -> Any:
            calls[name] += 1
            return super().__getattr__(name)

        def transact_write_items(self, **asked: Any) -> Any:
            calls["transact_write_items"] += 1
            meter.count("TransactWriteItems", asked, {})
            return super().transact_write_items(**asked)

    count(records, Metered())
    assert calls["transact_write_items"] == 3, "for 90 leads at most"
    assert calls["batch_get_item"] == 3, "records"
    assert calls["get_item"] == calls["put_item"] == 1, "the names of the campaigns, which the worker remembers"
    assert meter.written / 200 < 2.1, "two units for a lead, and the counters' share"
    assert counts_of(TABLE)[CELL]["l"] == 200


def test_many_different_problems_fit_the_expressions_that_dynamodb_accepts(store: LeadRepository) -> None:
    for number in range(90):
        problems = tuple(FieldError(f"field {number} {part}", FieldCode.REQUIRED) for part in range(5))
        store.accept(lead(number).model_copy(update={"partners": (), "problems": problems}), phone_hash=None)
    assert count(take_records()) == set()
    found = counts_of(TABLE)[CELL]
    assert (found["i"], len(found)) == (90, 2 + 90 * 5)


@pytest.mark.parametrize("alone", [True, False])
def test_a_hostile_form_makes_a_bounded_number_of_campaigns(
    store: LeadRepository, monkeypatch: pytest.MonkeyPatch, alone: bool
) -> None:
    monkeypatch.setattr("leadbridge.storage.statistics.campaigns.MAX_CAMPAIGNS", 20)
    for number in range(60):
        store.accept(advertised(number, f"{number} {'x' * 40}"), phone_hash=None)
        if alone:
            count(take_records())
    count(take_records())
    leads = {name: number for found in counts_of(TABLE).values() for name, number in found.items() if name[0] == "c"}
    assert leads == {f"c|{OTHER}|l": 40, **{f"c|{number}|l": 1 for number in range(20)}}
    move(store, advertised(59), "submitting", "submitted", "approved")
    count(take_records())
    assert counts_of(TABLE)[CELL][f"c|{OTHER}|o|approved"] == 1


def test_counters_of_many_campaigns_are_small_items(store: LeadRepository) -> None:
    """A write costs two units for each kilobyte of the item, however little of it changes."""
    for number in range(MAX_CAMPAIGNS + 10):
        one = advertised(number, f"{number} {'x' * 40}")
        store.accept(one, phone_hash=None)
        if number % 5 == 0:
            move(store, one, *("submitting", "submitted", "approved", "issued")[: number % 4 + 1])
    assert count(take_records()) == set()
    assert counts_of(TABLE) == expected_counts(every_item(TABLE))
    counters = [one for one in every_item(TABLE) if one["pk"].startswith(("STATS#", "CAMPAIGNS#"))]
    assert len(counters) == 1 + part_of(MAX_CAMPAIGNS - 1)
    assert max(size(items.encode(one)) for one in counters) <= 1024


def test_two_workers_that_meet_new_campaigns_at_once_give_them_different_numbers(store: LeadRepository) -> None:
    for number in range(2):
        store.accept(advertised(number, f"campaign {number}"), phone_hash=None)
    records = take_records()
    halves = [[one for one in records if advertised(n).lead_id in str(one["dynamodb"]["Keys"])] for n in range(2)]

    class Slow(Disturbed):
        def put_item(self, **asked: Any) -> Any:
            before, self.before = self.before, lambda: None
            before()
            return self.client.put_item(**asked)

    client = Slow()
    client.before = lambda: count(halves[1])
    assert count(halves[0], client) == set()
    assert counts_of(TABLE) == expected_counts(every_item(TABLE))
    assert {name: number for name, number in counts_of(TABLE)[CELL].items() if name[0] == "c"} == {
        "c|0|l": 1,
        "c|1|l": 1,
    }


def test_few_changes_use_one_shard_and_many_all(store: LeadRepository) -> None:
    assert {spread(MANY_CHANGES - 1) for _ in range(50)} == {0}
    assert len({spread(MANY_CHANGES) for _ in range(500)}) == SHARDS
    one = advertised(1)
    store.accept(one, phone_hash=None)
    counted_leads().count(changes_in(take_records()), NOW, shard=3)
    move(store, one, "submitting")
    counted_leads().count(changes_in(take_records()), NOW, shard=5)
    assert counts_of(TABLE) == expected_counts(every_item(TABLE))
