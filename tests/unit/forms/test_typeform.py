"""Typeform: answers of every type, hidden fields, and what names a response."""

from typing import Any

import pytest

from leadbridge.forms.base import Submission, adapter_named
from quality.testkit.forms.posts import read, request, source
from quality.testkit.forms.receiver import Endpoint, proven, sample, with_json


def typeform(**response: Any) -> Submission:
    return read("typeform", request({"event_id": "e", "form_response": response}), fields={"ref": "person.full_name"})


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ({"type": "text", "text": "Ольга"}, "Ольга"),
        ({"type": "email", "email": "a@example.com"}, "a@example.com"),
        ({"type": "phone_number", "phone_number": "+380500000001"}, "+380500000001"),
        ({"type": "number", "number": 6000.5}, "6000.5"),
        ({"type": "boolean", "boolean": True}, "true"),
        ({"type": "date", "date": "2026-01-31"}, "2026-01-31"),
        ({"type": "choice", "choice": {"id": "x", "label": "Так", "ref": "y"}}, "Так"),
        ({"type": "choice", "choice": {"other": "Інше"}}, "Інше"),
        ({"type": "choices", "choices": {"labels": ["А", "Б"], "other": "В"}}, "А, Б, В"),
        ({"type": "choices", "choices": {"labels": "А"}}, "А"),
        ({"type": "text"}, ""),
        ({}, ""),
    ],
)
def test_an_answer_is_reported_as_text(answer: dict[str, Any], text: str) -> None:
    assert typeform(answers=[{**answer, "field": {"id": "f1", "ref": "ref"}}]).answers == {"ref": text}


def test_a_hidden_field_gives_way_to_a_question_of_its_name() -> None:
    submission = typeform(
        hidden={"utm_source": "x", "ref": "hidden"}, answers=[{"type": "text", "text": "a", "field": {"ref": "ref"}}]
    )
    assert submission.values["utm"] == {"utm_source": "x"}
    assert submission.values["person"] == {"full_name": "a"}


def test_the_response_is_named_by_its_token_and_else_by_the_event() -> None:
    assert typeform(token="t").delivery_id == "t"
    assert typeform().delivery_id == "e"


def test_the_evidence_is_when_and_in_which_form() -> None:
    consent = typeform(submitted_at="2026-01-31T10:00:00Z", landed_at="2026-01-31T09:00:00Z", form_id="f")
    assert consent.values["consent"] == {"given_at": "2026-01-31T10:00:00Z", "form": "f"}
    assert typeform(landed_at="2026-01-31T09:00:00Z").values["consent"]["given_at"] == "2026-01-31T09:00:00Z"


def test_an_unfinished_response_is_no_lead() -> None:
    post = request({"event_type": "form_response_partial", "form_response": {"token": "t"}})
    assert adapter_named("typeform").parse(post, source("typeform")) == ()


def test_the_same_response_under_another_event_is_the_same_lead(endpoint: Endpoint) -> None:
    event = sample("typeform_lead")
    first = endpoint.take(proven(event))
    again = endpoint.take(proven(with_json(event, event_id="another")))
    assert (again[0], again[1]["lead_id"]) == (200, first[1]["lead_id"])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 400),
        ("nonsense", 400),
        ("[]", 400),
        ("{}", 422),
        ('{"form_response": []}', 422),
        ('{"form_response": {"answers": {}, "hidden": [], "token": {"a": 1}, "definition": 5}}', 422),
        ('{"form_response": {"answers": [1, null, {"field": 3}]}}', 422),
        ('{"event_type": 5, "form_response": {}}', 200),
        ('{"form_response": {}, "form_response": {}}', 400),
        ('{"form_response": NaN}', 400),
        ("[" * 100_000, 400),
    ],
)
def test_a_broken_post_gets_a_clear_answer(endpoint: Endpoint, body: str, status: int) -> None:
    assert endpoint.take(proven(sample("typeform_lead", body=body)))[0] == status


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ({"key": "price", "type": "number", "number": 6000}, "6000"),
        ({"key": "price", "type": "text", "text": "дорого"}, "дорого"),
        ({"key": "price", "type": "text", "number": 5}, ""),
        ({"key": "price"}, ""),
    ],
)
def test_a_calculated_variable_has_its_key_as_its_name(variable: dict[str, Any], text: str) -> None:
    assert typeform(variables=[variable, None, 5]).answers["variables.price"] == text


def test_the_calculated_score_can_be_mapped() -> None:
    response = {"calculated": {"score": 9}, "variables": [{"key": "price", "type": "number", "number": 6000}]}
    fields = {"variables.price": "loan.amount", "calculated.score": "loan.term"}
    submission = read("typeform", request({"form_response": response}), fields=fields)
    assert submission.values["loan"] == {"amount": "6000", "term": "9"}
