"""Match-Trade's contract, everything that can go wrong with a token, a create and a list, and what the client calls it.

A token makes nothing and a list reads, so whatever goes wrong with them may be repeated; a create whose fate nobody can
tell is sent once.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest

from devstack.sandbox.server import Sandbox
from leadbridge.domain.errors.partner_errors import (
    Duplicate,
    PartnerError,
    RateLimited,
    Unauthorized,
    Unavailable,
    Unknown,
)
from quality.testkit.clients.matchtrade import (
    BEGINNING,
    EMAIL,
    Broken,
    MatchTradeWorld,
    Operation,
    budget,
    fault,
    matchtrade_world,
)
from quality.testkit.clients.matchtrade_faults import BROKERS, COLUMNS, ROWS, Meaning, try_it


@pytest.fixture
def world(sandbox: Sandbox) -> Iterator[MatchTradeWorld]:
    with matchtrade_world(sandbox) as surroundings:
        yield surroundings


@pytest.fixture
def brokers(sandbox: Sandbox) -> Iterator[dict[str, MatchTradeWorld]]:
    """Two brokers, by name."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(matchtrade_world(sandbox, name)) for name in BROKERS}


@pytest.mark.parametrize(("partner", "operation", "broken", "meaning"), ROWS)
def test_each_fault_has_its_meaning_for_one_of_two_brokers_and_no_create_is_sent_twice(
    brokers: dict[str, MatchTradeWorld], partner: str, operation: Operation, broken: Broken, meaning: Meaning
) -> None:
    world, (other,) = brokers[partner], (one for name, one in brokers.items() if name != partner)
    broken(world, operation)
    with ThreadPoolExecutor(1) as pool:
        at_the_other = pool.submit(try_it, other, operation)
        if meaning is None:
            try_it(world, operation)
        else:
            with pytest.raises(PartnerError) as caught:
                try_it(world, operation)
            error = caught.value
            assert (type(error), error.partner, error.operation) == (meaning, partner, operation)
            assert_says_nothing_of_the_partners(error)
        at_the_other.result()
    sent = len(world.calls("create"))
    assert sent == 2 if meaning is Unauthorized and operation == "create" else sent <= 1
    assert len(other.calls("create")) == (operation != "list")


def assert_says_nothing_of_the_partners(error: PartnerError) -> None:
    for word in (EMAIL, "SQL", "insert", "OfferClient", "html", "Access", "Bad Gateway", "Petrenko", "Петренко"):
        assert word not in str(error)
    assert error.__cause__ is None


@pytest.mark.parametrize("operation", ["token", "list"])
def test_a_lost_reply_to_what_makes_nothing_is_healed_by_asking_again(
    world: MatchTradeWorld, operation: Operation
) -> None:
    fault("drop", when="after")(world, operation)
    with pytest.raises(Unavailable):
        try_it(world, operation)
    world.repair()
    try_it(world, operation)


@pytest.mark.parametrize("operation", COLUMNS)
def test_the_partner_says_how_long_to_wait(world: MatchTradeWorld, operation: Operation) -> None:
    fault("rate_limit", retry_after=7)(world, operation)
    with pytest.raises(RateLimited) as caught:
        try_it(world, operation)
    assert caught.value.retry_after == 7


@pytest.mark.parametrize("broken", [fault("drop", when="after"), fault("html", status=502, processed=True)])
def test_after_a_lost_reply_the_look_up_finds_what_was_made(world: MatchTradeWorld, broken: Broken) -> None:
    broken(world, "create")
    client = world.client()
    with pytest.raises(Unknown):
        world.create(client)
    world.repair()
    found = client.find(EMAIL, budget())
    assert found is not None
    assert found.uuid == world.remote.rows("matchtrade/accounts", email=EMAIL)[0]["uuid"]
    assert found.lead_source == "Test Offer|testoffer.com|Test Description|a12dd0"
    with pytest.raises(Duplicate):
        world.create(client)


def test_after_a_lost_request_the_look_up_finds_nothing(world: MatchTradeWorld) -> None:
    fault("drop", when="before")(world, "create")
    client = world.client()
    with pytest.raises(Unknown):
        world.create(client)
    assert client.find(EMAIL, budget()) is None


def test_a_list_that_breaks_off_gives_what_it_has_and_goes_on_from_there(world: MatchTradeWorld) -> None:
    world.remote.post("matchtrade/accounts", {"count": 5})
    world.remote.arm("matchtrade", "list", {"kind": "html"}, skip=1)
    pages = world.client().pages(BEGINNING, datetime.now(UTC), budget(), size=2)
    first = next(pages)
    with pytest.raises(Unavailable):
        next(pages)
    rest = world.listed(size=2, first_page=first.number + 1)
    assert len({row.uuid for row in [*first.rows, *rest]}) == 5
