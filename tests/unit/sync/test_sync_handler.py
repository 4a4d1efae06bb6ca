"""sync_accounts: what it counts and logs of a run, and that it names nobody."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import timedelta
from types import ModuleType
from typing import Any

import boto3
import pytest

from leadbridge.domain.accounts.scan import MAX_PAGE_FAILURES
from leadbridge.domain.clock import to_text
from leadbridge.domain.errors import partner_errors
from leadbridge.domain.errors.secret_errors import SecretMissing
from leadbridge.domain.fields.hashes import keyed_hash
from leadbridge.runtime import aws
from leadbridge.runtime.aws_errors import Contended
from leadbridge.runtime.logs import logger
from leadbridge.services.reconcile_accounts import AccountReconciler
from leadbridge.services.sync_accounts import Sync
from leadbridge.services.sync_metrics import record_page, record_progress, record_run
from leadbridge.settings import Settings
from leadbridge.storage.accounts import AccountRepository
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.table import Table
from quality.testkit.aws.aws_answers import aws_error
from quality.testkit.fakes.brokers import Broker
from quality.testkit.fixtures import TABLE, Context, Time, queue
from quality.testkit.lambda_runtime.samples import sample
from quality.testkit.people import NOW, lead


@pytest.fixture
def broker(time: Time) -> Broker:
    return Broker(time)


@pytest.fixture
def app(
    function: Callable[[str], ModuleType],
    store: LeadRepository,
    broker: Broker,
    time: Time,
    shipped_settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> ModuleType:
    """The function, with the broker and AWS in memory."""
    monkeypatch.setenv("QUEUE_URL", queue("sync"))
    manager = boto3.client("secretsmanager")
    manager.create_secret(Name="leadbridge/matchtrade", SecretString="{}")
    manager.create_secret(Name="leadbridge/index", SecretString='{"key": "a key"}')
    loaded = function("sync_accounts")
    accounts = AccountRepository(Table(aws.dynamodb(), TABLE), "matchtrade", lambda value: keyed_hash("a key", value))
    reconciler = AccountReconciler("matchtrade", accounts, store, shipped_settings.partners["matchtrade"], time)
    plan = shipped_settings.partners["matchtrade"].sync
    assert plan is not None
    sync = Sync(broker, accounts, reconciler, plan, time, record_page)
    monkeypatch.setattr(loaded, "sync", lambda _: sync)
    outcome_of, outcomes = loaded.outcome_of, list[str]()
    monkeypatch.setattr(loaded, "outcomes", outcomes, raising=False)
    monkeypatch.setattr(loaded, "outcome_of", lambda *given: outcomes.append(outcome_of(*given)))
    return loaded


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """All that is logged."""
    stream = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", stream)
    return stream


@pytest.fixture(autouse=True)
def long_invocation(context: Context) -> None:
    context.milliseconds = 240_000


def run(app: ModuleType, context: Context) -> str:
    """Process the queued message of the broker. Returns the outcome."""
    assert app.handler(sample("SyncAccounts", "broker"), context) == {"batchItemFailures": []}
    (outcome,) = app.outcomes
    app.outcomes.clear()
    return str(outcome)


def records(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The records of metrics that were written."""
    return [line for line in map(json.loads, capsys.readouterr().out.splitlines()) if "_aws" in line]


def counted(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The metrics of the last invocation."""
    return records(capsys)[-1]


def logged(log: io.StringIO, message: str) -> list[dict[str, Any]]:
    """The log's lines of one message."""
    return [line for line in map(json.loads, log.getvalue().splitlines()) if line["message"] == message]


def test_a_tick_queues_one_sync_of_each_partner_and_runs_none(
    app: ModuleType, broker: Broker, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    partners = [f"broker-{number}" for number in range(12)]  # more than a batch of SQS has
    monkeypatch.setattr(app, "synced", lambda: partners)
    assert app.handler({}, context) == {"queued": 12}
    url, bodies = app.environment().queue_url, []
    while found := aws.sqs().receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        bodies += [json.loads(message["Body"]) for message in found]
    assert sorted(body["partner"] for body in bodies) == sorted(partners)
    assert (broker.asked, app.outcomes) == ([], [])


def test_a_tick_measures_how_far_each_partner_is_behind(
    app: ModuleType, context: Context, time: Time, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(app, context)
    state = app.accounts("matchtrade").state()
    capsys.readouterr()
    record_progress({"broker-a": state, "broker-b": None}, time.now + timedelta(hours=2))
    lag, age, progress = records(capsys)
    assert (lag["partner"], lag["SyncLag"]) == ("broker-a", [7200.0])
    assert (age["partner"], age["HistoryAge"]) == ("broker-a", [7200.0])
    assert (progress["partner"], progress["HistoryProgress"]) == ("broker-a", [100.0])
    for one in (lag, age, progress):
        assert one["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["partner"]]
    monkeypatch.setattr(app, "utc_now", lambda: time.now + timedelta(hours=3))
    app.handler({}, context)
    *_, of_all = records(capsys)
    assert of_all["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"]]
    assert (of_all["SyncLag"][-1], of_all["HistoryAge"][-1]) == (10800.0, 10800.0)


def test_a_tick_without_any_synced_partner_shows_that_the_schedule_runs(
    app: ModuleType, context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    """An alarm triggers if this metric is missing."""
    assert app.handler({}, context) == {"queued": 1}
    (found,) = records(capsys)
    assert (found["SyncLag"], found["HistoryAge"]) == ([0.0], [0.0])


@pytest.mark.parametrize("error", [Contended(), aws_error("ThrottlingException", "GetItem")])
def test_a_transient_error_of_aws_fails_the_tick_and_not_the_function(
    app: ModuleType,
    context: Context,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    def fails(*_: Any) -> None:
        raise error

    monkeypatch.setattr("leadbridge.runtime.queues.send_all", fails)
    assert app.handler({}, context) == {"queued": 0}
    assert counted(capsys)["SyncFailed"] == [1.0]


@pytest.mark.filterwarnings("ignore:No application metrics to publish")
def test_a_message_for_a_partner_that_is_no_longer_synced_is_done(
    app: ModuleType, broker: Broker, context: Context, monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    monkeypatch.setattr(app, "synced", list)
    assert run(app, context) == "not_synced"
    assert broker.asked == []
    assert [line["partner"] for line in logged(log, "the partner has no sync plan")] == ["matchtrade"]


def test_a_run_is_counted_and_logs_no_personal_data(
    app: ModuleType,
    broker: Broker,
    store: LeadRepository,
    context: Context,
    capsys: pytest.CaptureFixture[str],
    log: io.StringIO,
) -> None:
    store.accept(lead(), phone_hash=None)
    broker.add("a-uuid", NOW, email="somebody@example.com", name="Ольга", phone="380501234567")
    assert run(app, context) == "completed"
    metrics = counted(capsys)
    assert metrics["AccountsWritten"] == [1.0]
    assert sum(metrics["SyncRows"]) == 3  # each pass has seen it
    assert len(metrics["SyncRows"]) == len(metrics["SyncPages"])
    assert not metrics.keys() & {"AccountsLinked", "StatusesChanged", "SyncFailed", "SyncRowsFailed"}
    for word in ("somebody", "Ольга", "380501234567", "a-uuid"):
        assert word not in log.getvalue() + json.dumps(metrics, ensure_ascii=False)


def test_a_page_and_a_run_log_their_results(
    app: ModuleType, broker: Broker, time: Time, context: Context, log: io.StringIO
) -> None:
    broker.add("a-uuid", time.now)
    assert run(app, context) == "completed"
    page = logged(log, "page stored")[0]
    assert (page["scan"], page["page"], page["pages"]) == ("incremental", 0, 1)
    assert (page["rows"], page["written"], page["failed"]) == (1, 1, 0)
    assert page["since"] < page["until"]
    (line,) = logged(log, "synced")
    assert (line["partner"], line["outcome"], line.get("reason")) == ("matchtrade", "completed", None)
    assert (line["watermark"], line["history_percent"]) == (to_text(time.now), 100.0)
    assert line.get("full_scan_percent") is None


def test_the_first_syncs_progress_is_distinguished_from_that_of_later_passes(
    app: ModuleType, broker: Broker, time: Time, log: io.StringIO
) -> None:
    for _ in range(2):
        broker.takes = 40.0  # seconds a page: a run reads a few windows of the years
        for _ in range(3):
            record_run(app.sync("matchtrade").run("a run", broker.budget(240)))
            time.pass_(minutes=5)
        broker.takes = 0.0
        app.sync("matchtrade").run("a run", broker.budget(240))
        time.pass_(hours=9)
    lines = logged(log, "synced")
    history, passes = ([line[name] for line in lines] for name in ("history_percent", "full_scan_percent"))
    assert 0 < history[0] < history[1] < history[2] < 100
    assert history[3:] == [100.0] * 3
    assert 0 < passes[3] < passes[4] < passes[5] < 100


def test_a_partner_that_refuses_us_triggers_an_alarm(
    app: ModuleType, broker: Broker, context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    broker.errors = iter([partner_errors.Misconfigured("matchtrade", "list", "wrong password")])
    assert run(app, context) == "failed"
    metrics = counted(capsys)
    assert (metrics["PartnerMisconfigured"], metrics["SyncFailed"]) == ([1.0], [1.0])


def test_a_window_that_was_left_out_is_counted_and_named(
    app: ModuleType, broker: Broker, time: Time, context: Context, capsys: pytest.CaptureFixture[str], log: io.StringIO
) -> None:
    def refuse(_: int) -> None:
        if broker.asked[-1][0].year < 2020:
            raise partner_errors.Unavailable("matchtrade", "list", "the answer holds no accounts (HTTP 500)")

    broker.before_page = refuse
    for _ in range(MAX_PAGE_FAILURES):
        assert logged(log, "window skipped") == []
        assert run(app, context) == "failed"
        time.pass_(minutes=5)
    metrics = counted(capsys)
    assert (metrics["SyncFailed"], metrics["SyncWindowsSkipped"]) == ([1.0], [1.0])
    (line,) = logged(log, "window skipped")
    assert (line["level"], line["scan"], line["since"]) == ("WARNING", "full", "2019-01-01T00:00:00.000Z")


@pytest.mark.filterwarnings("ignore:No application metrics to publish")
@pytest.mark.parametrize("value", [None, "{}", '{"key": 1}'])
def test_without_the_indexs_key_nothing_is_begun(
    app: ModuleType, broker: Broker, context: Context, value: str | None
) -> None:
    """Every account would be taken for nobody's of ours."""
    manager = boto3.client("secretsmanager")
    if value is None:
        manager.delete_secret(SecretId="leadbridge/index", ForceDeleteWithoutRecovery=True)
    else:
        manager.put_secret_value(SecretId="leadbridge/index", SecretString=value)
    with pytest.raises(SecretMissing):
        run(app, context)
    assert broker.asked == []
    assert app.sync("matchtrade").log.state() is None


@pytest.mark.parametrize("error", [Contended(), aws_error("ThrottlingException", "Query")])
def test_a_transient_error_of_aws_fails_the_run_and_not_the_function(
    app: ModuleType,
    context: Context,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    def fails() -> str:
        raise error

    monkeypatch.setattr(app, "index_key", fails)
    assert run(app, context) == "failed"
    assert counted(capsys)["SyncFailed"] == [1.0]


@pytest.mark.filterwarnings("ignore:No application metrics to publish")
def test_a_stack_without_a_broker_is_quiet(
    app: ModuleType, context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    boto3.client("secretsmanager").delete_secret(SecretId="leadbridge/matchtrade", ForceDeleteWithoutRecovery=True)
    assert run(app, context) == "not_set_up"
    assert "_aws" not in capsys.readouterr().out


def test_a_run_beside_another_is_counted_and_does_nothing(
    app: ModuleType, broker: Broker, time: Time, context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    app.sync("matchtrade").log.take_lease("another", time.now, time.now.replace(hour=23))
    assert run(app, context) == "locked"
    assert counted(capsys)["SyncSkipped"] == [1.0]
    assert broker.asked == []
