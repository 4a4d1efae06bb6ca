"""Operators see a lead's postbacks, send one again, and redrive those that failed."""

import json
from collections.abc import Callable
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest

from leadbridge.domain.clock import utc_now
from leadbridge.domain.feedback import postback as steps
from leadbridge.domain.feedback.states import PostbackState
from leadbridge.runtime import aws
from leadbridge.services.dead_letters.bodies import failed_postback
from leadbridge.settings import Settings
from leadbridge.storage.erasure.eraser import Eraser
from leadbridge.storage.table import Table
from quality.testkit.fakes.errors import some_error
from quality.testkit.fixtures import TABLE, Context, queue
from quality.testkit.services.feedback import LEAD, World, world

__all__ = ["world"]

LEAD_PATH, RESEND = "/leads/{lead_id}", "/leads/{lead_id}/feedback/{event_id}/resend"
Ask = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def ask(
    world: World,
    shipped_settings: Settings,
    function: Callable[[str], ModuleType],
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
) -> Ask:
    monkeypatch.setenv("DEAD_LETTER_QUEUES", json.dumps({"feedback": queue("dead-feedback")}))
    monkeypatch.setenv("QUEUES", json.dumps({"feedback": queue("feedback")}))
    monkeypatch.setattr("leadbridge.services.dead_letters.queues.VISIBILITY_SECONDS", 0)
    app = function("manage_leads")

    def send(method: str, resource: str, body: object = None, **place: str) -> tuple[int, dict[str, Any]]:
        event = {
            "httpMethod": method,
            "resource": resource,
            "pathParameters": {"lead_id": LEAD.lead_id, **place},
            "requestContext": {"authorizer": {"operator": "olena"}},
            "body": None if body is None else json.dumps(body),
        }
        response = app.handler(event, context)
        return response["statusCode"], json.loads(response["body"])

    return send


def fail_first(world: World) -> str:
    """The first postback failed; its event id."""
    world.submit()
    (postback,) = world.all()
    world.postbacks.apply(steps.fail(postback, world.time(), some_error("the tracker is gone")))
    return postback.event_id


def test_a_lead_shows_its_postbacks(ask: Ask, world: World) -> None:
    event_id = fail_first(world)
    world.outcome("issued")
    status, shown = ask("GET", LEAD_PATH)
    assert status == 200
    first, second = shown["feedback"]
    assert (first["event_id"], first["tracker"], first["event"], first["status"]) == (
        event_id,
        "tracker",
        "submitted",
        "lead",
    )
    assert (first["state"], first["last_error"]) == ("failed", "the tracker is gone")
    assert (second["state"], second["payout"], second["attempts"]) == ("pending", "25.5", 0)


def test_a_failed_postback_is_sent_again(ask: Ask, world: World) -> None:
    event_id = fail_first(world)
    assert ask("POST", RESEND, event_id=event_id)[1]["state"] == "pending"
    assert ask("POST", RESEND, event_id=event_id)[0] == 409  # it is being sent
    assert ask("POST", RESEND, event_id="evt_" + "0" * 32)[0] == 404
    assert ask("POST", RESEND, event_id="nonsense")[0] == 404
    assert ("postback_resend_requested", "olena") in [(what, data.get("operator")) for what, data in world.timeline]


def test_what_the_tracker_accepted_needs_a_confirmation(ask: Ask, world: World) -> None:
    world.submit()
    world.settle()
    event_id = world.all()[0].event_id
    assert ask("POST", RESEND, event_id=event_id)[0] == 409
    assert ask("POST", RESEND, {"confirm": "yes"}, event_id=event_id)[0] == 422
    assert ask("POST", RESEND, {"confirm": True}, event_id=event_id)[0] == 202


def test_a_postback_of_an_erased_person_is_not_sent_again(ask: Ask, world: World) -> None:
    event_id = fail_first(world)
    Eraser(Table(aws.dynamodb(), TABLE)).erase(LEAD.lead_id, "anna", world.time())
    assert ask("POST", RESEND, {"confirm": True}, event_id=event_id)[0] == 409


def redrive(ask: Ask) -> tuple[int, list[str], list[str]]:
    status, body = ask("POST", "/dead-letters/{queue}/redrive", queue="feedback")
    assert status == 200
    return body["redriven"], [one["code"] for one in body["kept"]], [one["code"] for one in body["obsolete"]]


def listed(ask: Ask) -> int:
    status, body = ask("GET", "/dead-letters")
    assert status == 200
    return len(body["dead_letters"])


def dead_letter(world: World, number: int = 0) -> None:
    body = failed_postback(world.all()[number], some_error("the tracker is gone"))
    aws.sqs().send_message(QueueUrl=queue("dead-feedback"), MessageBody=json.dumps(body))


def test_a_dead_letter_of_a_postback_is_redriven(ask: Ask, world: World) -> None:
    world.submit()
    dead_letter(world)
    assert redrive(ask) == (0, ["in_progress"], [])
    world.postbacks.apply(steps.fail(world.all()[0], world.time(), some_error("the tracker is gone")))
    assert redrive(ask) == (1, [], [])
    assert world.states() == [("submitted", PostbackState.PENDING)]
    world.settle()
    dead_letter(world)
    assert redrive(ask) == (0, [], ["state_changed"])


def test_a_redrive_does_not_send_an_older_postback_after_a_newer_one(ask: Ask, world: World) -> None:
    fail_first(world)
    world.outcome("issued")
    world.settle()
    dead_letter(world)
    assert redrive(ask) == (0, [], ["superseded"])
    assert world.states() == [("submitted", PostbackState.SKIPPED), ("issued", PostbackState.ACCEPTED)]
    assert world.all()[0].last_error_code == "superseded"
    assert [data["operator"] for what, data in world.timeline if what == "postback_skipped"] == ["olena"]


def test_a_failed_postback_keeps_one_dead_letter_whatever_the_clocks_say(ask: Ask, world: World) -> None:
    fail_first(world)
    dead_letter(world)
    ahead = utc_now() + timedelta(hours=1)  # of the queue's clock
    (failed,) = world.all()
    again = world.postbacks.apply(steps.resend_by_operator(failed, ahead, "olena", [], is_confirmed=False))
    dead_letter(world)
    assert listed(ask) == 0, "it is sent again, and needs no one"
    world.postbacks.apply(steps.fail(again, ahead, some_error("the tracker is gone")))
    assert listed(ask) == 1
    assert redrive(ask) == (1, [], [])


def test_an_event_that_no_worker_could_process_returns_to_the_queue(ask: Ask, world: World) -> None:
    from leadbridge.domain.feedback.events import PostbackChanged

    world.submit()
    event = {"detail-type": "PostbackChanged", "detail": PostbackChanged.of(world.all()[0]).detail()}
    aws.sqs().send_message(QueueUrl=queue("dead-feedback"), MessageBody=json.dumps(event))
    assert redrive(ask) == (1, [], [])
    (message,) = aws.sqs().receive_message(QueueUrl=queue("feedback"))["Messages"]
    assert json.loads(message["Body"]) == event
