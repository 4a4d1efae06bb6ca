"""A slow target gets a third of a worker's time, and its items go back to the queue meanwhile."""

from contextlib import suppress
from datetime import timedelta

import pytest

from leadbridge.runtime.fair_share import MAX_PAUSE, MAX_WAIT, FairShare
from quality.testkit.fixtures import Time

SLOW, OTHER = "slow", "other"


def share(time: Time, jitter: float = 0.0) -> FairShare:
    return FairShare(time, jitter=lambda: jitter)


def attempt(share: FairShare, time: Time, seconds: float) -> None:
    with share.attempt(SLOW):
        time.pass_(seconds=seconds)


@pytest.mark.parametrize(("seconds", "pause"), [(2.9, None), (3, 6), (8, 16), (90, MAX_PAUSE.total_seconds())])
def test_after_a_slow_attempt_the_worker_is_free_for_twice_its_time(
    time: Time, seconds: float, pause: float | None
) -> None:
    fair = share(time)
    attempt(fair, time, seconds)
    wait = fair.wait(SLOW, time())
    assert (None if wait is None else wait.total_seconds()) == pause
    assert fair.wait(OTHER, time()) is None
    time.pass_(seconds=pause or 0)
    assert fair.wait(SLOW, time()) is None


def test_an_attempt_that_fails_is_measured_too(time: Time) -> None:
    fair = share(time)
    with suppress(TimeoutError), fair.attempt(SLOW):
        time.pass_(seconds=10)
        raise TimeoutError
    assert fair.wait(SLOW, time()) == timedelta(seconds=20)


def test_a_fast_attempt_ends_the_pause(time: Time) -> None:
    fair = share(time)
    attempt(fair, time, 10)
    attempt(fair, time, 1)
    assert fair.wait(SLOW, time()) is None


def test_the_longer_an_item_waits_the_less_often_it_is_received(time: Time) -> None:
    fair, came = share(time), time()
    receipts = 0
    while time() - came < timedelta(days=1):
        attempt(fair, time, 8)
        wait = fair.wait(SLOW, came)
        assert wait is not None
        assert wait <= MAX_WAIT
        time.now += wait
        receipts += 1
    assert receipts < 80, "a queue allows a hundred"


def test_a_backlog_does_not_come_back_at_once(time: Time) -> None:
    fair = share(time, jitter=1.0)
    attempt(fair, time, 8)
    assert fair.wait(SLOW, time()) == timedelta(seconds=24)
