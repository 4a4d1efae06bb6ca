"""The queue's workers and the schedule's tick, as handlers: each message on its own, and back to the queue in time."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from leadbridge.domain.admission import Pause, Wait, WaitReason, wait_for_partner
from leadbridge.domain.delivery import confirm, fail, new_delivery, start_attempt
from leadbridge.domain.events import DeliveryChanged
from leadbridge.runtime import aws
from leadbridge.runtime.aws_errors import Contended
from leadbridge.runtime.batch import MAX_VISIBILITY, process_batch
from leadbridge.runtime.logs import metrics
from leadbridge.services.worker import Outcome, Result
from leadbridge.settings import Settings
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.queries.partner_state import PartnerStates
from leadbridge.storage.table import Table
from quality.testkit.aws.aws_answers import aws_error, canceled
from quality.testkit.fakes.errors import some_error
from quality.testkit.fixtures import TABLE, Context, message, queue
from quality.testkit.people import NOW, lead

HOUR = timedelta(hours=1)


class Queue:
    """Notes when messages shall be seen again."""

    def __init__(self) -> None:
        self.hidden: dict[str, int] = {}

    def change_message_visibility(self, *, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int) -> None:
        self.hidden[ReceiptHandle] = VisibilityTimeout


def test_a_partial_batch_fails_only_its_own_messages() -> None:
    def work(body: Any) -> timedelta | None:
        if body["n"] == 2:
            raise RuntimeError("a defect")
        return {1: None, 3: timedelta(seconds=90.2), 4: timedelta(days=3), 5: timedelta(seconds=-1)}[body["n"]]

    hidden = Queue()
    event = {"Records": [message(number) for number in range(1, 6)]}
    answer = process_batch(event, work, queue=hidden, queue_url="q")  # type: ignore[arg-type]
    assert [failure["itemIdentifier"] for failure in answer["batchItemFailures"]] == ["m2", "m3", "m4", "m5"]
    assert hidden.hidden == {"r3": 91, "r4": MAX_VISIBILITY.total_seconds(), "r5": 0}


def test_a_message_that_fails_is_laid_to_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    def work(_: Any) -> timedelta | None:
        raise RuntimeError("a defect")

    process_batch({"Records": [message(1)]}, work, queue=Queue(), queue_url="q")  # type: ignore[arg-type]
    (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"Faults"' in line]
    assert (line["Faults"], line["version"]) == ([1.0], "$LATEST")


TRANSIENT = [
    Contended(),
    ReadTimeoutError(endpoint_url="https://dynamodb"),
    aws_error("ThrottlingException", "GetItem"),
    aws_error("KMSInternalException", "GetSecretValue"),
    canceled("None", "TransactionConflict"),
]


@pytest.mark.parametrize("error", TRANSIENT, ids=lambda error: type(error).__name__)
def test_a_message_that_meets_a_transient_error_of_aws_is_laid_to_no_version(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(_: Any) -> timedelta | None:
        raise error

    metrics.clear_metrics()
    answer = process_batch({"Records": [message(1)]}, work, queue=Queue(), queue_url="q")  # type: ignore[arg-type]
    assert answer["batchItemFailures"] == [{"itemIdentifier": "m1"}]
    metrics.flush_metrics()
    told = capsys.readouterr().out
    assert '"Faults"' not in told
    assert {"MessagesFailed", "TransientErrors"} <= json.loads(told.splitlines()[-1]).keys()


def test_a_message_that_is_no_json_fails_alone() -> None:
    broken = {**message(1), "body": "nonsense"}
    answer = process_batch({"Records": [broken, message(2)]}, lambda _: None, queue=Queue(), queue_url="q")  # type: ignore[arg-type]
    assert [failure["itemIdentifier"] for failure in answer["batchItemFailures"]] == ["m1"]


def test_submit_lead_visits_the_delivery_that_the_event_names(
    aws_mocked: None,
    shipped_settings: Settings,
    function: Callable[[str], ModuleType],
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = function("submit_lead")
    visited = []

    class Submitter:
        def process(self, lead_id: str, partner: str, budget: Any) -> Result:
            visited.append((lead_id, partner))
            assert 30 < budget.left < 40
            return Result(Outcome.SUBMITTED)

    monkeypatch.setattr(app, "submitter", lambda _: Submitter())
    event = DeliveryChanged.of(None, new_delivery("ld_x", "leadleader", "web", NOW), "leadleader")
    envelope = {"detail-type": "DeliveryChanged", "detail": event.detail()}
    assert app.handler({"Records": [message(1, envelope)]}, context) == {"batchItemFailures": []}
    assert visited == [("ld_x", "leadleader")]


def test_find_due_queues_what_is_due_and_fills_the_queue_no_further(
    store: LeadRepository,
    shipped_settings: Settings,
    function: Callable[[str], ModuleType],
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = queue("check")
    monkeypatch.setenv("QUEUE_URL", url)
    monkeypatch.setenv("MESSAGE_QUEUE_URL", queue("messages"))
    monkeypatch.setenv("FETCH_QUEUE_URL", queue("fetches"))
    monkeypatch.setenv("MAX_QUEUED_CHECKS", "10")
    monkeypatch.setattr("leadbridge.services.find_due.BATCH", 5)
    for number in range(30):
        store.accept(lead(number, received_at=NOW - HOUR + timedelta(seconds=number)), phone_hash=None)
    app = function("find_due")
    assert app.handler({}, context) == {"queued": 3}, "half of the partner's share is for due times"
    got: list[str] = []
    for found in aws.sqs().receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)["Messages"]:
        body = json.loads(found["Body"])
        assert (body["partner"], len(body["lead_ids"])) == ("leadleader", 5)
        got += body["lead_ids"]
    assert sorted(got) == sorted(lead(number).lead_id for number in range(15)), "the longest due first"
    queued = 3
    for _ in range(9):
        if queued < 10:
            queued += app.handler({}, context)["queued"]
    assert queued == 10, "messages in flight take room, too"
    assert app.handler({}, context) == {"queued": 1}, "one message of due times, which may be of lost workers"


@pytest.mark.parametrize(("room", "shares"), [(4, {"leadleader": 1, "matchtrade": 1}), (1, {"leadleader": 1})])
def test_one_partners_backlog_does_not_starve_anothers_sweep(
    store: LeadRepository,
    shipped_settings: Settings,
    function: Callable[[str], ModuleType],
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    room: int,
    shares: dict[str, int],
) -> None:
    url = queue("check")
    monkeypatch.setenv("QUEUE_URL", url)
    monkeypatch.setenv("MESSAGE_QUEUE_URL", queue("messages"))
    monkeypatch.setenv("FETCH_QUEUE_URL", queue("fetches"))
    monkeypatch.setenv("MAX_QUEUED_CHECKS", str(room))
    monkeypatch.setattr("leadbridge.services.find_due.BATCH", 2)
    for number in range(8):
        store.accept(lead(number, received_at=NOW - HOUR), phone_hash=None)
    store.accept(lead(99, received_at=NOW).model_copy(update={"partners": ("matchtrade",)}), phone_hash=None)
    assert function("find_due").handler({}, context) == {"queued": sum(shares.values())}
    messages = aws.sqs().receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert Counter(json.loads(found["Body"])["partner"] for found in messages) == shares


@pytest.mark.parametrize(("waiting", "seconds"), [([], 0), ([90], 90), ([30, 7200, 90], 7200), ([-5], 0)])
def test_find_due_measures_since_when_the_oldest_lead_waits(
    store: LeadRepository,
    shipped_settings: Settings,
    function: Callable[[str], ModuleType],
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    waiting: list[int],
    seconds: int,
) -> None:
    for name in ("QUEUE_URL", "MESSAGE_QUEUE_URL", "FETCH_QUEUE_URL"):
        monkeypatch.setenv(name, queue(name.lower()))
    for number, age in enumerate(waiting):
        store.accept(lead(number, received_at=NOW - timedelta(seconds=age)), phone_hash=None)
    settled = lead(99, received_at=NOW - timedelta(days=9))
    store.accept(settled, phone_hash=None)
    store.apply(fail(new_delivery(settled.lead_id, "leadleader", "web", settled.received_at), NOW, some_error("spent")))
    app = function("find_due")
    monkeypatch.setattr(app, "utc_now", lambda: NOW)
    capsys.readouterr()
    app.handler({}, context)
    measured = [line for line in map(json.loads, capsys.readouterr().out.splitlines()) if "OldestWaiting" in line]
    assert [line["OldestWaiting"] for line in measured] == [[seconds]]


def test_find_due_queues_what_waits_for_a_partner_only_after_it_is_resumed(
    store: LeadRepository,
    shipped_settings: Settings,
    function: Callable[[str], ModuleType],
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("QUEUE_URL", "MESSAGE_QUEUE_URL", "FETCH_QUEUE_URL"):
        monkeypatch.setenv(name, queue(name.lower()))
    store.accept(lead(received_at=NOW), phone_hash=None)
    waiting = store.delivery(lead().lead_id, "leadleader")
    assert waiting is not None
    states = PartnerStates(Table(aws.dynamodb(), TABLE))
    states.pause("leadleader", Pause("no budget", "ann", NOW))
    states.open_circuit("matchtrade", NOW, HOUR, "unreachable")
    store.apply(wait_for_partner(waiting, NOW, Wait(WaitReason.PAUSED)))
    app = function("find_due")
    monkeypatch.setattr(app, "utc_now", lambda: NOW + 2 * HOUR)
    capsys.readouterr()
    assert app.handler({}, context) == {"queued": 0}
    measured = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "PartnersPaused" in line]
    names = ("PartnersPaused", "CircuitsOpen", "OldestWaiting", "OldestDue")
    assert [[line[name] for name in names] for line in measured] == [[[1], [1], [0.0], [0.0]]]
    states.resume("leadleader", NOW + HOUR)
    assert app.handler({}, context) == {"queued": 1}


def test_find_due_finds_nothing_in_an_empty_table(
    store: LeadRepository,
    shipped_settings: Settings,
    function: Callable[[str], ModuleType],
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("QUEUE_URL", queue("check"))
    monkeypatch.setenv("MESSAGE_QUEUE_URL", queue("messages"))
    monkeypatch.setenv("FETCH_QUEUE_URL", queue("fetches"))
    assert function("find_due").handler({}, context) == {"queued": 0}


def test_find_due_queues_the_due_checks_of_followed_deals_and_measures_how_late_they_are(
    store: LeadRepository,
    shipped_settings: Settings,
    function: Callable[[str], ModuleType],
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url = queue("check")
    monkeypatch.setenv("QUEUE_URL", url)
    monkeypatch.setenv("MESSAGE_QUEUE_URL", queue("messages"))
    monkeypatch.setenv("FETCH_QUEUE_URL", queue("fetches"))
    app, monday = function("find_due"), datetime(2026, 3, 2, 8, tzinfo=UTC)  # 10:00 in Kyiv
    now = monday
    monkeypatch.setattr(app, "utc_now", lambda: now)
    assert app.handler({}, context) == {"queued": 0}
    for number in range(3):
        store.accept(lead(number, received_at=monday), phone_hash=None)
        waiting = store.delivery(lead(number).lead_id, "leadleader")
        assert waiting is not None
        started = store.apply(start_attempt(waiting, monday, HOUR))
        store.apply(confirm(started, monday, number + 1, is_followed=True))
    now = monday + timedelta(minutes=29)
    assert app.handler({}, context) == {"queued": 0}
    now = monday + timedelta(minutes=60)
    capsys.readouterr()
    monkeypatch.setenv("MAX_QUEUED_CHECKS", "0")
    app.environment.cache_clear()
    app.handler({}, context)
    (late,) = [line for line in map(json.loads, capsys.readouterr().out.splitlines()) if "OldestDue" in line]
    assert 25 * 60 < late["OldestDue"][0] <= 30 * 60
    monkeypatch.setenv("MAX_QUEUED_CHECKS", "10")
    app.environment.cache_clear()
    assert app.handler({}, context) == {"queued": 1}
    (found,) = aws.sqs().receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    body = json.loads(found["Body"])
    assert (body["partner"], sorted(body["lead_ids"])) == (
        "leadleader",
        sorted(lead(number).lead_id for number in range(3)),
    )
    assert app.handler({}, context) == {"queued": 0}
