"""The function that sends postbacks, what announces and sweeps them, and that every flow writes them."""

import ast
import json
from collections.abc import Callable
from datetime import timedelta
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest

from leadbridge.domain.feedback.events import PostbackChanged
from leadbridge.domain.feedback.states import PostbackState
from leadbridge.runtime import aws
from leadbridge.services.find_due import DueQueue, postback_body
from leadbridge.settings import Settings
from leadbridge.storage import items
from leadbridge.storage.feedback.postbacks import DUE_PARTITION, PREFIX, postback_item
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.stream import event_of
from quality.testkit.fixtures import Context, queue
from quality.testkit.people import NOW
from quality.testkit.services.feedback import FEEDBACK, LEAD, World, world
from quality.testkit.template import ROOT, template

__all__ = ["world"]

# The functions with a repository of leads that never changes a state or an outcome.
READERS = {"receive_lead", "send_message", "send_feedback"}


@pytest.fixture
def app(
    world: World,
    shipped_settings: Settings,
    function: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
) -> ModuleType:
    monkeypatch.setenv("QUEUE_URL", queue("feedback"))
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", queue("dead-feedback"))
    module = function("send_feedback")
    monkeypatch.setattr(module, "sender", world.sender)
    return module


def json_values(found: Any, name: str) -> list[dict[str, Any]]:
    """All objects with a member of this name."""
    if isinstance(found, dict):
        own = [found] if name in found else []
        return own + [one for value in found.values() for one in json_values(value, name)]
    return [one for value in found for one in json_values(value, name)] if isinstance(found, list) else []


def record(body: object) -> dict[str, Any]:
    return {"Records": [{"messageId": "1", "receiptHandle": "handle", "body": json.dumps(body)}]}


def test_an_event_of_the_bus_is_sent(app: ModuleType, world: World, context: Context) -> None:
    world.submit()
    (postback,) = world.all()
    image = items.encode(postback_item(postback))
    announced = event_of({"eventName": "INSERT", "dynamodb": {"NewImage": image}}, lambda _: None)
    assert announced == PostbackChanged.of(postback)
    envelope = {"source": "leadbridge", "detail-type": "PostbackChanged", "detail": announced.detail()}
    assert app.handler(record(envelope), context) == {"batchItemFailures": []}
    assert world.states() == [("submitted", PostbackState.ACCEPTED)]
    assert app.handler(record(envelope), context) == {"batchItemFailures": []}
    assert len(world.tracker.received) == 1


def test_what_is_overdue_is_sent(app: ModuleType, world: World, context: Context) -> None:
    world.submit()
    world.time.pass_(hours=1)
    (due,) = world.store.due(DUE_PARTITION, world.time(), 10)
    assert app.handler(record(postback_body(due)), context) == {"batchItemFailures": []}
    assert world.states() == [("submitted", PostbackState.ACCEPTED)]
    assert list(world.store.due(DUE_PARTITION, world.time() + timedelta(days=1), 10)) == []


@pytest.mark.parametrize(("trackers", "minute", "is_swept"), [(1, 7, True), (0, 7, False), (0, 10, True)])
def test_postbacks_of_a_removed_tracker_are_still_swept(
    trackers: int,
    minute: int,
    is_swept: bool,
    store: LeadRepository,
    shipped_settings: Settings,
    function: Callable[[str], ModuleType],
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("QUEUE_URL", "MESSAGE_QUEUE_URL", "FETCH_QUEUE_URL", "FEEDBACK_QUEUE_URL"):
        monkeypatch.setenv(name, queue(name.lower().replace("_", "-")))
    monkeypatch.setenv("MAX_QUEUED", "10")
    monkeypatch.setenv("MAX_QUEUED_CHECKS", "10")
    app = function("find_due")
    swept: list[str] = []

    def fill(due: DueQueue, *_: object) -> int:
        swept.append(due.partition)
        return 0

    monkeypatch.setattr(app, "fill", fill)
    monkeypatch.setattr(app, "utc_now", lambda: NOW.replace(minute=minute))
    with patch.object(Settings, "feedback", FEEDBACK if trackers else {}):
        app.handler({}, context)
    assert (DUE_PARTITION in swept) is is_swept


def test_what_must_wait_returns_to_the_queue(app: ModuleType, world: World, context: Context) -> None:
    world.submit()
    world.outcome("issued")
    changed = PostbackChanged.of(world.all()[1])
    envelope = {"detail-type": "PostbackChanged", "detail": changed.detail()}
    with patch.object(aws.sqs(), "change_message_visibility") as hidden:
        assert app.handler(record(envelope), context) == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert hidden.call_args.kwargs["VisibilityTimeout"] == 2


def test_a_message_of_another_kind_is_not_taken(app: ModuleType, context: Context) -> None:
    bodies: tuple[object, ...] = (
        {"detail-type": "MessageChanged", "detail": {}},
        {"detail-type": "PostbackChanged", "detail": {}},
        [],
    )
    for body in bodies:
        assert app.handler(record(body), context)["batchItemFailures"]


def test_every_function_that_changes_deliveries_writes_postbacks() -> None:
    """Each gives the configuration of the trackers to its repository of leads."""
    for file in sorted((ROOT / "functions").glob("*/app.py")):
        calls = [node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
        repositories = [one for one in calls if isinstance(one.func, ast.Name) and one.func.id == "LeadRepository"]
        for one in repositories:
            assert (len(one.args) == 2) is (file.parent.name not in READERS), file.parent.name


def test_a_stack_without_trackers_publishes_changes_without_their_modules() -> None:
    for file in ("functions/publish_changes/app.py", "layers/leadbridge/leadbridge/storage/stream.py"):
        imports = [one for one in ast.parse((ROOT / file).read_text()).body if isinstance(one, ast.ImportFrom)]
        assert [one.module for one in imports if "feedback" in str(one.module)] == [], file


def test_the_stream_passes_on_what_waits_to_be_sent() -> None:
    """The filter of the stream has the prefix of postbacks, and their first state."""
    mapping = template()["Resources"]["PublishChanges"]["Properties"]["Events"]
    patterns = [json.loads(one["Pattern"]) for one in json_values(mapping, "Pattern")]
    keys = [one["dynamodb"]["Keys"]["sk"]["S"] for one in patterns if "MODIFY" in one["eventName"]]
    assert any({"prefix": PREFIX} in key for key in keys)


def test_the_operators_api_writes_postbacks(shipped_settings: Settings, aws_mocked: None) -> None:
    from leadbridge.api.resources import Environment, Resources

    variables = dict.fromkeys(Environment.names(), "{}") | {"SECRETS_PREFIX": "x", "LEADBRIDGE_ENVIRONMENT": "prod"}
    with patch.object(Settings, "feedback", {LEAD.source: {}}):
        assert Resources(Environment(variables)).leads._feedback == {LEAD.source: {}}
