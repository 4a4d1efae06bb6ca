"""Test posts of the builders: recognized by a mark or by their published values, and never a lead."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadbridge.forms.adapters import meta
from leadbridge.forms.adapters.typeform import DUMMIES
from quality.testkit.forms.posts import URLENCODED, read, request, source
from quality.testkit.forms.receiver import Endpoint, proven, sample, with_json


def answer(kind: str, value: Any) -> dict[str, Any]:
    return {"type": kind, kind: value, "field": {"id": f"id-{kind}", "ref": kind}}


def typeform(*answers: dict[str, Any], **more: Any) -> bool:
    return read("typeform", request({"form_response": {"token": "t", "answers": list(answers), **more}})).is_test


DUMMY_ANSWERS = [answer(kind, value) for kind, value in DUMMIES.items()]
CHOICE = {"type": "choice", "choice": {"label": "Так"}, "field": {"ref": "c"}}


@pytest.mark.parametrize(
    "answers",
    [
        DUMMY_ANSWERS,
        [*DUMMY_ANSWERS, CHOICE, answer("number", 42), answer("date", "2026-01-31"), answer("boolean", True)],
        *([one] for one in DUMMY_ANSWERS),
        [answer("text", DUMMIES["text"])] * 3,
    ],
)
def test_typeforms_test_request_is_recognized(answers: list[dict[str, Any]]) -> None:
    assert typeform(*answers, hidden={"utm_source": "hidden_value"}, variables=[{"key": "score", "number": 0}])


@given(st.sampled_from(sorted(DUMMIES)), st.text(min_size=1))
def test_one_answer_of_a_persons_own_makes_it_a_lead(kind: str, text: str) -> None:
    own = answer(kind, text if text != DUMMIES[kind] else "x")
    assert not typeform(*DUMMY_ANSWERS, own)
    assert not typeform(own)


def test_a_form_of_choices_alone_is_no_test() -> None:
    assert not typeform(CHOICE, answer("number", 6000))
    assert not typeform()


def test_a_typeform_test_is_answered_as_one_and_not_stored(endpoint: Endpoint) -> None:
    event = sample("typeform_lead")
    answers = [answer("text", DUMMIES["text"]), answer("email", DUMMIES["email"])]
    response = {"form_id": "f", "token": "t", "answers": answers}
    assert endpoint.take(proven(with_json(event, form_response=response))) == (200, {"status": "test"})
    assert not endpoint.store.leads


@pytest.mark.parametrize(
    ("mark", "is_test"),
    [
        ({"is_test": True}, True),
        ({"is_test": "true"}, True),
        ({"is_test": False}, False),
        ({"lead_id": "TeSter-123-ABCDEFGHIJKLMNOPQRSTUVWXYZ"}, True),
        ({"lead_id": "TESTER"}, False),
    ],
)
def test_googles_test_has_a_mark_or_the_published_id(mark: dict[str, Any], is_test: bool) -> None:
    columns = [{"column_id": "FULL_NAME", "string_value": "FirstName LastName"}]
    assert read("google_ads", request({"lead_id": "1", "user_column_data": columns, **mark})).is_test is is_test


@pytest.mark.parametrize(
    ("fields", "is_test"),
    [
        ({"test": "test"}, True),
        ({"test": "TEST", "formid": "form1", "formname": ""}, True),
        ({"test": "test", "Phone": ""}, True),
        ({"test": "test", "Phone": "050"}, False),
        ({"Name": "test"}, False),
    ],
)
def test_tildas_test_is_the_one_field(fields: dict[str, str], is_test: bool) -> None:
    assert read("tilda", request(fields, URLENCODED)).is_test is is_test


@pytest.mark.parametrize(
    ("answers", "is_test"),
    [
        ({"full_name": "<test lead: dummy data for full_name>"}, True),
        ({"email": "test@fb.com", "full_name": "Анна"}, True),
        ({"ваше_питання": "<Test lead: dummy data for ваше_питання>"}, True),
        ({"full_name": "Анна Тестенко", "email": "anna@example.com"}, False),
    ],
)
def test_metas_test_lead_has_published_values(answers: dict[str, str], is_test: bool) -> None:
    data = [{"name": name, "values": [value]} for name, value in answers.items()]
    assert meta.read({"field_data": data}, {"leadgen_id": "1"}, source("meta")).is_test is is_test


BOXES = [{"checkbox_key": "optional_1", "is_checked": "1"}, {"checkbox_key": "marketing", "is_checked": ""}]


def test_metas_consent_boxes_are_evidence() -> None:
    lead = {"field_data": [], "custom_disclaimer_responses": BOXES, "created_time": "2026-01-31T10:00:00+0000"}
    submission = meta.read(lead, {}, source("meta"))
    assert submission.values["consent"]["text"] == "disclaimer.optional_1: yes; disclaimer.marketing: no"
    assert submission.answers == {"disclaimer.optional_1": "yes", "disclaimer.marketing": "no"}
    named = meta.read(lead, {}, source("meta", fields={"disclaimer.optional_1": "consent.text"}))
    assert named.values["consent"]["text"] == "disclaimer.optional_1"


@pytest.mark.parametrize("boxes", [None, {}, "x", [None, 1, {}, {"checkbox_key": 5}, {"is_checked": "1"}], []])
def test_boxes_that_are_not_as_documented_are_omitted(boxes: Any) -> None:
    submission = meta.read({"field_data": [], "custom_disclaimer_responses": boxes}, {}, source("meta"))
    assert submission.values["consent"] == {}
    assert submission.answers == {}


@given(
    st.lists(st.fixed_dictionaries({"checkbox_key": st.text(), "is_checked": st.sampled_from(["1", "", None, True])}))
)
def test_the_number_of_boxes_is_bounded(boxes: list[dict[str, Any]]) -> None:
    lead = {"field_data": [], "custom_disclaimer_responses": boxes * 10}
    assert len(meta.read(lead, {}, source("meta")).answers) <= meta.MAX_DISCLAIMERS
