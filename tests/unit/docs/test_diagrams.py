"""The generated diagrams show all events and queues of the template, and every transition between states."""

import re

import pytest

from leadbridge.domain.delivery import State
from leadbridge.domain.fetch import FetchState
from leadbridge.domain.message import MessageState
from quality.testkit.template import ROOT, resources
from tools.diagrams import PAGE, PICTURES, PLACE, application, drawn

SHOWN = "\n".join(draw() for draw in PICTURES.values())
MOVED_OR_KEPT = (
    *("AWS::Serverless::Function", "AWS::SQS::Queue", "AWS::Events::Rule"),
    *("AWS::DynamoDB::Table", "AWS::Events::EventBus"),
)


def test_the_page_shows_what_would_be_drawn_now() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == drawn(page), "make diagrams"
    assert sorted(place[1] for place in PLACE.finditer(page)) == sorted(PICTURES)


@pytest.mark.parametrize("kind", MOVED_OR_KEPT)
def test_whatever_moves_or_keeps_leads_is_shown(kind: str) -> None:
    assert resources(kind)
    assert [name for name in resources(kind) if name not in SHOWN] == []


def test_every_route_and_every_schedule_is_shown() -> None:
    events = [
        event
        for function in resources("AWS::Serverless::Function").values()
        for event in function["Properties"].get("Events", {}).values()
    ]
    routes = [event["Properties"] for event in events if event["Type"] == "Api"]
    assert [route for route in routes if f"`{route['Method']} {route['Path']}`" not in SHOWN] == []
    schedules = [event for event in events if event["Type"] == "ScheduleV2"]
    assert len([one for one in application().functions if one.every]) == len(schedules)
    assert SHOWN.count("schedule, every ") == len(schedules)


def test_a_functions_box_is_named_by_its_folder() -> None:
    assert [one.flow for one in application().functions if not (ROOT / "functions" / one.flow).is_dir()] == []


@pytest.mark.parametrize(("picture", "kind"), [("delivery", State), ("message", MessageState), ("fetch", FetchState)])
def test_every_state_is_shown(picture: str, kind: type[State] | type[MessageState] | type[FetchState]) -> None:
    words = re.findall(r"\w+", PICTURES[picture]())
    assert [state for state in kind if state.value not in words] == []
