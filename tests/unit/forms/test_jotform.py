"""Jotform: answers of one part and of several, and the evidence around them."""

import json
from typing import Any

import pytest

from leadbridge.forms.base import Submission
from quality.testkit.forms.posts import URLENCODED, multipart, read, request
from quality.testkit.forms.receiver import Endpoint, proven, sample


def jotform(raw: Any, **outer: str) -> Submission:
    text = raw if isinstance(raw, str) else json.dumps(raw, ensure_ascii=False)
    return read("jotform", multipart([("rawRequest", text), *outer.items()]), fields={"name": "person.full_name"})


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("Ольга", "Ольга"),
        (12, "12"),
        ({"first": " Ольга ", "last": "Приклад"}, "Ольга Приклад"),
        ({"last": "Приклад", "middle": "Іванівна", "first": "Ольга", "prefix": ""}, "Ольга Іванівна Приклад"),
        ({"full": "(050) 000-00-01"}, "(050) 000-00-01"),
        ({"area": "050", "phone": "0000001"}, "050 0000001"),
        ({"day": "31", "month": "01", "year": "2026"}, "2026-01-31"),
        ({"addr_line1": "Вулиця 1", "city": "Київ", "state": ""}, "Вулиця 1, Київ"),
        (["А", "Б"], "А, Б"),
        ([["А"], {"b": 1}, None, "Б"], "Б"),
        ({}, ""),
        ({"first": {"a": 1}}, ""),
        (None, ""),
    ],
)
def test_an_answer_is_reported_as_text(answer: Any, text: str) -> None:
    assert jotform({"q3_name": answer}).answers["name"] == text


def test_the_parts_of_an_answer_can_be_had_separately() -> None:
    answers = jotform({"q3_name": {"first": "Ольга", "last": "Приклад"}}).answers
    assert (answers["name.first"], answers["name.last"]) == ("Ольга", "Приклад")


def test_what_is_no_question_is_no_answer() -> None:
    raw = {"slug": "submit/1", "event_id": "e", "q_name": "x", "qx_name": "x", "q10_utm_source": "tg", "name": "x"}
    submission = jotform(raw)
    assert submission.answers == {"utm_source": "tg"}
    assert submission.values["utm"] == {"utm_source": "tg"}


@pytest.mark.parametrize(
    ("moment", "given_at"),
    [("1793610844001", "2026-11-02T09:14:04.001+00:00"), (1793610844001, "2026-11-02T09:14:04.001+00:00"), ("x", None)],
)
def test_the_evidence_is_when_where_and_in_which_form(moment: Any, given_at: str | None) -> None:
    submission = jotform({"submitDate": moment}, formTitle="Форма", ip="192.0.2.1", submissionID="6")
    expected = {"form": "Форма", "ip": "192.0.2.1", **({"given_at": given_at} if given_at else {})}
    assert submission.values["consent"] == expected
    assert submission.delivery_id == "6"


def test_an_answer_cannot_take_anothers_id() -> None:
    assert jotform({"submissionID": "1", "q1_submissionID": "2"}, submissionID="6").delivery_id == "6"
    assert jotform({"submissionID": "1"}).delivery_id is None


def post(raw: str) -> dict[str, Any]:
    content_type = "multipart/form-data; boundary=b"
    body = multipart([("submissionID", "1"), ("rawRequest", raw)]).body.decode()
    event = sample("jotform_lead", body=body)
    return {**event, "headers": {**event["headers"], "Content-Type": content_type}}


@pytest.mark.parametrize(
    ("raw", "status"),
    [("", 400), ("[]", 400), ("nonsense", 400), ("{}", 422), ('{"q1_a": 1, "q1_a": 2}', 400), ("[" * 90_000, 400)],
)
def test_broken_answers_get_a_clear_answer(endpoint: Endpoint, raw: str, status: int) -> None:
    assert endpoint.take(proven(post(raw)))[0] == status


@pytest.mark.parametrize("body", ["", "nonsense", "--b", "--b--", "--b\r\n\r\n--b--\r\n"])
def test_a_broken_body_gets_a_clear_answer(endpoint: Endpoint, body: str) -> None:
    event = sample("jotform_lead", body=body)
    for kind in ("multipart/form-data; boundary=b", "multipart/form-data", "multipart/form-data; boundary=\ud800"):
        assert endpoint.take(proven({**event, "headers": {**event["headers"], "Content-Type": kind}}))[0] == 400


def test_a_post_without_raw_request_has_its_answers_as_fields() -> None:
    for raw in ({}, {"rawRequest": ""}, {"rawRequest": "not JSON"}):
        post = request({"submissionID": "5", "q3_telefon": "050", **raw}, URLENCODED)
        submission = read("jotform", post, fields={"telefon": "person.phone"})
        assert (submission.delivery_id, submission.values["person"]) == ("5", {"phone": "050"})


def test_the_parts_of_an_answer_without_raw_request_are_one_text() -> None:
    parts = {"q4_name[first]": "Яна", "q4_name[last]": "Тестенко", "q4_name": "", "submissionID": "5"}
    submission = read("jotform", request(parts, URLENCODED), fields={"name": "person.full_name"})
    assert submission.values["person"] == {"full_name": "Яна Тестенко"}
    assert submission.answers["name.last"] == "Тестенко"
