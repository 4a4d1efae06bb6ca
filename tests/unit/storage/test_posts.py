"""Posts that bring no new lead are counted: few of them exactly, and a flood at a bounded cost."""

import pickle
from datetime import UTC, date, datetime, timedelta

import pytest

from leadbridge.domain.errors.field_codes import FieldCode, FieldError
from leadbridge.runtime import aws
from leadbridge.settings import self_check
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.statistics.counters import CounterReader
from leadbridge.storage.statistics.posts import BURST, PARTITION, PostCounter, PostsOfDay, RefusedLead, posts_by_cell
from leadbridge.storage.table import Table
from leadbridge.storage.writes import Write
from quality.testkit.fixtures import TABLE

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
DAY = date(2026, 11, 2)
SECOND = timedelta(seconds=1)
SOURCES = frozenset({"web", "tilda-credit", self_check.SOURCE})


class CountingTable(Table):
    """Counts the writes; those that are to fail fail."""

    writes = 0
    is_down = False

    def write(self, write: Write, *, returns_new: bool = False, retry_for: float = 0.0) -> dict[str, object]:
        self.writes += 1
        if self.is_down:
            raise ConnectionError
        return super().write(write, returns_new=returns_new, retry_for=retry_for)


@pytest.fixture
def table(store: LeadRepository) -> CountingTable:
    return CountingTable(aws.dynamodb(), TABLE)


def stored(table: Table) -> dict[tuple[str, str], PostsOfDay]:
    return posts_by_cell(CounterReader(table, DAY, DAY + timedelta(days=1)).items(PARTITION))


def test_each_of_a_few_posts_is_counted_at_once(table: CountingTable) -> None:
    counter = PostCounter(table, "UTC", SOURCES)
    counter.count("web", "repeated", NOON)
    counter.count("web", "not-authentic", NOON + SECOND)
    counter.count("web", "not-authentic", NOON + 2 * SECOND)
    found = stored(table)["2026-11-02", "web"]
    assert found.counts == {"repeated": 1, "not-authentic": 2}
    assert found.refused == {"not-authentic": 2}
    assert (found.last_at, found.refused_as) == ("2026-11-02T12:00:02.000Z", "not-authentic")
    assert found.invalid_at is None


def test_a_refused_lead_leaves_its_fields_and_codes_and_later_refusals_do_not_hide_them(table: CountingTable) -> None:
    counter = PostCounter(table, "UTC", SOURCES)
    errors = (FieldError("person.phone", FieldCode.REQUIRED, "a text with +380500000001"),)
    counter.count("web", "invalid-lead", NOON, RefusedLead(errors, ("Phone",)))
    counter.count("web", "not-authentic", NOON + SECOND)
    found = stored(table)["2026-11-02", "web"]
    assert found.invalid_at == "2026-11-02T12:00:00.000Z"
    assert found.refused_as == "not-authentic"
    assert [(one.field, one.code) for one in found.invalid.errors] == [("person.phone", FieldCode.REQUIRED)]
    assert found.invalid.unused == ("Phone",)
    assert "380500000001" not in str(aws.dynamodb().scan(TableName=TABLE)["Items"])


def test_a_flood_costs_one_write_a_second_and_is_counted_with_the_next_write(table: CountingTable) -> None:
    counter = PostCounter(table, "UTC", SOURCES)
    for number in range(10_000):
        counter.count("web", "not-authentic", NOON + number * SECOND / 1000)  # for ten seconds
    assert BURST + 9 <= table.writes <= BURST + 10
    counter.count("web", "not-authentic", NOON + timedelta(minutes=1))
    assert stored(table)["2026-11-02", "web"].counts == {"not-authentic": 10_001}


def test_a_flood_of_one_source_does_not_delay_another(table: CountingTable) -> None:
    counter = PostCounter(table, "UTC", SOURCES)
    for _ in range(100):
        counter.count("web", "not-authentic", NOON)
    counter.count("tilda-credit", "repeated", NOON)
    assert stored(table)["2026-11-02", "tilda-credit"].counts == {"repeated": 1}


def test_posts_of_yesterday_stay_yesterdays(table: CountingTable) -> None:
    counter, midnight = PostCounter(table, "UTC", SOURCES), NOON.replace(hour=0) + timedelta(days=1)
    for _ in range(BURST + 5):
        counter.count("web", "not-authentic", midnight - SECOND / 2)
    counter.count("web", "repeated", midnight + SECOND)
    found = stored(table)
    assert found["2026-11-02", "web"].counts == {"not-authentic": BURST + 5}
    assert found["2026-11-03", "web"].counts == {"repeated": 1}
    assert found["2026-11-03", "web"].refused_at is None


def test_the_day_is_that_of_the_time_zone(table: CountingTable) -> None:
    PostCounter(table, "Europe/Kyiv", SOURCES).count("web", "repeated", NOON.replace(hour=23))
    assert stored(table).keys() == {("2026-11-03", "web")}


def test_a_failed_write_changes_no_answer_and_loses_no_count(table: CountingTable) -> None:
    counter = PostCounter(table, "UTC", SOURCES)
    table.is_down = True
    counter.count("web", "not-authentic", NOON)
    table.is_down = False
    counter.count("web", "repeated", NOON + SECOND)
    assert stored(table)["2026-11-02", "web"].counts == {"not-authentic": 1, "repeated": 1}


def test_the_test_of_a_deployment_is_not_counted(table: CountingTable) -> None:
    PostCounter(table, "UTC", SOURCES).count(self_check.SOURCE, "repeated", NOON)
    assert stored(table) == {}


def test_a_source_that_is_not_configured_is_kept_neither_in_the_table_nor_in_memory(table: CountingTable) -> None:
    counter = PostCounter(table, "UTC", SOURCES)
    counter.count("web", "not-authentic", NOON)
    before = len(pickle.dumps(vars(counter) | {"_table": None}))
    table.is_down = True  # nothing that waits can leave the memory
    for number in range(1_000):
        counter.count(f"+38050{number:07}", "too-large", NOON)
    assert len(pickle.dumps(vars(counter) | {"_table": None})) == before
    assert table.writes == 1
