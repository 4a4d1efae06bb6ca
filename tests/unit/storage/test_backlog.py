"""Who waits, and who has gone quiet: read from the index with little, and told without a word of anybody."""

import json
from collections.abc import Callable
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest

from leadbridge.domain import delivery as steps
from leadbridge.domain.clock import to_text
from leadbridge.domain.fetch import new_fetch
from leadbridge.domain.shards import SHARDS, shards_of
from leadbridge.runtime import aws
from leadbridge.settings import Settings
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.queries import backlog
from leadbridge.storage.queries.backlog import BacklogMonitor, stale_sources
from leadbridge.storage.table import Table
from quality.testkit.fakes.errors import some_error
from quality.testkit.fixtures import TABLE, Context
from quality.testkit.people import NOW, lead

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def watch(store: LeadRepository) -> BacklogMonitor:
    return BacklogMonitor(Table(aws.dynamodb(), TABLE))


def come(store: LeadRepository, number: int, ago: timedelta, source: str = "web") -> str:
    """A lead that came so long ago; its id."""
    one = lead(number, source=source, received_at=NOW - ago)
    store.accept(one, phone_hash=None)
    return one.lead_id


def test_an_empty_table_has_no_waiting_lead(watch: BacklogMonitor) -> None:
    assert watch.oldest_waiting() is None


def test_the_oldest_waiting_lead_is_found_among_settled_ones(watch: BacklogMonitor, store: LeadRepository) -> None:
    come(store, 1, HOUR)
    come(store, 2, 2 * HOUR)
    settled = store.delivery(come(store, 3, 3 * HOUR), "leadleader")
    assert settled is not None
    store.apply(steps.fail(settled, NOW, some_error("spent")))
    assert watch.oldest_waiting() == NOW - 2 * HOUR


def test_a_lead_that_is_yet_to_be_fetched_waits_too(watch: BacklogMonitor, store: LeadRepository) -> None:
    one = lead(1, source="meta-credit", received_at=NOW - HOUR).model_copy(update={"partners": ()})
    fetch = new_fetch(one.lead_id, one.source, {"leadgen_id": "77"}, one.received_at)
    store.accept(one, phone_hash=None, fetch=fetch)
    assert watch.oldest_waiting() == NOW - HOUR


def test_each_source_has_its_last_lead(watch: BacklogMonitor, store: LeadRepository) -> None:
    for number, (ago, source) in enumerate([(3, "web"), (1, "tilda"), (5, "tilda"), (2, "web"), (1, "other")]):
        come(store, number, ago * HOUR, source)
    assert watch.last_leads({"web", "tilda", "never"}, NOW) == {"web": NOW - 2 * HOUR, "tilda": NOW - HOUR}


@pytest.fixture
def reads(watch: BacklogMonitor, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The queries that the monitor makes."""
    made: list[dict[str, Any]] = []
    client: Any = aws.dynamodb()
    query = client.query

    def noted(**asked: Any) -> Any:
        made.append(asked)
        return query(**asked)

    monkeypatch.setattr(client, "query", noted)
    return made


def test_no_more_is_read_than_until_each_has_been_seen(
    watch: BacklogMonitor, store: LeadRepository, reads: list[dict[str, Any]]
) -> None:
    for number in range(9):
        come(store, number, number * HOUR, "web" if number != 3 else "tilda")
    assert watch.last_leads({"web", "tilda"}, NOW) == {"web": NOW, "tilda": NOW - 3 * HOUR}
    assert len(reads) == SHARDS


def test_the_search_for_a_source_that_never_was_has_an_end(
    watch: BacklogMonitor, store: LeadRepository, reads: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "MAX_LEADS", 6)
    for number in range(9):
        come(store, number, number * HOUR)
    come(store, 9, 9 * HOUR, "long-ago")
    assert watch.last_leads({"web", "long-ago"}, NOW) == {"web": NOW}
    assert len(reads) <= SHARDS + 2


def test_a_run_reads_no_lead_of_an_earlier_run_again(
    watch: BacklogMonitor, store: LeadRepository, reads: list[dict[str, Any]]
) -> None:
    come(store, 1, 9 * DAY, "rare")
    for number in range(2, 9):
        come(store, number, 2 * HOUR)
    assert watch.last_leads({"web", "rare"}, NOW - HOUR) == {"web": NOW - 2 * HOUR, "rare": NOW - 9 * DAY}
    come(store, 10, timedelta(minutes=70))  # it reached the index late
    reads.clear()
    assert watch.last_leads({"web", "rare"}, NOW) == {"web": NOW - timedelta(minutes=70), "rare": NOW - 9 * DAY}
    assert {asked["ExpressionAttributeValues"][":since"]["S"] for asked in reads} == {
        to_text(NOW - HOUR - backlog.OVERLAP)
    }
    assert watch.last_leads({"web", "rare"}, NOW + HOUR)["rare"] == NOW - 9 * DAY


def test_the_last_lead_of_a_source_that_is_watched_later_is_found(watch: BacklogMonitor, store: LeadRepository) -> None:
    come(store, 1, 9 * DAY, "later")
    come(store, 2, HOUR)
    watch.last_leads({"web"}, NOW)
    assert watch.last_leads({"web", "later"}, NOW) == {"web": NOW - HOUR, "later": NOW - 9 * DAY}


def test_a_source_is_not_stale_because_others_brought_too_many_leads_to_read(
    watch: BacklogMonitor, store: LeadRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    come(store, 1, 9 * DAY, "rare")
    watch.last_leads({"web", "rare"}, NOW - 3 * HOUR)
    monkeypatch.setattr(backlog, "MAX_LEADS", 6)
    come(store, 2, 2 * HOUR, "rare")
    for number in range(3, 12):
        come(store, number, HOUR)
    assert watch.last_leads({"web", "rare"}, NOW) == {"web": NOW - HOUR}
    monkeypatch.setattr(backlog, "MAX_LEADS", 60)
    assert watch.last_leads({"web", "rare"}, NOW) == {"web": NOW - HOUR, "rare": NOW - 2 * HOUR}


def test_a_source_is_quiet_only_after_its_own_longest_pause() -> None:
    longest = {"web": HOUR, "tilda": DAY, "new": HOUR}
    last = {"web": NOW - HOUR, "tilda": NOW - DAY - timedelta(milliseconds=1)}
    assert stale_sources(last, longest, NOW) == ["tilda"]
    assert stale_sources(last, longest, NOW + timedelta(seconds=1)) == ["tilda", "web"]


@pytest.fixture
def detect_stale_sources(
    store: LeadRepository,
    shipped_settings: Settings,
    function: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., ModuleType]:
    """The function, with `stale_after` set for some of the shipped sources."""

    def made(**stale_after: timedelta) -> ModuleType:
        app = function("detect_stale_sources")
        changed = {
            name: source.model_copy(update={"stale_after": stale_after.get(name)})
            for name, source in shipped_settings.sources.items()
        }
        monkeypatch.setattr(app, "settings", lambda: shipped_settings.model_copy(update={"sources": changed}))
        monkeypatch.setattr(app, "utc_now", lambda: NOW)
        return app

    return made


def measured(capsys: pytest.CaptureFixture[str]) -> list[Any]:
    """The values of StaleSources that were measured."""
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [line["StaleSources"] for line in told if "StaleSources" in line]


def test_the_function_counts_the_quiet_and_names_them(
    detect_stale_sources: Callable[..., ModuleType],
    store: LeadRepository,
    context: Context,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    come(store, 1, 2 * DAY)
    come(store, 2, HOUR, "meta-credit")
    app = detect_stale_sources(**{"web": DAY, "meta-credit": DAY, "tilda-credit": DAY})
    capsys.readouterr()
    assert app.handler({}, context) == {"stale": ["web"], "incomplete": []}
    assert measured(capsys) == [[1]]
    (looked,) = [vars(record) for record in caplog.records if record.message == "checked"]
    assert looked["stale"] == {"web": to_text(NOW - 2 * DAY)}
    assert (looked["checked"], looked["without_leads"]) == (3, ["tilda-credit"])


def test_when_all_is_well_the_count_is_nothing(
    detect_stale_sources: Callable[..., ModuleType],
    store: LeadRepository,
    context: Context,
    capsys: pytest.CaptureFixture[str],
) -> None:
    come(store, 1, HOUR)
    app = detect_stale_sources(web=DAY)
    capsys.readouterr()
    assert app.handler({}, context) == {"stale": [], "incomplete": []}
    assert measured(capsys) == [[0]]


@pytest.mark.filterwarnings("ignore:No application metrics to publish")
def test_where_no_source_is_watched_only_incomplete_leads_are_looked_for(
    detect_stale_sources: Callable[..., ModuleType],
    context: Context,
    reads: list[dict[str, Any]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    app = detect_stale_sources()
    capsys.readouterr()
    assert app.handler({}, context) == {"stale": [], "incomplete": []}
    assert [read["ExpressionAttributeValues"][":partition"]["S"] for read in reads] == list(shards_of("incomplete"))
    assert measured(capsys) == []


def test_no_personal_data_is_read_or_returned(
    detect_stale_sources: Callable[..., ModuleType],
    store: LeadRepository,
    context: Context,
    reads: list[dict[str, Any]],
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    lead_id = come(store, 1, 2 * DAY)
    detect_stale_sources(web=DAY).handler({}, context)
    assert {asked["ProjectionExpression"] for asked in reads} == {"#received_key, #source"}
    said = capsys.readouterr().out + "".join(str(vars(record)) for record in caplog.records)
    assert "checked" in said
    assert lead_id not in said
    assert "0500000001" not in said
    assert "Прикладенко" not in said


def test_no_source_is_waited_for_as_shipped(shipped_settings: Settings) -> None:
    assert {source.stale_after for source in shipped_settings.sources.values()} == {None}
