"""Pages of the operator's list: no unchanged lead is missed or repeated, whatever else changes between two pages."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadbridge.domain.acceptance.status import LeadStatus
from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.problem_keys import ProblemFilter
from leadbridge.domain.lead import Lead
from leadbridge.domain.shards import SHARDS, shard_of, shards_of
from leadbridge.runtime import aws
from leadbridge.storage import items
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.queries import lead_list
from leadbridge.storage.queries.lead_filter import LeadFilter, Search
from leadbridge.storage.queries.lead_list import InvalidCursor, LeadList, LeadPage
from leadbridge.storage.queries.listing import MergedQuery, first_page, listing_query, of_partition, read_listing
from leadbridge.storage.table import Table
from leadbridge.storage.writes import delete, put
from quality.testkit.aws.memory_dynamodb import memory_table
from quality.testkit.fixtures import TABLE
from quality.testkit.people import NOW, lead

PARTNERS = ("leadleader", "matchtrade")
PHONES = ("hash-a", "hash-b")
CAMPAIGNS = ("", "spring", "autumn")
MAX_PAGES = 300


@pytest.fixture
def aws_engine() -> str:
    """Many examples: moto would take minutes. The repositories' own tests run on both."""
    return "memory"


@pytest.fixture
def table(store: LeadRepository) -> Table:
    return Table(aws.dynamodb(), TABLE)


class Model:
    """The table's leads, changed as the product changes them: item by item."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.leads: dict[str, tuple[Lead, str]] = {}
        self.states: dict[tuple[str, str], State] = {}
        self.outcomes: dict[tuple[str, str], str | None] = {}
        self.changed: set[str] = set()

    def arrive(self, number: int, minute: int, state: State, outcome: str | None = None) -> None:
        """Store a lead of some minute with a delivery to each partner."""
        source, phone = ("web", "tilda")[number % 2], PHONES[number % 3 % 2]
        one = lead(number, source=source, received_at=NOW + timedelta(minutes=minute))
        one = one.model_copy(update={"partners": PARTNERS[: 1 + number % 2], "campaign": CAMPAIGNS[number % 3]})
        if one.lead_id in self.leads:
            return
        self.leads[one.lead_id] = (one, phone)
        self.changed.add(one.lead_id)
        self.table.write(put(items.lead_item(one, phone_hash=phone)))
        for partner in one.partners:
            self.move(one.lead_id, partner, state, outcome)

    def move(self, lead_id: str, partner: str, state: State, outcome: str | None = None) -> None:
        """Move a delivery to a state. A submitted one may have an outcome."""
        one, _ = self.leads[lead_id]
        self.states[lead_id, partner] = state
        outcome = outcome if state is State.SUBMITTED else None
        self.outcomes[lead_id, partner] = outcome
        self.changed.add(lead_id)
        self.table.write(put(items.delivery_item(delivery(one, partner, state, outcome))))

    def vanish(self, lead_id: str) -> None:
        """Delete a lead and its deliveries."""
        one, _ = self.leads.pop(lead_id)
        self.changed.add(lead_id)
        self.table.write(delete(items.lead_key(lead_id)))
        for partner in one.partners:
            del self.states[lead_id, partner]
            self.table.write(delete(items.delivery_key(lead_id, partner)))

    def matching(self, wanted: LeadFilter) -> list[str]:
        """The leads that a filter lists, newest first."""
        found = [one for one, phone in self.leads.values() if self._matches(one, phone, wanted)]
        return [one.lead_id for one in sorted(found, key=lambda one: (one.received_at, one.lead_id), reverse=True)]

    def _matches(self, one: Lead, phone: str, wanted: LeadFilter) -> bool:
        states = {partner: self.states[one.lead_id, partner].value for partner in one.partners}
        has_delivery = any(
            wanted.outcome in {None, self.outcomes[one.lead_id, partner]}
            and wanted.status in {None, states[partner]}
            and wanted.partner in {None, partner}
            and (wanted.problem is None or states[partner] == State.FAILED)
            for partner in one.partners
        )
        return (
            has_delivery
            and wanted.source in {None, one.source}
            and wanted.campaign in {None, one.campaign}
            and (wanted.search is None or wanted.search.hashes == ((items.PHONE, phone),))
            and (wanted.since is None or one.received_at >= wanted.since)
            and (wanted.until is None or one.received_at < wanted.until)
        )


def delivery(one: Lead, partner: str, state: State, outcome: str | None = None) -> Delivery:
    return Delivery(
        lead_id=one.lead_id,
        partner=partner,
        source=one.source,
        received_at=one.received_at,
        state=state,
        outcome=outcome,
        last_error_code=ErrorCode.UNREACHABLE.value if state is State.FAILED else None,
    )


OF_PHONE = Search(hashes=((items.PHONE, PHONES[0]),))
STATES = st.sampled_from([State.RECEIVED, State.FAILED, State.SUBMITTED])
OUTCOMES = st.sampled_from([None, "approved", "issued"])
FILTERS = st.builds(
    LeadFilter,
    status=st.sampled_from([None, LeadStatus.RECEIVED, LeadStatus.FAILED, LeadStatus.SUBMITTED]),
    source=st.sampled_from([None, None, "web"]),
    partner=st.sampled_from([None, None, "matchtrade"]),
    search=st.sampled_from([None, None, OF_PHONE]),
    outcome=st.sampled_from([None, None, "issued"]),
    campaign=st.sampled_from([None, None, "spring"]),
    problem=st.sampled_from([None, None, ProblemFilter(code="unreachable")]),
    since=st.sampled_from([None, None, NOW + timedelta(minutes=5)]),
    until=st.sampled_from([None, None, NOW + timedelta(minutes=20)]),
)
ARRIVALS = st.tuples(st.just("arrive"), st.integers(0, 99), st.integers(-5, 40), STATES, OUTCOMES)
CHANGES = st.one_of(
    ARRIVALS,
    st.tuples(st.just("move"), st.integers(0, 99), st.integers(0, 1), STATES, OUTCOMES),
    st.tuples(st.just("vanish"), st.integers(0, 99)),
)


def apply(model: Model, change: tuple[Any, ...]) -> None:
    kind, number, *rest = change
    if kind == "arrive":
        model.arrive(number, *rest)
    elif model.leads:
        lead_id = sorted(model.leads)[number % len(model.leads)]
        if kind == "vanish":
            model.vanish(lead_id)
        else:
            partners = model.leads[lead_id][0].partners
            model.move(lead_id, partners[rest[0] % len(partners)], *rest[1:])


def check_page(page: LeadPage, wanted: LeadFilter, limit: int, position: str) -> str:
    """Check one page; return the sort key of its last lead, or the last one of the page before."""
    assert len(page.leads) <= limit
    assert len(page.cursors) == len(page.leads)
    for journey in page.leads:
        key = items.received_key(journey.lead.received_at, journey.lead.lead_id)
        assert key < position, "a lead is repeated or out of order"
        assert wanted.source in {None, journey.lead.source}
        position = key
    return position


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    arrivals=st.lists(ARRIVALS, min_size=20, max_size=60),
    wanted=FILTERS,
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=5),
    changes=st.lists(st.lists(CHANGES, max_size=3), min_size=3, max_size=20),
    page_size=st.sampled_from([3, 4, 100]),  # more than the deliveries of a lead, or a page cannot go on
    max_reads=st.sampled_from([SHARDS, SHARDS + 3, 2 * SHARDS]),
)
def test_each_unchanged_lead_is_in_exactly_one_page(
    table: Table,
    arrivals: list[tuple[Any, ...]],
    wanted: LeadFilter,
    sizes: list[int],
    changes: list[list[tuple[Any, ...]]],
    page_size: int,
    max_reads: int,
) -> None:
    memory_table(TABLE).restore({})
    model = Model(table)
    for arrival in arrivals:
        apply(model, arrival)
    before, model.changed = model.matching(wanted), set()
    seen: list[str] = []
    position, cursor = "~", None
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(lead_list, "PAGE_SIZE", page_size)
        patched.setattr(lead_list, "MAX_READS", max_reads)
        for number in range(MAX_PAGES):
            limit = sizes[number % len(sizes)]
            page = LeadList(table).page(wanted, limit, cursor)
            position = check_page(page, wanted, limit, position)
            seen += [journey.lead.lead_id for journey in page.leads]
            cursor = page.cursor
            if cursor is None:
                break
            for change in changes[number] if number < len(changes) else ():
                apply(model, change)
        else:
            pytest.fail("the list has no end")
    assert [one for one in seen if one not in model.changed] == [one for one in before if one not in model.changed]


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrivals=st.lists(ARRIVALS, min_size=5, max_size=30), wanted=FILTERS, more=st.lists(CHANGES, max_size=5))
def test_a_leads_cursor_is_of_the_page_that_begins_with_it(
    table: Table, arrivals: list[tuple[Any, ...]], wanted: LeadFilter, more: list[tuple[Any, ...]]
) -> None:
    memory_table(TABLE).restore({})
    model = Model(table)
    for arrival in arrivals:
        apply(model, arrival)
    page = LeadList(table).page(wanted, 100)
    model.changed = set()
    for change in more:
        apply(model, change)
    ids = [journey.lead.lead_id for journey in page.leads]
    for number, cursor in enumerate(page.cursors):
        again = [journey.lead.lead_id for journey in LeadList(table).page(wanted, 100, cursor).leads]
        unchanged = [one for one in ids[number:] if one not in model.changed]
        assert [one for one in again if one not in model.changed] == unchanged


def test_a_page_that_ends_between_two_deliveries_of_a_lead_loses_neither(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lead_list, "PAGE_SIZE", 3)
    monkeypatch.setattr(lead_list, "MAX_READS", SHARDS)
    model, wanted = Model(table), LeadFilter(status=LeadStatus.RECEIVED, partner="matchtrade")
    for number in range(1, 80, 2):
        model.arrive(number, number, State.RECEIVED)
    cursor, seen = None, []
    for _ in range(MAX_PAGES):
        page = LeadList(table).page(wanted, 50, cursor)
        seen += [journey.lead.lead_id for journey in page.leads]
        cursor = page.cursor
        if cursor is None:
            break
    assert seen == model.matching(wanted)
    assert len(seen) == 40


def fill(table: Table, leads: int, *, state: State = State.RECEIVED, step: timedelta = timedelta(seconds=1)) -> Model:
    model, writes = Model(table), []
    for number in range(leads):
        one = lead(number, received_at=NOW + number * step)
        model.leads[one.lead_id] = (one, PHONES[0])
        model.states[one.lead_id, "leadleader"] = state
        writes += [put(items.lead_item(one, phone_hash=PHONES[0]))]
        writes += [put(items.delivery_item(delivery(one, "leadleader", state)))]
    table.batch_write(writes)
    return model


@pytest.fixture
def reads(table: Table, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of items that each query returns."""
    made: list[int] = []
    client: Any = aws.dynamodb()
    query = client.query

    def counted(**asked: Any) -> Any:
        answer = query(**asked)
        made.append(answer["ScannedCount"])
        return answer

    monkeypatch.setattr(client, "query", counted)
    return made


@pytest.mark.parametrize(("limit", "max_queries", "max_items"), [(1, 20, 20), (25, 22, 110), (50, 22, 140)])
def test_a_page_reads_little_more_than_it_shows(
    table: Table, reads: list[int], limit: int, max_queries: int, max_items: int
) -> None:
    fill(table, 200)
    assert len(LeadList(table).page(LeadFilter(), limit).leads) == limit
    assert len(reads) <= max_queries
    assert sum(reads) <= max_items


def test_rare_matches_come_over_several_bounded_pages(
    table: Table, reads: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lead_list, "PAGE_SIZE", 10)
    fill(table, 300)
    rare = lead(5000, source="tilda", received_at=NOW - timedelta(days=1))
    table.write(put(items.lead_item(rare, phone_hash=None)))
    cursor, pages, found = None, 0, []
    while pages < MAX_PAGES:
        reads.clear()
        page = LeadList(table).page(LeadFilter(source="tilda"), 10, cursor)
        assert len(reads) <= lead_list.MAX_READS
        pages, cursor = pages + 1, page.cursor
        found += [journey.lead.lead_id for journey in page.leads]
        if cursor is None:
            break
    assert (found, pages <= 3) == ([rare.lead_id], True)


@pytest.mark.parametrize("newest_first", [False, True])
def test_merged_shards_are_in_order_even_if_one_has_nearly_all(table: Table, newest_first: bool) -> None:
    model = fill(table, 300)
    hot = shard_of(next(iter(model.leads)))
    for lead_id in list(model.leads):
        if shard_of(lead_id) != hot and int(lead_id[-1] not in "abcdef"):
            model.vanish(lead_id)
    query = listing_query(newest_first=newest_first)
    merged = MergedQuery(table, of_partition(query, items.LEADS), page_size=2, max_page=7)
    keys = [values["received_key"] for values in merged]
    expected = [items.received_key(one.received_at, one.lead_id) for one, _ in model.leads.values()]
    assert keys == sorted(expected, reverse=newest_first)
    assert merged.position is None
    limited = [values["received_key"] for values in read_listing(table, query, items.LEADS, limit=20)]
    assert limited == keys[:20]


def test_a_merged_query_takes_a_call_for_each_query_at_least(table: Table) -> None:
    with pytest.raises(ValueError, match=f"at least {SHARDS}"):
        MergedQuery(table, of_partition(listing_query(), items.LEADS), page_size=1, max_reads=SHARDS - 1)


def test_since_and_before_are_the_ends_of_a_time(table: Table) -> None:
    fill(table, 10, step=timedelta(hours=1))

    def hours(**ends: timedelta) -> list[int]:
        query = listing_query(**{name: lead_time(end) for name, end in ends.items()})  # type: ignore[arg-type]
        keys = (values["received_key"] for values in read_listing(table, query, items.LEADS, limit=100))
        return [int(key[11:13]) - NOW.hour for key in keys]

    assert hours(since=timedelta(hours=2), before=timedelta(hours=5)) == [2, 3, 4]
    assert hours(since=timedelta(hours=8)) == [8, 9]
    assert hours(before=timedelta(hours=2)) == [0, 1]


def lead_time(after: timedelta) -> str:
    return items.received_key(NOW + after, "").rstrip("#")


def test_the_first_page_of_a_shard_is_enough_for_most() -> None:
    assert [first_page(limit) for limit in (1, 8, 50, 400)] == [1, 3, 10, 61]


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_forged_foreign_and_long_cursors_are_refused(table: Table) -> None:
    fill(table, 5)
    good = LeadList(table).page(LeadFilter(), 2).cursor
    assert good is not None
    position, fingerprint = json.loads(base64.urlsafe_b64decode(good + "=" * (-len(good) % 4)))
    assert len(LeadList(table).page(LeadFilter(), 9, good).leads) == 3
    assert len(LeadList(table).page(LeadFilter(), 9, encoded([position, fingerprint])).leads) == 3
    bad = [
        "nonsense",
        "e30",
        good[:-4],
        good + "A" * 400,
        good + "\n",
        good + "ключ",
        "[" * 100_000,
        encoded([position]),
        encoded([position, fingerprint, 1]),
        encoded([position, "another"]),
        encoded([position, None]),
        encoded([None, fingerprint]),
        encoded(["lead#5", fingerprint]),
        encoded([position + "\ud800", fingerprint]),
        encoded([position + "x" * 100, fingerprint]),
        encoded({position: 1, fingerprint: 2}),
        encoded(position),
        encoded({"pk": "LEAD#x", "sk": "LEAD", "listed": shards_of("lead")[0], "received_key": position}),
    ]
    for cursor in bad:
        with pytest.raises(InvalidCursor):
            LeadList(table).page(LeadFilter(), 2, cursor)
    for wanted in (
        LeadFilter(status=LeadStatus.RECEIVED),
        LeadFilter(source="web"),
        LeadFilter(partner="leadleader"),
        LeadFilter(search=OF_PHONE),
        LeadFilter(campaign="spring"),
        LeadFilter(problem=ProblemFilter(field="person.phone")),
        LeadFilter(since=NOW),
        LeadFilter(needs_attention=True),
    ):
        with pytest.raises(InvalidCursor):
            LeadList(table).page(wanted, 2, good)
