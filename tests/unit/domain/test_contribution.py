"""What a lead contributes to the statistics, and merging its changes."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadbridge.domain.statistics.contribution import (
    IN_MAIN,
    IN_PART,
    MAIN,
    OTHER,
    CountedLead,
    DeliveryFacts,
    LeadChange,
    LeadFacts,
    added,
    difference,
    is_counted_source,
    part_of,
)
from leadbridge.domain.statistics.times import LONGER, TIME_LIMITS, Stage, median_seconds, time_limit
from leadbridge.settings import self_check

DAY, SOURCE = "2026-03-01", "web"
CELL = (DAY, SOURCE, MAIN)
LEAD = LeadFacts(2, DAY, SOURCE, "spring|2026", 7)


def change(**facts: DeliveryFacts) -> LeadChange:
    return LeadChange(DAY, SOURCE, LEAD, facts)


def test_a_lead_counts_itself_its_campaign_and_its_deliveries() -> None:
    one = CountedLead(LEAD, {"a": DeliveryFacts(3, "submitted", "approved", "30"), "b": DeliveryFacts(1, "received")})
    main = {"l": 1, "d|a|submitted|approved": 1, "d|b|received|": 1, "t|s|a|30": 1, "t|s||30": 1}
    of_campaign = {"c|7|l": 1, "c|7|o|approved": 1, "c|7|t|s||30": 1}
    assert one.counts() == {CELL: Counter(main), (DAY, SOURCE, 1): Counter(of_campaign)}


def test_a_lead_reaches_a_stage_with_the_first_of_its_deliveries() -> None:
    slow = DeliveryFacts(3, "closed", "issued", "86400", LONGER, LONGER)
    quick = DeliveryFacts(3, "closed", "declined", "300", "3600")
    (found, _) = CountedLead(LEAD, {"a": slow, "b": quick}).counts().values()
    times = {name for name in found if name.startswith("t|") and "||" in name}
    assert times == {"t|s||300", "t|a||3600", "t|i||longer"}
    assert found["t|s|a|86400"] == found["t|a|a|longer"] == found["t|a|b|3600"] == 1


@pytest.mark.parametrize(
    ("seconds", "within"),
    [(-1, "5"), (5, "5"), (5.001, "30"), (30, "30"), (3600, "3600"), (86400, "86400"), (86401, "longer")],
)
def test_a_submission_counts_for_the_shortest_time(seconds: float, within: str) -> None:
    begin = datetime(2026, 3, 1, tzinfo=UTC)
    assert time_limit(Stage.SUBMITTED, begin, begin + timedelta(seconds=seconds)) == within


@given(st.sampled_from(Stage), st.lists(st.floats(0, 40 * 86_400), min_size=1, max_size=50))
def test_the_median_is_in_the_range_of_the_median_lead(stage: Stage, seconds: list[float]) -> None:
    begin = datetime(2026, 3, 1, tzinfo=UTC)
    limits = [time_limit(stage, begin, begin + timedelta(seconds=one)) for one in sorted(seconds)]
    middle = limits[(len(limits) - 1) // 2]
    found = median_seconds(stage, Counter(limits))
    if middle == LONGER:
        assert found is None
    else:
        ends = (0, *TIME_LIMITS[stage])
        place = ends.index(int(middle))
        assert found is not None
        assert ends[place - 1] <= found <= ends[place]


def test_without_any_lead_there_is_no_median() -> None:
    assert median_seconds(Stage.ISSUED, {}) is None


def test_a_withdrawn_submission_takes_no_time() -> None:
    before = CountedLead(LEAD, {"a": DeliveryFacts(3, "submitted", submitted="30")})
    after = before.merged(change(a=DeliveryFacts(4, "unknown")))
    main = {"d|a|submitted|": -1, "t|s|a|30": -1, "t|s||30": -1, "d|a|unknown|": 1}
    assert difference(before, after) == {CELL: Counter(main), (DAY, SOURCE, 1): Counter({"c|7|t|s||30": -1})}


def test_an_incomplete_lead_counts_its_problems_until_it_is_completed() -> None:
    incomplete = CountedLead(LeadFacts(2, DAY, SOURCE, problems=("person.phone required",)))
    assert incomplete.counts() == {CELL: Counter({"l": 1, "i": 1, "p|person.phone required": 1})}
    completed = incomplete.merged(LeadChange(DAY, SOURCE, LeadFacts(3, DAY, SOURCE)))
    assert difference(incomplete, completed) == {CELL: Counter({"i": -1, "p|person.phone required": -1})}


def test_a_difference_without_effect_is_empty() -> None:
    one = CountedLead(LEAD, {"a": DeliveryFacts(1, "received")})
    later = one.merged(change(a=DeliveryFacts(3, "received")))
    assert difference(one, later) == {}
    assert not one.has_same_facts(later)


def test_a_lead_that_was_counted_before_is_not_counted_again() -> None:
    expired = CountedLead(LeadFacts(2, DAY, SOURCE, is_counted=False))
    after = expired.merged(change(a=DeliveryFacts(1, "received")).merged(LeadChange(DAY, SOURCE, LEAD)))
    assert after.counts() == {CELL: Counter({"d|a|received|": 1})}
    corrected = after.merged(LeadChange(DAY, SOURCE, LeadFacts(9, DAY, SOURCE)))
    assert "l" not in corrected.counts()[CELL]


def test_the_test_lead_of_a_deployment_contributes_nothing() -> None:
    facts = LeadFacts(2, DAY, self_check.SOURCE, "spring", 0, ("person.phone required",))
    one = CountedLead(facts, {"a": DeliveryFacts(3, "failed")})
    assert one.counts() == {}
    assert difference(CountedLead(), one) == {}
    assert [source for source in ("web", self_check.SOURCE) if is_counted_source(source)] == ["web"]


changes = st.lists(
    st.builds(
        lambda lead, partner, version: LeadChange(
            DAY,
            SOURCE,
            LeadFacts(lead, DAY, SOURCE, f"campaign {lead}", lead * 5) if lead else None,
            {partner: DeliveryFacts(version, f"state {version}", submitted=str(version % 3 or ""))} if partner else {},
        ),
        st.integers(0, 4),
        st.sampled_from(["", "a", "b"]),
        st.integers(1, 6),
    ),
    max_size=12,
)


@given(changes, st.randoms(use_true_random=False), st.integers(1, 5))
def test_order_repetition_and_grouping_change_nothing(made: list[LeadChange], random: Random, size: int) -> None:
    in_order = CountedLead()
    for one in made:
        in_order = in_order.merged(one)
    again = [*made, *made]
    random.shuffle(again)
    total, counted = [], CountedLead()
    for start in range(0, len(again), size):
        merged = again[start]
        for one in again[start + 1 : start + size]:
            merged = merged.merged(one)
        after = counted.merged(merged)
        total.append((difference(counted, after), 1))
        counted = after
    assert counted.has_same_facts(in_order)
    assert added(total) == added([(in_order.counts(), 1)])


def test_each_counter_item_has_few_campaigns() -> None:
    parts = Counter(part_of(number) for number in range(200))
    assert parts[MAIN] == IN_MAIN
    assert set(parts.values()) <= {IN_MAIN, IN_PART}
    assert part_of(OTHER) == MAIN
