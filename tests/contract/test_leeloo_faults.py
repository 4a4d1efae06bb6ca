"""Leeloo's contract, everything that can go wrong with a read and with sends, and what the client calls it.

A read may be repeated always. A send whose fate nobody can tell is never repeated, neither by the client nor, as it is
Unknown, by anybody else.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devstack.sandbox.server import Sandbox
from leadbridge.domain.errors.partner_errors import (
    PartnerError,
    RateLimited,
    Rejected,
    Unavailable,
)
from quality.testkit.clients.leeloo import PARTNER, PHONE, LeelooWorld, budget, leeloo_world
from quality.testkit.clients.leeloo_faults import (
    LIMIT_TEXT,
    MATRIX,
    OPERATIONS,
    REFUSAL,
    Broken,
    Meaning,
    answer,
    calling,
)


@pytest.fixture
def world(sandbox: Sandbox) -> Iterator[LeelooWorld]:
    with leeloo_world(sandbox) as surroundings:
        yield surroundings


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    ("broken", "meanings"), [pytest.param(broken, meanings, id=what) for what, broken, meanings in MATRIX]
)
def test_each_fault_has_its_meaning_and_nothing_is_sent_twice(
    world: LeelooWorld, operation: str, broken: Broken, meanings: tuple[Meaning, Meaning]
) -> None:
    call = calling(world, operation)
    broken(world, operation)
    meaning = meanings[0] if operation == "people_list" else meanings[1]
    if meaning is None:
        call()
    else:
        with pytest.raises(PartnerError) as caught:
            call()
        assert (type(caught.value), caught.value.operation) == (meaning, operation)
        assert "Ольга" not in str(caught.value)
        assert PHONE not in str(caught.value)
    assert len(world.remote.calls(PARTNER, operation)) <= 1


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_limit_tells_how_long_to_wait(world: LeelooWorld, operation: str) -> None:
    call = calling(world, operation)
    answer(200, LIMIT_TEXT, Retry_After="7")(world, operation)
    with pytest.raises(RateLimited) as caught:
        call()
    assert caught.value.retry_after == 7


def test_a_list_that_breaks_off_gives_what_it_has(world: LeelooWorld) -> None:
    """The rows before the fault are given, then the error is raised: the caller knows that there may be more."""
    for _ in range(3):
        world.person()
    world.remote.arm(PARTNER, "people_list", {"kind": "html"}, skip=1)
    people = world.api().people.list(limit=2, budget=budget())
    assert len([next(people), next(people)]) == 2
    with pytest.raises(Unavailable):
        next(people)


def test_a_refusal_names_the_fields_that_are_ours(world: LeelooWorld) -> None:
    call = calling(world, "person_create")
    answer(400, REFUSAL)(world, "person_create")
    with pytest.raises(Rejected) as caught:
        call()
    assert caught.value.data == {"http_status": 400, "fields": ["phone"]}
