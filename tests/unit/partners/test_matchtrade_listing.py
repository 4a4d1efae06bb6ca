"""The broker's list: rows read whatever their shape, pages read while rows come, go and change places."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadbridge.partners.matchtrade.answers import RawPage
from leadbridge.partners.matchtrade.listing import MAX_SEEN_UUIDS, AccountPage, account_pages
from leadbridge.partners.matchtrade.rows import BrokerAccount, accounts_of, moment
from quality.testkit.rubbish import any_text, json_values

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def nothing(_: list[str], __: int) -> None:
    """No row comes or goes."""


@dataclass
class Source:
    """A list at the partner; `change` is made to it before the page of that number is read."""

    ids: list[str]
    change: Callable[[list[str], int], None] = nothing
    size: int = 3
    with_totals: bool = True
    with_pages: bool = True
    asked: list[int] = field(default_factory=list)

    def read(self, number: int) -> RawPage:
        self.asked.append(number)
        self.change(self.ids, len(self.asked) - 1)
        rows = [{"uuid": each} for each in self.ids[number * self.size : (number + 1) * self.size]]
        pages, total = -(-len(self.ids) // self.size), len(self.ids)
        return RawPage(rows, pages if self.with_pages else None, total if self.with_totals else None)


def read(source: Source, **bounds: Any) -> list[AccountPage]:
    return list(account_pages(source.read, **bounds))


def uuids(pages: list[AccountPage]) -> list[str | None]:
    return [row.uuid for page in pages for row in page.rows]


def numbered(count: int) -> list[str]:
    return [str(number) for number in range(count)]


@given(count=st.integers(0, 40), size=st.integers(1, 12), with_totals=st.booleans(), with_pages=st.booleans())
def test_every_row_is_given_once_in_order_and_one_page_is_the_last(
    count: int, size: int, with_totals: bool, with_pages: bool
) -> None:
    source = Source(numbered(count), size=size, with_totals=with_totals, with_pages=with_pages)
    pages = read(source)
    assert uuids(pages) == numbered(count)
    assert [page.is_last for page in pages] == [False] * (len(pages) - 1) + [True]
    assert source.asked == list(range(len(pages)))


@given(count=st.integers(1, 40), size=st.integers(1, 12), stop=st.integers(0, 40))
def test_a_listing_goes_on_where_another_stopped(count: int, size: int, stop: int) -> None:
    source = Source(numbered(count), size=size)
    before = read(source)[:stop]
    after = read(source, first_page=len(before)) if not before or not before[-1].is_last else []
    assert uuids(before + after) == numbered(count)


@given(
    count=st.integers(1, 30),
    size=st.integers(1, 6),
    at=st.integers(1, 8),
    data=st.data(),
    kind=st.sampled_from(["insert", "remove", "move"]),
)
def test_a_change_in_the_middle_of_a_listing_loses_and_doubles_no_row(
    count: int, size: int, at: int, data: st.DataObject, kind: str
) -> None:
    """Whatever is there from the beginning to the end of the listing is given once."""
    places = st.lists(st.integers(0, count - 1), min_size=1, max_size=4, unique=True)
    chosen = [str(place) for place in data.draw(places)]

    def change(ids: list[str], reading: int) -> None:
        if reading != at:
            return
        for each in chosen:
            match kind:
                case "insert":
                    ids.insert(ids.index(each), f"new {each}")
                case "remove":
                    ids.remove(each)
                case "move":
                    ids.remove(each)
                    ids.insert(data.draw(st.integers(0, len(ids))), each)

    source = Source(numbered(count), change, size)
    found = uuids(read(source))
    assert len(found) == len(set(found))
    staying = set(numbered(count)) - (set(chosen) if kind == "remove" else set())
    assert set(found) >= staying


def test_a_listing_that_the_cap_stops_has_no_last_page() -> None:
    pages = read(Source(numbered(9)), max_pages=2)
    assert [page.is_last for page in pages] == [False, False]
    assert len(uuids(pages)) == 6


def test_a_partner_that_gives_the_same_page_for_ever_costs_the_cap() -> None:
    source = Source(numbered(3), with_pages=False)
    pages = list(account_pages(lambda _: source.read(0), max_pages=7))
    assert (len(pages), len(uuids(pages))) == (7, 3)


def test_a_count_that_is_never_reached_costs_one_more_time_over_the_pages() -> None:
    source = Source(numbered(6))

    def reading(number: int) -> RawPage:
        found = source.read(number)
        return RawPage(found.rows, found.total_pages, 100)

    pages = list(account_pages(reading))
    assert source.asked == [0, 1, 0, 1]
    assert uuids(pages) == numbered(6)
    assert pages[-1].is_last


def test_rows_without_a_uuid_are_all_given() -> None:
    rows = [{"email": "a@example.com"}, "rubbish", None, {"email": "a@example.com"}]
    (page,) = account_pages(lambda _: RawPage(rows, 1, None))
    assert [row.email for row in page.rows] == ["a@example.com"] * 2


def test_a_listing_remembers_no_more_than_the_last_rows() -> None:
    """Memory does not grow with the list: what came long ago is given again, and written over."""
    source = Source(numbered(MAX_SEEN_UUIDS + 1), size=1000, with_totals=False)
    source.ids.append("0")
    assert uuids(read(source)).count("0") == 2
    source.ids[-1] = "2"
    assert uuids(read(source)).count("2") == 1


# Rows


FULL = {
    "uuid": "u-1",
    "created": "2026-01-31T12:00:00Z",
    "updated": "2026-01-31T14:00:00+02:00",
    "email": "Olha@example.com",
    "name": "Ольга",
    "surname": "Петренко",
    "phone": "380501234567",
    "country": "Ukraine",
    "role": "LEAD",
    "leadStatus": "SOMETHING_NEW",
    "leadSource": "a|b|c|d",
    "somethingElse": {"a": [1]},
}


def test_a_row_is_read() -> None:
    assert BrokerAccount.of(FULL) == BrokerAccount(
        uuid="u-1",
        created=NOON,
        updated=NOON,
        email="Olha@example.com",
        name="Ольга",
        surname="Петренко",
        phone="380501234567",
        country="Ukraine",
        role="LEAD",
        status="SOMETHING_NEW",
        lead_source="a|b|c|d",
    )


@pytest.mark.parametrize("flat", [{}, {"leadSource": None, "leadStatus": ""}])
def test_source_and_status_may_stand_in_the_lead_info(flat: dict[str, Any]) -> None:
    account = BrokerAccount.of({**flat, "leadInfo": {"leadSource": "a|||d", "leadStatus": "CONTACTED"}})
    assert (account.lead_source, account.status) == ("a|||d", "CONTACTED")


def test_a_printed_row_shows_no_personal_data() -> None:
    assert repr(BrokerAccount.of(FULL)) == "Account(uuid='u-1', …)"


@given(st.dictionaries(st.sampled_from([*FULL, "leadInfo"]), json_values()))
def test_any_row_at_all_is_read(row: dict[str, Any]) -> None:
    (account,) = accounts_of([row])
    for moment_ in (account.created, account.updated):
        assert moment_ is None or moment_.tzinfo is UTC
    for text in (account.uuid, account.email, account.phone, account.status, account.lead_source):
        assert text is None or text.encode()


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31T12:00:00Z",
        "2026-01-31T12:00:00.000Z",
        "2026-01-31T12:00:00.000000000Z",
        "2026-01-31T12:00:00+00:00",
        "2026-01-31T14:00:00.000+0200",
        "2026-01-31T12:00:00",
        "2026-01-31 12:00:00",
        "2026-01-31T12:00",
        "20260131T120000Z",
        " 2026-01-31T14:00:00+02:00[Europe/Kyiv] ",
    ],
)
def test_a_time_is_read_in_any_iso_shape(text: str) -> None:
    assert moment(text) == NOON


def test_a_day_is_its_beginning() -> None:
    assert moment("2026-01-31") == datetime(2026, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    "value", ["", "soon", "2026-13-01", "0001-01-01T00:00:00+14:00", 1769860800000, None, [2026, 1]]
)
def test_what_is_no_time_is_none(value: object) -> None:
    assert moment(value) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31T07:00:00", NOON),
        ("2026-01-31T12:00:00Z", NOON),
        ("2026-01-31T14:00:00+02:00", NOON),
        ("2026-07-31T08:00:00", NOON.replace(month=7)),
    ],
)
def test_a_time_without_its_offset_is_of_the_brokers_zone(text: str, expected: datetime) -> None:
    zone = ZoneInfo("America/New_York")
    (page,) = account_pages(lambda _: RawPage([{"uuid": "a", "created": text, "updated": text}], 1, None), zone=zone)
    assert (page.rows[0].created, page.rows[0].updated) == (expected, expected)


@pytest.mark.parametrize(
    ("text", "earliest", "latest"),
    [
        ("2026-10-25T03:30:00", "2026-10-25T00:30:00+00:00", "2026-10-25T01:30:00+00:00"),  # clocks go back
        ("2026-10-25T02:59:59", "2026-10-24T23:59:59+00:00", None),
        ("2026-10-25T04:00:00", "2026-10-25T02:00:00+00:00", None),
        ("2026-10-25T03:30:00+02:00", "2026-10-25T01:30:00+00:00", None),
        ("2026-03-29T03:30:00", "2026-03-29T00:30:00+00:00", "2026-03-29T01:30:00+00:00"),  # clocks go forward
    ],
)
def test_local_time_that_is_ambiguous_or_does_not_exist_is_two_moments(
    text: str, earliest: str, latest: str | None
) -> None:
    row = BrokerAccount.of({"created": text, "updated": text}, ZoneInfo("Europe/Kyiv"))
    expected = (datetime.fromisoformat(earliest), None if latest is None else datetime.fromisoformat(latest))
    assert (row.created, row.created_latest) == (row.updated, row.updated_latest) == expected
    assert moment(text, ZoneInfo("Europe/Kyiv")) == expected[0]


@given(any_text())
def test_any_text_is_a_time_or_none(text: str) -> None:
    found = moment(text)
    assert found is None or found.tzinfo is UTC


@given(st.datetimes(timezones=st.timezones()))
def test_a_time_that_is_written_is_read_again(at: datetime) -> None:
    try:
        expected = at.astimezone(UTC)
    except OverflowError:
        return
    assert moment(at.isoformat()) == expected


@pytest.mark.parametrize(
    ("theirs", "ours", "is_it"),
    [
        ("Olha@Example.com", " olha@example.COM", True),
        ("olha@example.com", "xolha@example.com", False),
        ("olha@example.com", "olha@example.co", False),
        (None, "", False),
    ],
)
def test_an_email_is_the_same_in_any_case_and_nothing_less(theirs: str | None, ours: str, is_it: bool) -> None:
    assert BrokerAccount.of({"email": theirs}).has_email(ours) is is_it
