"""Lists page by themselves, come to an end, and lose and repeat nothing while rows come and go."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadbridge.domain.errors.partner_errors import Unavailable
from leadbridge.partners.leeloo.answers import Reply
from leadbridge.partners.leeloo.client import Query
from leadbridge.partners.leeloo.values import Entity
from leeloo_api.paging import paged


def nothing(_: list[str]) -> None:
    """No row comes or goes."""


@dataclass
class Source:
    """A list at the partner; `change` is made to it after each page."""

    ids: list[str]
    change: Callable[[list[str]], None] = nothing
    most: int = 100
    with_total: bool = True
    asked: list[dict[str, str]] = field(default_factory=list)

    def read(self, query: Query) -> Reply:
        asked = dict(query)
        self.asked.append(asked)
        offset, limit = int(asked["offset"]), min(int(asked["limit"]), self.most)
        page = [{"id": each} for each in self.ids[offset : offset + limit]]
        meta = {"totalCount": len(self.ids)} if self.with_total else {}
        self.change(self.ids)
        return Reply("list", page, meta, {}, Unavailable)


def read(source: Source, **bounds: Any) -> list[str]:
    return [row.id for row in paged(Entity, source.read, [("filter[tags]", "a")], **bounds)]


def numbered(count: int) -> list[str]:
    return [str(number) for number in range(count)]


@given(count=st.integers(0, 40), limit=st.integers(1, 12), most=st.integers(1, 12), with_total=st.booleans())
def test_every_row_is_given_once_in_order(count: int, limit: int, most: int, with_total: bool) -> None:
    """Whether or not the partner says how many there are, and however few it gives at a time."""
    source = Source(numbered(count), most=most, with_total=with_total)
    assert read(source, limit=limit) == numbered(count)
    assert all(asked["filter[tags]"] == "a" and asked["limit"] == str(limit) for asked in source.asked)


def test_a_list_that_is_read_to_its_total_is_not_asked_for_more() -> None:
    source = Source(numbered(4))
    read(source, limit=2)
    assert [asked["offset"] for asked in source.asked] == ["0", "2"]


def test_pages_are_read_as_rows_are_wanted() -> None:
    source = Source(numbered(10))
    rows = paged(Entity, source.read, limit=2)
    assert source.asked == []
    next(rows)
    assert len(source.asked) == 1


@given(st.lists(st.integers(0, 3), max_size=20), st.integers(1, 5), st.booleans())
def test_rows_that_are_added_meanwhile_repeat_nothing(added: list[int], limit: int, at_the_head: bool) -> None:
    before = numbered(12)
    names = iter(range(1000))
    turns = iter(added)

    def add(ids: list[str]) -> None:
        for _ in range(next(turns, 0)):
            ids.insert(0 if at_the_head else len(ids), f"new {next(names)}")

    found = read(Source(list(before), add), limit=limit)
    assert len(set(found)) == len(found)
    assert set(found) >= set(before)


@given(st.lists(st.lists(st.integers(0, 11), max_size=3), max_size=20), st.integers(1, 5))
def test_rows_that_go_meanwhile_let_no_other_be_missed(gone: list[list[int]], limit: int) -> None:
    before = numbered(12)
    turns = iter(gone)

    def remove(ids: list[str]) -> None:
        for number in next(turns, []):
            if str(number) in ids:
                ids.remove(str(number))

    source = Source(list(before), remove)
    found = read(source, limit=limit)
    assert len(set(found)) == len(found)
    assert set(found) >= set(source.ids)


def test_a_list_without_end_is_read_to_the_bound() -> None:
    source = Source(numbered(3), lambda ids: ids.extend(f"{ids[-1]}.{number}" for number in range(3)), with_total=False)
    assert len(read(source, limit=3, pages=5)) == 15
    assert len(source.asked) == 5


def test_a_partner_that_knows_no_offset_is_asked_so_often_and_no_more() -> None:
    source = Source(numbered(3), with_total=False)
    again = Source(source.ids)

    def same(query: Query) -> Reply:
        again.asked.append(dict(query))
        return source.read([("limit", "3"), ("offset", "0")])

    assert [row.id for row in paged(Entity, same, limit=3, pages=7)] == numbered(3)
    assert len(again.asked) == 7


@pytest.mark.parametrize("total", [None, "4", True, 2.5, {}])
def test_a_total_that_is_no_number_is_none(total: object) -> None:
    pages = iter([[{"id": "1"}, {"no": "id"}, "rubbish"], [{"id": "2"}], []])
    rows = paged(Entity, lambda _: Reply("list", next(pages), {"totalCount": total}, {}, Unavailable))
    assert [row.id for row in rows] == ["1", "2"]


def test_a_page_that_is_no_list_is_an_error() -> None:
    with pytest.raises(Unavailable):
        list(paged(Entity, lambda _: Reply("list", {}, {}, {}, Unavailable)))
