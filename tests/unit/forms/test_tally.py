"""Tally: choices as text, labels that come twice, and other events."""

from typing import Any

import pytest

from leadbridge.forms.base import Submission, adapter_named
from quality.testkit.forms.posts import read, request, source
from quality.testkit.forms.receiver import Endpoint, proven, sample, with_json

ID = "fd986440-3d5a-4f0b-9b0a-2f1f6f1f8b11"
OPTIONS = [{"id": "1", "text": "А"}, {"id": "2", "text": "Б"}]


def tally(*fields: Any, **data: Any) -> Submission:
    content = {"eventId": "e", "eventType": "FORM_RESPONSE", "data": {**data, "fields": list(fields)}}
    return read("tally", request(content), fields={"Ім'я": "person.full_name"})


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ({"value": "Ольга"}, "Ольга"),
        ({"value": 6000}, "6000"),
        ({"value": True}, "true"),
        ({"value": None}, ""),
        ({"value": ["1"], "options": OPTIONS}, "А"),
        ({"value": ["2", "1"], "options": OPTIONS}, "Б, А"),
        ({"value": "2", "options": OPTIONS}, "Б"),
        ({"value": ["інше"], "options": OPTIONS}, "інше"),
        ({"value": ["1"], "options": "none"}, "1"),
        ({"value": ["1"], "options": [1, {"id": "1"}]}, ""),
        ({"value": ["1", "2"], "options": [{"id": "1"}, {"id": "2", "text": "Б"}]}, "Б"),
        ({"value": [ID]}, ""),
        ({"value": ID, "type": "DROPDOWN"}, ""),
        ({"value": ID, "type": "HIDDEN_FIELDS"}, ID),
        ({"value": [{"id": "f", "url": "https://example.com"}]}, ""),
        ({"value": {"a": 1}}, ""),
        ({}, ""),
    ],
)
def test_an_answer_is_reported_as_text(field: dict[str, Any], text: str) -> None:
    assert tally({"key": "question_1", "label": "Питання", **field}).answers == {"Питання": text}


def test_of_two_questions_of_one_label_the_first_that_was_answered_counts() -> None:
    answers = tally(*({"label": "Ім'я", "value": value} for value in ("", "Ольга", "Інша"))).answers
    assert answers == {"Ім'я": "Ольга"}


def test_the_response_is_named_by_its_own_id_and_else_by_the_event() -> None:
    assert tally(responseId="r", submissionId="s").delivery_id == "r"
    assert tally().delivery_id == "e"


@pytest.mark.parametrize("kind", ["FORM_CLOSED", "", None, 5])
def test_other_events_are_no_leads(kind: Any) -> None:
    assert adapter_named("tally").parse(request({"eventType": kind}), source("tally")) == ()


def test_the_same_response_under_another_event_is_the_same_lead(endpoint: Endpoint) -> None:
    event = sample("tally_lead")
    first = endpoint.take(proven(event))
    again = endpoint.take(proven(with_json(event, eventId="another")))
    assert (again[0], again[1]["lead_id"]) == (200, first[1]["lead_id"])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 400),
        ("nonsense", 400),
        ("{}", 422),
        ('{"data": []}', 422),
        ('{"data": {"fields": {}}}', 422),
        ('{"data": {"fields": [[], 1, {"label": []}]}}', 422),
        ('{"eventType": "FORM_CLOSED"}', 200),
        ('{"data": {}, "data": {}}', 400),
    ],
)
def test_a_broken_post_gets_a_clear_answer(endpoint: Endpoint, body: str, status: int) -> None:
    assert endpoint.take(proven(sample("tally_lead", body=body)))[0] == status


LABEL = "Зайнятість"
QUESTION = {"key": "question_1", "label": LABEL, "type": "CHECKBOXES"}
OTHER_ID = "0c7b9d0e-58a5-4b45-8f43-6d5f6a1b2c3d"


def ticked(option: str, value: Any = True, choice: str = "") -> dict[str, Any]:
    key = f"question_1_{choice}" if choice else "question_1_x"
    return {"key": key, "label": f"{LABEL} ({option})", "type": "CHECKBOXES", "value": value}


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ([{**QUESTION, "value": [ID]}, ticked("вчителька"), ticked("лікар", False)], "вчителька"),
        ([{**QUESTION, "value": [ID]}, ticked("вчителька", True, ID)], "вчителька"),
        ([{**QUESTION, "value": [OTHER_ID, ID]}, ticked("А", True, ID), ticked("Б", True, OTHER_ID)], "Б, А"),
        ([{**QUESTION, "value": [ID, "своє"]}, ticked("А", True, ID)], "А, своє"),
        ([{**QUESTION, "value": [ID]}, ticked("кухар (шеф)")], "кухар (шеф)"),
        ([{**QUESTION, "value": [ID]}, ticked("вчителька", "true")], "вчителька"),
        ([ticked("вчителька"), {**QUESTION, "value": [ID]}], "вчителька"),
        ([{**QUESTION, "value": ["aB3"]}, ticked("вчителька", True, "aB3")], "вчителька"),
        ([{**QUESTION, "value": [ID], "options": [{"id": "x", "text": "А"}]}, ticked("вчителька")], "вчителька"),
        ([{**QUESTION, "value": [ID]}], ""),
        ([{**QUESTION, "type": "MULTIPLE_CHOICE", "value": ID}, ticked("вчителька")], "вчителька"),
    ],
)
def test_the_text_of_a_choice_without_options_is_in_the_expanded_fields(fields: list[Any], text: str) -> None:
    assert tally(*fields).answers[LABEL] == text


def test_brackets_in_the_question_are_part_of_it() -> None:
    question = {**QUESTION, "label": f"{LABEL} (основна)", "value": [ID]}
    option = {**ticked("x"), "label": f"{LABEL} (основна) (кухар (шеф))"}
    assert tally(question, option).answers[f"{LABEL} (основна)"] == "кухар (шеф)"
