"""A delivery to the broker, whatever goes wrong with a token, a create or a look-up: one account, and it is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from devstack.sandbox.server import Sandbox
from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.services import submit_lead
from leadbridge.services.worker import Outcome, Result
from leadbridge.settings import Partner as PartnerSettings
from leadbridge.settings import Settings
from quality.testkit.clients.matchtrade import (
    EMAIL,
    PARTNER,
    Broken,
    Clock,
    MatchTradeWorld,
    Operation,
    budget,
    fault,
    lead,
    matchtrade_world,
)
from quality.testkit.clients.matchtrade_faults import MATRIX
from quality.testkit.fakes.ledgers import Ledger
from quality.testkit.template import ROOT
from tools.config import read_toml

SETTINGS = Settings.model_validate(read_toml(ROOT / "config", "prod")).partners[PARTNER]
SECOND = timedelta(seconds=1)
HASTY = SETTINGS.model_copy(
    update={
        "retry": SETTINGS.retry.model_copy(
            update={"first_delay": SECOND, "longest_delay": SECOND, "give_up_after": 3 * SECOND}
        )
    }
)
OPEN = {State.RECEIVED, State.SUBMITTING}
CASES = [
    pytest.param(operation, broken, id=f"{operation}: the partner {name}")
    for name, broken, meanings in MATRIX
    for operation, meaning in zip(("token", "create"), meanings, strict=False)
    if meaning is not None or operation == "create"
]


@dataclass
class Flow:
    """One lead on its way, with all of the flow that is not AWS."""

    world: MatchTradeWorld
    settings: PartnerSettings = HASTY
    ledger: Ledger = field(default_factory=Ledger)
    clock: Clock = field(default_factory=Clock)
    dead_letters: list[ErrorCode] = field(default_factory=list)

    @property
    def delivery(self) -> Delivery:
        delivery = self.ledger.delivery("ld_1", PARTNER)
        assert delivery is not None
        return delivery

    def visit(self) -> Result:
        client = self.world.client()
        submitter = submit_lead.Submitter(
            self.ledger,
            client,
            self.settings,
            self.clock,
            lambda delivery, error: self.dead_letters.append(error.code),
            accounts=client,
            jitter=lambda: 1.0,
        )
        return submitter.process("ld_1", PARTNER, budget(300))

    def visit_to_the_end(self) -> None:
        for _ in range(20):
            visit = self.visit()
            if visit.retry_after is None:
                break
            self.clock.now += visit.retry_after
        else:
            pytest.fail("it comes again for ever")
        assert self.visit().outcome is Outcome.NO_ACTION

    def assert_the_books_agree(self) -> None:
        """At most one account; what is submitted has one, and knows it if the partner told."""
        accounts = self.world.remote.rows("matchtrade/accounts", email=EMAIL)
        assert len(accounts) <= 1
        assert self.delivery.state not in OPEN
        if self.delivery.state is State.SUBMITTED and self.delivery.account_uuid is not None:
            assert [account["uuid"] for account in accounts] == [self.delivery.account_uuid]
        if accounts:
            assert self.delivery.state in {State.SUBMITTED, State.UNKNOWN}


@pytest.fixture
def flow(sandbox: Sandbox) -> Iterator[Flow]:
    with matchtrade_world(sandbox) as world:
        flow = Flow(world)
        flow.ledger.accept(lead())
        yield flow


@pytest.mark.parametrize(("operation", "broken"), CASES)
def test_a_fault_that_passes_leaves_one_account_that_is_known(flow: Flow, operation: Operation, broken: Broken) -> None:
    broken(flow.world, operation)
    first = flow.visit()
    flow.world.repair()
    if first.retry_after is not None:
        flow.clock.now += first.retry_after
        flow.visit_to_the_end()
        assert flow.delivery.state is State.SUBMITTED, flow.delivery.last_error
        assert len(flow.world.remote.rows("matchtrade/accounts", email=EMAIL)) == 1
    flow.assert_the_books_agree()


@pytest.mark.parametrize(("operation", "broken"), CASES)
def test_a_delivery_comes_to_an_end_even_if_the_fault_never_passes(
    flow: Flow, operation: Operation, broken: Broken
) -> None:
    broken(flow.world, operation)
    flow.visit_to_the_end()
    flow.assert_the_books_agree()
    if flow.delivery.is_uncertain:
        assert flow.delivery.state is not State.FAILED, "what may have arrived is not called failed"


def test_a_lost_reply_while_the_list_is_down_too_is_unknown_in_the_end(flow: Flow) -> None:
    fault("drop", when="after")(flow.world, "create")
    fault("drop", when="before")(flow.world, "list")
    flow.visit_to_the_end()
    assert (flow.delivery.state, flow.dead_letters) == (State.UNKNOWN, [])
    assert len(flow.world.calls("create")) == 1


def test_an_account_that_the_broker_had_already_is_a_duplicate(flow: Flow) -> None:
    flow.world.create()
    flow.visit_to_the_end()
    assert flow.delivery.state is State.DUPLICATE
    assert len(flow.world.remote.rows("matchtrade/accounts", email=EMAIL)) == 1


def test_an_account_without_a_uuid_in_the_reply_is_accepted(flow: Flow) -> None:
    flow.world.remote.post("matchtrade/broker", {"create_uuid": False})
    flow.visit_to_the_end()
    assert (flow.delivery.state, flow.delivery.account_uuid) == (State.SUBMITTED, None)
