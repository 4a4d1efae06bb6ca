"""A deadline fires for a block that takes too long, and for no other."""

import time
from threading import Event
from threading import enumerate as enumerate_threads

import pytest

from leadbridge.partners import deadline
from leadbridge.partners.deadline import Deadline

SOON, PATIENCE = 0.02, 5.0  # seconds


def test_it_fires_for_a_block_that_takes_too_long() -> None:
    fired = Event()
    with Deadline(SOON, fired.set):
        assert fired.wait(PATIENCE)


def test_it_does_not_fire_after_the_block() -> None:
    fired = Event()
    with Deadline(SOON, fired.set):
        pass
    time.sleep(3 * SOON)
    assert not fired.is_set()


def test_it_fires_once() -> None:
    times: list[float] = []
    with Deadline(SOON, lambda: times.append(time.monotonic())):
        time.sleep(5 * SOON)
    assert len(times) == 1


def test_an_earlier_deadline_inside_a_later_one_fires_alone() -> None:
    late, early = Event(), Event()
    with Deadline(PATIENCE, late.set), Deadline(SOON, early.set):
        assert early.wait(PATIENCE)
    assert not late.is_set()


def test_two_deadlines_at_one_moment_both_fire() -> None:
    one, other = Event(), Event()
    with Deadline(SOON, one.set), Deadline(SOON, other.set):
        assert one.wait(PATIENCE)
        assert other.wait(PATIENCE)


def test_an_exception_of_the_block_reaches_the_caller_and_cancels_the_deadline() -> None:
    fired = Event()
    with pytest.raises(ZeroDivisionError), Deadline(SOON, fired.set):
        raise ZeroDivisionError
    time.sleep(3 * SOON)
    assert not fired.is_set()


def test_the_block_ends_only_after_a_timeout_that_is_being_handled() -> None:
    started, finished = Event(), Event()

    def on_timeout() -> None:
        started.set()
        time.sleep(3 * SOON)
        finished.set()

    with Deadline(SOON, on_timeout):
        assert started.wait(PATIENCE)
    assert finished.is_set()


def test_a_timeout_that_raises_leaves_the_other_deadlines_watched() -> None:
    fired = Event()

    def broken() -> None:
        raise OSError

    with Deadline(SOON, broken), Deadline(2 * SOON, fired.set):
        assert fired.wait(PATIENCE)


def test_one_thread_watches_every_deadline_and_keeps_none_that_is_over() -> None:
    for _ in range(200):
        with Deadline(PATIENCE, lambda: None):
            pass
    assert [thread.name for thread in enumerate_threads()].count("deadlines") == 1
    assert len(deadline._watcher._watched) <= 1
