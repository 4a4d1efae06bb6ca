"""Google Ads: columns by id and by name, and fields that nobody knows yet."""

import json
from typing import Any

import pytest

from leadbridge.forms.base import Submission
from quality.testkit.forms.posts import read, request
from quality.testkit.forms.receiver import Endpoint, proven, sample, with_json


def google(**content: Any) -> Submission:
    return read("google_ads", request(content), fields={"FULL_NAME": "person.full_name"})


def test_a_column_is_known_by_its_configured_name_or_else_by_its_id() -> None:
    columns = [
        {"column_id": "FULL_NAME", "column_name": "Ім'я", "string_value": "Ольга"},
        {"column_name": "Ваш ІПН?", "string_value": "1", "new_member": {"a": []}},
        {"string_value": "нічия"},
        {"column_id": 5},
        "rubbish",
        None,
    ]
    submission = google(user_column_data=columns, lead_id="L", new_field={"x": 1}, form_id=40000000000)
    assert submission.answers == {"FULL_NAME": "Ольга", "Ваш ІПН?": "1", "5": ""}
    assert submission.delivery_id == "L"
    assert submission.values["consent"] == {"form": "40000000000"}


@pytest.mark.parametrize("test", [False, "false", 1, None])
def test_only_what_says_so_is_a_test(test: Any) -> None:
    assert google(is_test=True).is_test
    assert google(is_test="true").is_test
    assert not google(is_test=test).is_test


def test_a_test_with_the_right_key_is_answered_and_one_with_a_wrong_key_is_not(endpoint: Endpoint) -> None:
    assert endpoint.take(proven(sample("google_test"))) == (200, {"status": "test"})
    assert endpoint.take(with_json(sample("google_test"), google_key="wrong"))[0] == 401


def test_the_same_lead_under_the_next_key_is_the_same_lead(endpoint: Endpoint) -> None:
    first, again = (endpoint.take(proven(sample("google_lead"), which)) for which in (0, 1))
    assert (again[0], again[1]["lead_id"]) == (200, first[1]["lead_id"])


@pytest.mark.parametrize(
    "content", [{}, {"user_column_data": {}}, {"user_column_data": [[]]}, {"lead_id": [1]}, {"lead_id": {"a": 1}}]
)
def test_a_broken_lead_gets_a_clear_answer(endpoint: Endpoint, content: dict[str, Any]) -> None:
    assert endpoint.take(proven(sample("google_lead", body=json.dumps(content))))[0] == 422
