"""What a page of the list, of a filter or of a search reads does not depend on the number of leads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from botocore.client import BaseClient

from leadbridge.domain.acceptance.status import LeadStatus
from leadbridge.domain.errors.problem_keys import ProblemFilter
from leadbridge.domain.fields.hashes import keyed_hash, short_hash
from leadbridge.domain.fields.surnames import name_key
from leadbridge.domain.statistics.times import Stage
from leadbridge.runtime import aws
from leadbridge.storage import items
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.queries import lead_list
from leadbridge.storage.queries.lead_filter import LeadFilter, Search
from leadbridge.storage.queries.lead_list import MAX_READS, LeadList
from leadbridge.storage.table import Table
from quality.testkit.aws.capacity import Meter
from quality.testkit.fixtures import TABLE
from quality.testkit.many_leads import COMMON, SOURCES, store_leads
from quality.testkit.people import NOW, lead

LIMIT = 8
FEW, MANY = 400, 1200
SIZES = {"PAGE_SIZE": 10, "MAX_PAGE_SIZE": 20}  # as small beside these leads as the real ones beside a hundred thousand


@pytest.fixture
def aws_engine() -> str:
    """Thousands of leads: moto would take minutes."""
    return "memory"


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    for setting, size in SIZES.items():
        monkeypatch.setattr(lead_list, setting, size)


@dataclass
class Reads:
    """The calls that read, their units, and the items that the queries looked at."""

    calls: int
    units: float
    looked_at: int


def hashed(value: str) -> str:
    return keyed_hash("of the tests", value)


def name(text: str) -> tuple[str, str]:
    return items.NAME, short_hash(hashed(name_key(text)))


def read(table: Table, wanted: LeadFilter, monkeypatch: pytest.MonkeyPatch, expected: int | None) -> Reads:
    """Read a page, and count what it takes."""
    meter, calls, looked_at = Meter(), 0, 0
    call = BaseClient._make_api_call  # type: ignore[attr-defined]

    def counted(client: Any, operation: str, request: dict[str, Any]) -> Any:
        nonlocal calls, looked_at
        answer = call(client, operation, request)
        assert operation in {"Query", "GetItem", "BatchGetItem"}, "no scan"
        meter.count(operation, request, answer)
        calls, looked_at = calls + 1, looked_at + answer.get("ScannedCount", 0)
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(BaseClient, "_make_api_call", counted)
        found = len(LeadList(table).page(wanted, LIMIT).leads)
    assert expected in {None, found}
    return Reads(calls, meter.read, looked_at)


ONE = lead(24, source=SOURCES[0])
SEARCHES = {
    "phone": (Search(hashes=((items.PHONE, hashed("+380500000024")),)), 1),
    "e-mail": (Search(hashes=((items.EMAIL, hashed("a24@example.com")),)), 1),
    "lead id": (Search(lead_id=ONE.lead_id), 1),
    "deal": (Search(ids=(("leadleader", 25),)), 1),
    "name": (Search(hashes=(name(COMMON),)), LIMIT),
    "full name": (Search(hashes=(name(COMMON), name("Олена")), words=f"Олена {COMMON}"), LIMIT),
    "nobody": (Search(hashes=(name("Ніхтоненко"),)), 0),
}


FILTERS = {
    "none": LeadFilter(),
    "source": LeadFilter(source="web"),
    "campaign": LeadFilter(campaign="c3"),
    "status": LeadFilter(status=LeadStatus.FAILED),
    "outcome": LeadFilter(outcome="issued"),
    "stage": LeadFilter(stage=Stage.APPROVED),
    "problem": LeadFilter(problem=ProblemFilter(code="rate_limited")),
    "days": LeadFilter(since=NOW + timedelta(seconds=100), until=NOW + timedelta(seconds=500)),
    "campaign and outcome": LeadFilter(campaign="c3", outcome="issued"),
    "source and partner": LeadFilter(source="web", partner="leadleader", status=LeadStatus.CLOSED),
}


def test_a_page_reads_the_same_whatever_the_number_of_leads(
    store: LeadRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = Table(aws.dynamodb(), TABLE)
    found: list[dict[str, Reads]] = []
    for first, last in ((0, FEW), (FEW, MANY)):
        store_leads(table, first, last, hashed)
        wanted: dict[str, tuple[LeadFilter, int | None]]
        wanted = {kind: (LeadFilter(search=search), count) for kind, (search, count) in SEARCHES.items()}
        wanted |= {kind: (one, None if one.campaign or one.stage else LIMIT) for kind, one in FILTERS.items()} | {
            "no match": (LeadFilter(source="nobody"), 0)
        }
        found.append({kind: read(table, one, monkeypatch, count) for kind, (one, count) in wanted.items()})
    few, many = found
    assert {kind: many[kind] for kind in SEARCHES} == {kind: few[kind] for kind in SEARCHES}
    assert max(many[kind].calls for kind in SEARCHES) <= 5
    for kind in (*FILTERS, "no match"):  # a shard is read once or twice, by how its leads are distributed
        assert many[kind].calls <= few[kind].calls + 4, kind
        assert many[kind].units <= 1.5 * few[kind].units, kind
        assert many[kind].looked_at <= 1.5 * few[kind].looked_at, kind
    assert many["no match"].calls <= MAX_READS
    assert many["no match"].looked_at <= MAX_READS * SIZES["MAX_PAGE_SIZE"] < MANY
