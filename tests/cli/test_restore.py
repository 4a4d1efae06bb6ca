"""`leadbridge restore`: what is shown, and what only `--write` changes."""

from datetime import timedelta

import pytest

from leadbridge.domain import delivery as steps
from leadbridge.domain.delivery import State
from leadbridge.runtime import aws
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.table import Table
from leadbridge_cli.cloud import Cloud
from quality.testkit.cli.terminal import LEAD, CommandResult, run
from quality.testkit.fixtures import TABLE
from quality.testkit.people import NOW
from quality.testkit.template import table_definition

COPY = "leadbridge-copy"


@pytest.fixture
def live(store: LeadRepository, monkeypatch: pytest.MonkeyPatch) -> LeadRepository:
    """The stack's table, in which a lead was submitted since the copy."""
    monkeypatch.setattr(Cloud, "output", lambda _self, name: {"TableName": TABLE}[name])
    aws.dynamodb().create_table(**table_definition(COPY))
    for each in (store, LeadRepository(Table(aws.dynamodb(), COPY))):
        assert each.accept(LEAD, phone_hash=None) is None
    delivery = store.delivery(LEAD.lead_id, "leadleader")
    assert delivery is not None
    started = store.apply(steps.start_attempt(delivery, NOW, timedelta(minutes=1)))
    store.apply(steps.confirm(started, NOW, 24, is_followed=False))
    return store


def restore(*arguments: str) -> CommandResult:
    return run("restore", *arguments, "--stack", "leadbridge")


def state(store: LeadRepository) -> State:
    found = store.delivery(LEAD.lead_id, "leadleader")
    assert found is not None
    return found.state


def test_a_lead_is_put_back_when_it_is_to_be_written(live: LeadRepository) -> None:
    shown = restore(COPY, LEAD.lead_id)
    assert (shown.code, state(live)) == (0, State.SUBMITTED)
    assert "Add --write to write." in shown.err
    assert f"LEAD#{LEAD.lead_id} DELIVERY#leadleader: received -> unknown" in shown.out
    written = restore(COPY, LEAD.lead_id, "--write", "--json")
    assert (written.json["counts"]["settled (need a decision)"], written.json["is_written"]) == (1, True)
    assert state(live) is State.UNKNOWN


def test_all_leads_of_the_copy(live: LeadRepository) -> None:
    assert restore(COPY, "--all", "--write").code == 0
    assert state(live) is State.UNKNOWN


@pytest.mark.usefixtures("live")
@pytest.mark.parametrize("arguments", [(COPY,), (COPY, LEAD.lead_id, "--all"), (TABLE, "--all")])
def test_leads_and_another_table_must_be_named(arguments: tuple[str, ...]) -> None:
    assert restore(*arguments).code == 2


@pytest.mark.usefixtures("live")
def test_a_copy_that_does_not_exist_is_a_3() -> None:
    assert "does not have the tables" in restore("no-copy", LEAD.lead_id).failure
