"""The plan of status checks: no due deal is skipped, none is checked twice, and a run is bounded."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from leadbridge.runtime.aws_errors import Contended
from leadbridge.services.checks.batch import BATCH
from leadbridge.services.checks.plan import Schedule, Watermarks, due_ranges, oldest_due_seconds
from leadbridge.services.checks.sweep import MAX_RANGES, CheckSweep
from leadbridge.settings import Settings
from leadbridge.settings.check_schedule import CheckSchedule
from leadbridge.settings.opening_hours import OpeningHours
from leadbridge.storage.queries.check_progress import CheckProgress
from leadbridge.storage.queries.due_items import FollowedDeal

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
AGES = (10 * MINUTE, 20 * MINUTE, HOUR, 2 * HOUR, 5 * HOUR, DAY, 2 * DAY, 5 * DAY)
ALWAYS = CheckSchedule(AGES)
OFFICE = CheckSchedule(AGES, OpeningHours.parse(("mon-fri 09:00-18:00",), "Europe/Kyiv"))


@dataclass
class Index:
    """The followed deals, the progress and the queue of one partner, in memory."""

    schedule: Schedule
    deals: list[FollowedDeal] = field(default_factory=list)
    progress: CheckProgress = field(default_factory=CheckProgress)
    sent: list[str] = field(default_factory=list)
    accepts: int = 1_000_000
    reads: int = 0
    margin: timedelta = timedelta()
    late: float = 0.0

    def load(self) -> CheckProgress:
        return self.progress

    def save(self, before: CheckProgress, watermarks: Watermarks) -> None:
        if self.progress.version == before.version:
            self.progress = CheckProgress(dict(watermarks), before.version + 1)

    def read(self, after: datetime, until: datetime, limit: int) -> Iterator[FollowedDeal]:
        self.reads += 1
        found = sorted((deal for deal in self.deals if after < deal.followed_since <= until), key=_since)
        return iter(found[:limit])

    def send(self, batches: Sequence[Sequence[str]]) -> None:
        for batch in batches:
            assert len(batch) <= BATCH
            if not self.accepts:
                raise Contended
            self.accepts -= 1
            self.sent += batch

    def sweep(self) -> CheckSweep:
        return CheckSweep(self.schedule, self, self.read, self.send, self.margin)

    def run(self, now: datetime, max_batches: int = 1000) -> list[str]:
        """The deals that a run sends."""
        self.sent = []
        _, self.late = self.sweep().run(now, max_batches)
        return self.sent

    def follow(self, *moments: datetime) -> None:
        known = len(self.deals)
        self.deals += [FollowedDeal(f"ld_{known + number}", moment) for number, moment in enumerate(moments)]


def _since(deal: FollowedDeal) -> datetime:
    return deal.followed_since


moments = st.integers(0, 6 * 24 * 60 * 60).map(lambda seconds: MONDAY + timedelta(seconds=seconds))
pauses = st.sampled_from([1, 1, 1, 1, 3, 20, 120, 900, 4000])


@settings(max_examples=40)
@given(
    st.sampled_from([ALWAYS, OFFICE]),
    st.lists(moments, min_size=1, max_size=8),
    st.lists(pauses, min_size=30, max_size=60),
    st.integers(1, 3),
)
@example(ALWAYS, [MONDAY, MONDAY + timedelta(days=5, hours=14, minutes=45, seconds=1)], [4000, 4000, *[1] * 30], 1)
def test_every_deal_gets_each_of_its_checks_once_and_in_time(
    schedule: CheckSchedule, followed: list[datetime], minutes: list[int], room: int
) -> None:
    index = Index(schedule)
    index.run(MONDAY - DAY)
    index.follow(*followed)
    now, checked = MONDAY - DAY, Counter[str]()
    for pause in minutes:
        before, now = now, now + pause * MINUTE
        sent = index.run(now, room)
        assert len(sent) == len(set(sent)), "a deal is checked once, also if several of its ages are due"
        checked.update(sent)
        for deal in index.deals:
            late = [
                age for age in schedule.ages if _is_due(schedule, deal, age, before) and not _is_done(index, deal, age)
            ]
            assert not late, "a run does all that was due before the last one, as there was room"
    for deal in index.deals:
        due = {schedule.due_at(deal.followed_since, age) for age in schedule.ages}
        assert checked[deal.lead_id] <= len([one for one in due if one <= now]), "and nothing is checked twice"


def _is_due(schedule: CheckSchedule, deal: FollowedDeal, age: timedelta, now: datetime) -> bool:
    return schedule.due_at(deal.followed_since, age) + schedule.precision(age) <= now


def _is_done(index: Index, deal: FollowedDeal, age: timedelta) -> bool:
    return index.progress.watermarks[age] >= deal.followed_since


def test_a_run_that_repeats_sends_nothing() -> None:
    index = Index(ALWAYS)
    index.run(MONDAY)
    index.follow(MONDAY, MONDAY + MINUTE)
    now = MONDAY + 30 * MINUTE
    assert sorted(index.run(now)) == ["ld_0", "ld_1"]
    assert index.run(now) == []


def test_a_deal_for_which_several_ages_became_due_overnight_is_checked_once_at_opening() -> None:
    friday = datetime(2026, 3, 6, 15, 55, tzinfo=UTC)  # 17:55 in Kyiv
    index = Index(OFFICE)
    index.run(friday - 10 * DAY)
    index.run(friday)
    index.follow(friday)
    opening = datetime(2026, 3, 9, 7, 0, tzinfo=UTC)
    assert [index.run(friday + number * HOUR) for number in range(1, 60)] == [[]] * 59
    assert index.run(opening + timedelta(seconds=30)) == ["ld_0"]
    assert index.run(opening + MINUTE) == []


def test_a_run_without_room_leaves_the_rest_behind_and_it_becomes_late() -> None:
    index = Index(ALWAYS)
    index.run(MONDAY)
    index.follow(*[MONDAY + timedelta(milliseconds=number) for number in range(5 * BATCH)])
    sent = []
    for number in range(5):
        now = MONDAY + (11 + number) * MINUTE
        sent += index.run(now, 1)
        expected = 0.0 if number == 4 else (1 + number) * 60 - ALWAYS.precision(AGES[0]).total_seconds()
        assert index.late == pytest.approx(max(0.0, expected), abs=1)
    assert sorted(sent, key=lambda one: int(one[3:])) == [deal.lead_id for deal in index.deals]


def test_more_deals_of_one_moment_than_there_is_room_for_do_not_stop_the_sweep() -> None:
    index = Index(ALWAYS)
    index.run(MONDAY)
    index.follow(*[MONDAY] * (2 * BATCH), MONDAY + MINUTE)
    assert len(index.run(MONDAY + 11 * MINUTE, 1)) == 2 * BATCH
    assert index.run(MONDAY + 12 * MINUTE, 1) == [f"ld_{2 * BATCH}"]


def test_small_ranges_share_a_batch() -> None:
    index = Index(ALWAYS)
    index.follow(*(MONDAY - age + MINUTE for age in AGES))
    index.run(MONDAY)
    index.accepts = 1
    assert len(index.run(MONDAY + 2 * HOUR, 1)) == len(AGES)
    assert index.run(MONDAY + 2 * HOUR) == []


def test_what_the_queue_did_not_accept_is_sent_by_the_next_run() -> None:
    index = Index(ALWAYS)
    index.run(MONDAY)
    index.follow(*[MONDAY + timedelta(milliseconds=number) for number in range(BATCH + 1)])
    now = MONDAY + HOUR
    index.accepts = 1
    with pytest.raises(Contended):
        index.run(now)
    index.accepts = 10
    assert index.run(now)[-1] == f"ld_{BATCH}"


def test_a_crash_before_the_watermarks_are_stored_sends_again() -> None:
    index = Index(ALWAYS)
    index.run(MONDAY)
    index.follow(MONDAY)
    stored = index.progress
    assert index.run(MONDAY + HOUR) == ["ld_0"]
    index.progress = stored
    assert index.run(MONDAY + HOUR) == ["ld_0"]


def test_of_two_runs_at_the_same_time_one_stores_its_watermarks() -> None:
    index = Index(ALWAYS)
    index.run(MONDAY)
    seen, index.progress = index.progress, CheckProgress(dict.fromkeys(AGES, MONDAY + HOUR), 9)
    index.save(seen, dict.fromkeys(AGES, MONDAY))
    assert index.progress.version == 9


def test_a_deal_that_the_index_shows_late_is_found_within_the_margin() -> None:
    quick = CheckSchedule((timedelta(seconds=10), MINUTE))
    index = Index(quick, margin=2 * MINUTE)
    index.run(MONDAY)
    for seconds in range(0, 110, 10):
        index.run(MONDAY + timedelta(seconds=seconds))
    index.follow(MONDAY)  # 110 seconds after it was written
    assert index.run(MONDAY + timedelta(seconds=121)) == ["ld_0"]


def test_ages_that_are_new_begin_now_and_those_that_vanished_are_dropped() -> None:
    index = Index(ALWAYS)
    index.run(MONDAY)
    index.follow(MONDAY - 20 * HOUR)
    index.schedule = CheckSchedule((10 * MINUTE, 3 * HOUR, DAY))
    assert index.run(MONDAY + HOUR) == [], "its check at the age of three hours is long past"
    assert set(index.progress.watermarks) == {10 * MINUTE, 3 * HOUR, DAY}
    assert index.run(MONDAY + 5 * HOUR) == ["ld_0"]


def test_few_ranges_are_read_in_a_minute() -> None:
    index = Index(ALWAYS)
    index.run(MONDAY)
    for minute in range(1, 24 * 60):
        index.run(MONDAY + minute * MINUTE)
    assert index.reads / (24 * 60) < 3, "though there are eight ages"


def test_a_run_at_the_opening_is_short_though_all_ages_are_due(shipped_settings: Settings) -> None:
    """Each range is a query for each shard, and a run that is killed would store no watermark."""
    schedule = shipped_settings.partners["leadleader"].check_schedule
    assert schedule is not None
    index = Index(schedule)
    assert len(schedule.ages) > 5 * MAX_RANGES
    opening = MONDAY + 7 * HOUR
    index.follow(*(MONDAY - days * DAY for days in range(3, 300, 9)))
    index.run(MONDAY - 3 * DAY)
    reads, runs = [], 0
    while due_ranges(schedule, index.progress.watermarks, opening, timedelta()) and runs < 20:
        before = index.reads
        index.run(opening)
        reads.append(index.reads - before)
        runs += 1
    assert max(reads) == MAX_RANGES
    assert runs < 10, "and the rest follows within minutes"
    assert index.late == 0


@given(st.lists(moments, min_size=2, max_size=6), moments)
def test_ranges_that_are_read_never_overlap(marks: list[datetime], now: datetime) -> None:
    watermarks = dict(zip(AGES, marks, strict=False))
    found = sorted(due_ranges(ALWAYS, watermarks, now, timedelta()), key=lambda one: one.after)
    assert all(one.until < following.after for one, following in pairwise(found))
    assert oldest_due_seconds(ALWAYS, watermarks, now, timedelta()) >= 0
