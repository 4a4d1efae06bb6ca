"""Lead Leader's contract, time: whatever the partner does, a call costs what was granted and no more."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from leadbridge.domain.delivery import State
from leadbridge.domain.errors.partner_errors import PartnerError, Unknown
from leadbridge.services.submit_lead import Submitter
from leadbridge.services.worker import Outcome
from quality.testkit.clients.leadleader import PARTNER, SETTINGS, Clock, Operation, World, budget, lead, short
from quality.testkit.clients.leadleader_faults import WHOLE, Broken, bytes_sent, fault, listening, tls_that_stalls
from quality.testkit.clients.raw_server import CHUNKED, RawServer, never_accepting, with_length
from quality.testkit.fakes.ledgers import Ledger

GRANTED = 0.25  # seconds
MARGIN = 0.6  # seconds that a busy machine may add
PAUSE = 0.1

HEADERS = (b"HTTP/1.1 200 OK\r\n", *[b"X-Header: value\r\n"] * 15)
ONE_LONG_HEADER = (b"HTTP/1.1 200 OK\r\nX-Header: ", *[b"value"] * 15)
CHUNKS = (CHUNKED, *[b"1\r\n \r\n"] * 15)
BODY = (with_length(100), *[b" "] * 15)

HANGING = [
    pytest.param(listening(never_accepting), id="never takes the connection"),
    pytest.param(tls_that_stalls(), id="never ends the TLS handshake"),
    pytest.param(fault("delay", seconds=30), id="is late"),
    pytest.param(bytes_sent(with_length(90), b"{", linger=60), id="stops in the middle"),
    pytest.param(bytes_sent(*HEADERS, pause=PAUSE), id="trickles headers"),
    pytest.param(bytes_sent(*ONE_LONG_HEADER, pause=PAUSE), id="trickles one header"),
    pytest.param(bytes_sent(*CHUNKS, pause=PAUSE), id="trickles chunks"),
    pytest.param(bytes_sent(*BODY, pause=PAUSE), id="trickles its answer"),
]


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds + MARGIN


def called(world: World, operation: Operation, seconds: float, deal_id: int) -> Callable[[], object]:
    """A call of the operation with so much time, everything before it done."""
    client = world.client()
    match operation:
        case "authorize":
            return lambda: client.authorize(budget(seconds))
        case "create":
            authorized = client.authorize(budget())
            return lambda: authorized.create(lead(), budget(seconds))
        case "status":
            authorized = client.authorize(budget())
            return lambda: authorized.status(deal_id, "POST", budget(seconds))


@pytest.mark.parametrize("broken", HANGING)
@pytest.mark.parametrize("operation", ["authorize", "create", "status"])
def test_a_partner_that_hangs_costs_at_most_the_budget(world: World, operation: Operation, broken: Broken) -> None:
    deal_id = world.client().authorize(budget()).create(lead(), budget())
    broken.begin(world, operation)
    call = called(world, operation, GRANTED, deal_id)
    with at_most(GRANTED), pytest.raises(PartnerError):
        call()


@pytest.mark.parametrize("broken", HANGING)
def test_a_partner_that_hangs_costs_at_most_the_timeouts(world: World, broken: Broken) -> None:
    broken.begin(world, "authorize")
    client = world.client(timeouts=short(GRANTED / 2, GRANTED / 2))
    with at_most(GRANTED), pytest.raises(PartnerError):
        client.authorize(budget())


def test_an_answer_given_up_half_way_spoils_no_later_call(world: World) -> None:
    whole = with_length(len(WHOLE)) + WHOLE
    server = world.stack.enter_context(RawServer(CHUNKS, pause=PAUSE, then=whole))
    world.point("create", server.url)
    client = world.client(timeouts=short())
    with pytest.raises(Unknown):
        client.authorize(budget()).create(lead(), budget())
    assert client.authorize(budget()).create(lead(), budget()) == 24


def _submitter(world: World, ledger: Ledger) -> Submitter:
    return Submitter(ledger, world.client(), SETTINGS, Clock(), lambda _delivery, _text: None)


@pytest.mark.parametrize(("operation", "state"), [("authorize", State.RECEIVED), ("create", State.UNKNOWN)])
def test_a_visit_to_a_partner_that_hangs_costs_at_most_its_share(
    world: World, operation: Operation, state: State
) -> None:
    fault("delay", seconds=30).begin(world, operation)
    world.hasty = True
    ledger = Ledger()
    ledger.accept(lead())
    submitter = _submitter(world, ledger)
    granted = submitter.partner.seconds_per_submission
    with at_most(granted):
        submitter.process("ld_1", PARTNER, budget(granted + 0.1))
    delivery = ledger.delivery("ld_1", PARTNER)
    assert delivery is not None
    assert delivery.state is state


def test_a_visit_without_the_time_for_both_calls_makes_none(world: World) -> None:
    ledger = Ledger()
    ledger.accept(lead())
    submitter = _submitter(world, ledger)
    visit = submitter.process("ld_1", PARTNER, budget(submitter.partner.seconds_per_submission - 1))
    assert (visit.outcome, visit.retry_after) == (Outcome.RETRIED, timedelta())
    assert world.remote.calls(PARTNER) == []


def test_a_create_is_not_begun_when_authorizing_has_eaten_the_time_for_it(world: World) -> None:
    """Cutting its timeouts to next to nothing would make a deal that nobody knows of."""
    world.vault.kept = {**world.vault.kept, "password": "yesterday's"}
    world.remote.arm(PARTNER, "authorize", {"kind": "delay", "seconds": 0.4}, times=None)
    world.remote.arm(PARTNER, "create", {"kind": "delay", "seconds": 0.35, "when": "after"}, times=None)
    ledger = Ledger()
    ledger.accept(lead())
    client = world.client(timeouts=short(0.05, 0.5))
    submitter = Submitter(ledger, client, SETTINGS, Clock(), lambda _delivery, _text: None)
    visit = submitter.process("ld_1", PARTNER, budget(client.seconds_per_submission + 0.01))
    assert visit.outcome is Outcome.RETRIED
    assert world.remote.rows("leadleader/deals") == []
