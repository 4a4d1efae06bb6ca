"""What a lead contributes to the statistics, as pure facts."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import pytest

from leadbridge.domain.acceptance.build import MAX_CAMPAIGN_LENGTH, build_lead
from leadbridge.domain.statistics.contribution import DeliveryFacts, LeadChange, LeadFacts

DAY = "2026-03-01"
LEAD = LeadFacts(2, DAY, "web", "spring")
CHANGES = (
    LeadChange(DAY, "web", LEAD, expires_at=100),
    LeadChange(DAY, "web", replace(LEAD, version=3, problems=("person.phone required",)), expires_at=90),
    LeadChange("2026-03-04", "web", None, {"a": DeliveryFacts(1, "received", "")}, {"a": "2026-03-04"}, 300),
    LeadChange("2026-03-04", "web", None, {"a": DeliveryFacts(2, "submitted", "")}, {"a": "2026-03-04"}, 200),
    LeadChange("2026-03-02", "web", None, {"b": DeliveryFacts(1, "rejected", "")}, {"b": "2026-03-02"}, 150),
)


def test_changes_merge_to_the_newest_facts_in_any_order() -> None:
    for order in permutations(CHANGES):
        merged = order[0]
        for change in order[1:]:
            merged = merged.merged(change)
        assert merged == LeadChange(
            DAY,
            "web",
            replace(LEAD, version=3, problems=("person.phone required",)),
            {"a": DeliveryFacts(2, "submitted", ""), "b": DeliveryFacts(1, "rejected", "")},
            {"a": "2026-03-04", "b": "2026-03-02"},
            300,
        )


@pytest.mark.parametrize(
    ("count_by", "campaign"),
    [
        ("utm.utm_campaign", "spring"),
        ("ids.sub1", "blue button"),
        ("ids.campaign_id", ""),
        ("utm.utm_term", ("long " * 20)[:MAX_CAMPAIGN_LENGTH]),
    ],
)
def test_a_lead_is_counted_by_the_field_of_its_source(count_by: str, campaign: str) -> None:
    values = {"utm": {"utm_campaign": " spring ", "utm_term": "long " * 20}, "ids": {"sub1": "blue button"}}
    about: dict[str, Any] = {"lead_id": "ld_1", "source": "web", "received_at": datetime(2026, 3, 1, tzinfo=UTC)}
    assert build_lead(values, **about, partners={}, count_by=count_by).campaign == campaign


@pytest.mark.parametrize(
    ("time_zone", "received_at", "day"),
    [
        ("UTC", datetime(2026, 2, 28, 22, 30, tzinfo=UTC), "2026-02-28"),
        ("Europe/Kyiv", datetime(2026, 2, 28, 21, 59, 59, tzinfo=UTC), "2026-02-28"),
        ("Europe/Kyiv", datetime(2026, 2, 28, 22, tzinfo=UTC), "2026-03-01"),
        ("Europe/Kyiv", datetime(2026, 6, 30, 21, tzinfo=UTC), "2026-07-01"),
        ("America/New_York", datetime(2026, 3, 1, 4, 59, tzinfo=UTC), "2026-02-28"),
    ],
)
def test_a_lead_is_counted_on_its_day_in_the_time_zone(time_zone: str, received_at: datetime, day: str) -> None:
    about: dict[str, Any] = {"lead_id": "ld_1", "source": "web", "received_at": received_at}
    assert build_lead({}, **about, partners={}, time_zone=time_zone).day == day


@pytest.mark.parametrize(
    "tag",
    [
        "olena@example.com",
        "olena%40example.com",
        "lead 067 123-45-67",
        "+380671234567",
        "0501234567",
        "x" * 60 + "a@b.co",
    ],
)
def test_a_campaign_with_personal_data_is_not_counted(tag: str) -> None:
    values = {"utm": {"utm_campaign": tag}, "person": {"phone": "+380671234567"}}
    lead = build_lead(values, lead_id="ld_1", source="web", received_at=datetime(2026, 3, 1, tzinfo=UTC), partners={})
    assert (lead.utm["utm_campaign"], lead.campaign) == (tag, "")
