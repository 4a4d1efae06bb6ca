"""Webflow: its fields by their names, with numbers among them, and what is no form at all."""

from typing import Any

import pytest

from leadbridge.forms.base import Submission, adapter_named
from quality.testkit.forms.posts import read, request, source
from quality.testkit.forms.receiver import Endpoint, proven, sample


def webflow(**payload: Any) -> Submission:
    post = request({"triggerType": "form_submission", "payload": payload})
    return read("webflow", post, fields={"Phone Number": "person.phone"})


def test_a_number_is_reported_as_text() -> None:
    submission = webflow(id="6321", data={"Phone Number": 380500000001, "Сума": 6000.5, "Так": True, "x": None})
    assert submission.answers == {"Phone Number": "380500000001", "Сума": "6000.5", "Так": "true", "x": ""}
    assert (submission.delivery_id, submission.values["person"]) == ("6321", {"phone": "380500000001"})


def test_the_evidence_is_the_form_the_page_and_the_time() -> None:
    assert webflow(name="Форма", submittedAt="2026", publishedPath="/a", formElementId="e").values["consent"] == {
        "form": "Форма",
        "given_at": "2026",
        "page_url": "/a",
    }
    assert webflow(formElementId="e").values["consent"] == {"form": "e"}


@pytest.mark.parametrize("kind", ["site_publish", "ecomm_new_order", "", None, 5])
def test_other_events_are_no_leads(kind: Any) -> None:
    assert adapter_named("webflow").parse(request({"triggerType": kind, "payload": {}}), source("webflow")) == ()


@pytest.mark.parametrize("case", ["webflow_signed", "webflow_dashboard"])
@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 400),
        ("nonsense", 400),
        ("{}", 422),
        ('{"triggerType": "site_publish"}', 200),
        ('{"payload": []}', 422),
        ('{"payload": {"data": [1], "id": ["x"]}}', 422),
        ('{"payload": {"data": {"Телефон": {"a": {"b": 1}}}}}', 202),
        ('{"payload": {"data": {"a": 1, "a": 2}}}', 400),
    ],
)
def test_a_broken_post_gets_a_clear_answer(endpoint: Endpoint, case: str, body: str, status: int) -> None:
    assert endpoint.take(proven(sample(case, body=body)))[0] == status


V1 = {
    "name": "Email Form",
    "site": "62749158efef318abc8d5a0f",
    "data": {"Phone Number": "050 000 00 01", "address": {"city": "Київ"}},
    "d": "2026-01-31T12:35:16.117Z",
    "_id": "6321ca84df3949bfc6752327",
}


def test_a_webhook_of_the_first_version_is_read() -> None:
    submission = read("webflow", request(V1), fields={"Phone Number": "person.phone", "address.city": "person.city"})
    assert submission.values["person"] == {"phone": "050 000 00 01", "city": "Київ"}
    assert submission.values["consent"] == {"form": "Email Form", "given_at": V1["d"]}
    assert submission.delivery_id == V1["_id"]
