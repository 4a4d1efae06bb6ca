"""sync_matchtrade: what it counts and logs of a run, and that it names nobody."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import boto3
import pytest

from leadbridge import aws, errors
from leadbridge.leads.accounts import Accounts
from leadbridge.leads.intake import Intake
from leadbridge.leads.items import keyed_hash
from leadbridge.leads.store import Store
from leadbridge.leads.syncing import Sync
from leadbridge.settings import Settings
from tests.brokers import Broker
from tests.people import NOW, lead
from tests.unit.conftest import TABLE, Context, Time


@pytest.fixture
def broker(time: Time) -> Broker:
    return Broker(time)


@pytest.fixture
def app(
    function: Callable[[str], ModuleType],
    store: Store,
    broker: Broker,
    time: Time,
    shipped_settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> ModuleType:
    """The function, with the broker in memory and moto's table."""
    manager = boto3.client("secretsmanager")
    manager.create_secret(Name="leadbridge/matchtrade", SecretString="{}")
    manager.create_secret(Name="leadbridge/index", SecretString='{"key": "a key"}')
    loaded = function("sync_matchtrade")
    accounts = Accounts(aws.dynamodb(), TABLE, "matchtrade", lambda value: keyed_hash("a key", value))
    intake = Intake("matchtrade", accounts, store, shipped_settings.partners["matchtrade"], time)
    sync = Sync(broker, accounts, intake, loaded.plan(), time, loaded.note)
    monkeypatch.setattr(loaded, "sync", lambda: sync)
    return loaded


def counted(capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], str]:
    """The metrics of the last invocation, and all that was logged."""
    text = capsys.readouterr().out
    lines = [json.loads(line) for line in text.splitlines()]
    (metrics,) = [line for line in lines if "_aws" in line]
    return metrics, text


def test_a_run_is_counted_and_names_nobody(
    app: ModuleType, broker: Broker, store: Store, context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    store.accept(lead(), phone_hash=None)
    broker.add("a-uuid", NOW, email="somebody@example.com", name="Ольга", phone="380501234567")
    context.milliseconds = 240_000
    assert app.handler({}, context) == {"outcome": "whole"}
    metrics, text = counted(capsys)
    assert metrics["AccountsWritten"] == [1.0]
    assert sum(metrics["SyncRows"]) == 3  # each pass has seen it
    assert len(metrics["SyncRows"]) == len(metrics["SyncPages"])
    assert not metrics.keys() & {"AccountsTied", "StatusesChanged", "SyncFailed", "SyncRowsFailed"}
    assert metrics["HistoryProgress"] == [100.0]
    assert metrics["SyncLag"][0] > 0
    for word in ("somebody", "Ольга", "380501234567", "a-uuid"):
        assert word not in text


def test_a_partner_that_refuses_us_rings(
    app: ModuleType, broker: Broker, context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    broker.errors = iter([errors.Misconfigured("matchtrade", "list", "wrong password")])
    context.milliseconds = 240_000
    assert app.handler({}, context) == {"outcome": "failed"}
    metrics, _ = counted(capsys)
    assert (metrics["PartnerMisconfigured"], metrics["SyncFailed"]) == ([1.0], [1.0])


@pytest.mark.filterwarnings("ignore:No application metrics to publish")
def test_a_stack_without_a_broker_is_quiet(
    app: ModuleType, context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    boto3.client("secretsmanager").delete_secret(SecretId="leadbridge/matchtrade", ForceDeleteWithoutRecovery=True)
    assert app.handler({}, context) == {"outcome": "not_set_up"}
    assert "_aws" not in capsys.readouterr().out


def test_a_run_beside_another_is_counted_and_does_nothing(
    app: ModuleType, broker: Broker, time: Time, context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    app.sync().log.take_lease("another", time.now, time.now.replace(hour=23))
    assert app.handler({}, context) == {"outcome": "held"}
    assert counted(capsys)[0]["SyncSkipped"] == [1.0]
    assert broker.asked == []
