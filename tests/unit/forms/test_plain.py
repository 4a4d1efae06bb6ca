"""Contact Form 7 and plain HTML: three kinds of body, and no id."""

from typing import Any

import pytest

from leadbridge.forms.base import Submission
from quality.testkit.forms.posts import JSON, URLENCODED, multipart, read, request
from quality.testkit.forms.receiver import Endpoint, proven, sample, with_headers

ASKED = [("your-name", "Ольга"), ("services", "А"), ("services", "Б"), ("empty", "")]


@pytest.mark.parametrize(
    "post",
    [
        request(ASKED, URLENCODED),
        multipart(ASKED),
        request({"your-name": "Ольга", "services": ["А", "Б"], "empty": None}),
        request({"your-name": ["Ольга"], "services": "А, Б", "empty": ""}),
    ],
)
def test_all_three_bodies_say_the_same(post: Any) -> None:
    submission = read("plain", post, fields={"your-name": "person.full_name", "services": "person.activity"})
    assert submission.answers == {"your-name": "Ольга", "services": "А, Б", "empty": ""}
    assert submission.values["person"] == {"full_name": "Ольга", "activity": "А, Б"}
    assert submission.delivery_id is None


def plain(**fields: str) -> Submission:
    return read("plain", request(fields, URLENCODED, referer="https://example.com/a"))


@pytest.mark.parametrize("name", ["form_name", "form_id", "_wpcf7"])
def test_the_evidence_is_the_form_and_the_page(name: str) -> None:
    assert plain(**{name: "7"}).values["consent"] == {"form": "7", "page_url": "https://example.com/a"}


def test_the_senders_address_is_not_evidence() -> None:
    post = request({}, JSON, **{"x-forwarded-for": "192.0.2.1", "user-agent": "WordPress/6.8"})
    assert read("plain", post).values["consent"] == {}


def test_a_token_among_the_fields_proves_nothing_and_is_not_kept(endpoint: Endpoint) -> None:
    assert plain(token="secret").answers == {}
    event = sample("plain_urlencoded", body="token=the-current-secret-of-the-tests-plain-credit")
    assert endpoint.take(event)[0] == 401


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        (URLENCODED, "", 422),
        (URLENCODED, "your-name=%FF", 202),
        (f"{URLENCODED}; charset=klingon", "a=b", 202),
        (f"{URLENCODED}; charset=", "a=b", 202),
        (f"{URLENCODED}; charset=windows-1251", "your-name=%98", 202),
        (URLENCODED, "_charset_=base64&a=b", 202),
        (URLENCODED, "&".join(f"f{number}=1" for number in range(1001)), 400),
        (URLENCODED, "&" * 200_000, 422),
        (JSON, "", 400),
        (JSON, "[]", 400),
        (JSON, "nonsense", 400),
        (JSON, '{"a": 1, "a": 2}', 400),
        (JSON, '{"your-name": {"a": {"b": {"c": 1}}}}', 202),
        (f"{JSON}; charset=utf-16", "{}", 400),
        ("multipart/form-data; boundary=b", "nonsense", 400),
        ("multipart/form-data", "--b--", 400),
    ],
)
def test_a_broken_post_gets_a_clear_answer(endpoint: Endpoint, kind: str, body: str, status: int) -> None:
    event = with_headers(proven(sample("plain_urlencoded", body=body)), content_type=kind)
    assert endpoint.take(event)[0] == status
