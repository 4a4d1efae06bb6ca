"""The clock rings for a call whose time is up, for no other, and however many there are."""

import time
from threading import Event, active_count

import pytest

from leadbridge.partners.deadline import Deadline

SOON, LATER, PATIENCE = 0.02, 30.0, 5.0  # seconds


def test_it_rings_for_a_block_that_lasts_too_long() -> None:
    rung = Event()
    with Deadline().after(SOON, rung.set):
        assert rung.wait(PATIENCE)


def test_it_does_not_ring_for_a_block_that_is_over() -> None:
    clock, rung, next_one = Deadline(), Event(), Event()
    with clock.after(SOON, rung.set):
        pass
    with clock.after(2 * SOON, next_one.set):
        assert next_one.wait(PATIENCE)
    assert not rung.is_set()


def test_it_rings_once() -> None:
    clock, times, next_one = Deadline(), [], Event()
    with clock.after(SOON, lambda: times.append(time.monotonic())), clock.after(5 * SOON, next_one.set):
        assert next_one.wait(PATIENCE)
    assert len(times) == 1


def test_an_earlier_one_wakes_it_that_sleeps_for_a_later_one() -> None:
    clock, late, early = Deadline(), Event(), Event()
    with clock.after(LATER, late.set):
        time.sleep(2 * SOON)  # it sleeps
        with clock.after(SOON, early.set):
            assert early.wait(PATIENCE)
    assert not late.is_set()


def test_two_at_one_moment_both_ring() -> None:
    clock, one, other = Deadline(), Event(), Event()
    with clock.after(SOON, one.set), clock.after(SOON, other.set):
        assert one.wait(PATIENCE)
        assert other.wait(PATIENCE)


def test_what_fails_in_the_block_is_not_kept_from_its_caller_nor_rung_for() -> None:
    clock, rung, next_one = Deadline(), Event(), Event()
    with pytest.raises(ZeroDivisionError), clock.after(SOON, rung.set):
        raise ZeroDivisionError
    with clock.after(2 * SOON, next_one.set):
        assert next_one.wait(PATIENCE)
    assert not rung.is_set()


def test_many_calls_have_one_thread() -> None:
    clock, before = Deadline(), active_count()
    for _ in range(50):
        with clock.after(LATER, lambda: None):
            assert active_count() <= before + 1
