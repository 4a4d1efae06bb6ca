"""The generated diagrams show all events and queues of the template, and every transition between states."""

import re

import pytest

from leadbridge.domain.delivery import State
from leadbridge.domain.fetch import FetchState
from leadbridge.domain.message import MessageState
from quality.testkit.template import ROOT, resources
from tools.diagrams import PAGE, PICTURES, PLACE, drawn

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
    assert [name for name in resources(kind) if name not in SHOWN and "DeadLetter" not in name] == []


def test_every_schedule_is_shown() -> None:
    events = [
        event["Properties"]["ScheduleExpression"]
        for function in resources("AWS::Serverless::Function").values()
        for event in function["Properties"].get("Events", {}).values()
        if event["Type"] == "ScheduleV2"
    ]
    assert len(events) == len(re.findall(r'\(\["every \w+(?: \w+)?"\]\) --> ', SHOWN)) > 2


def test_a_functions_box_is_named_by_its_folder() -> None:
    boxes = re.findall(r"^  [A-Z]\w+\[(\w+)\]$", PICTURES["overview"](), re.MULTILINE)
    assert len(boxes) == len(resources("AWS::Serverless::Function"))
    assert [name for name in boxes if not (ROOT / "functions" / name).is_dir()] == []


@pytest.mark.parametrize(("picture", "kind"), [("delivery", State), ("message", MessageState), ("fetch", FetchState)])
def test_every_state_is_shown(picture: str, kind: type[State] | type[MessageState] | type[FetchState]) -> None:
    words = re.findall(r"\w+", PICTURES[picture]())
    assert [state for state in kind if state.value not in words] == []
