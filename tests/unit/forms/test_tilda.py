"""Tilda: fields, its own fields among them, its test and its cookies."""

import pytest

from leadbridge.forms.base import Submission
from quality.testkit.forms.posts import URLENCODED, read, request
from quality.testkit.forms.receiver import Endpoint, proven, sample


def tilda(*pairs: tuple[str, str]) -> Submission:
    return read("tilda", request(list(pairs), URLENCODED), fields={"Name": "person.full_name"})


def test_its_own_fields_are_no_answers() -> None:
    submission = tilda(("Name", "О"), ("tranid", "1:2"), ("formid", "form1"), ("formname", "Форма"), ("COOKIES", "a=b"))
    assert submission.answers == {"Name": "О"}
    assert submission.delivery_id == "1:2"
    assert submission.values["consent"] == {"form": "Форма"}


def test_a_form_without_a_name_is_known_by_its_id() -> None:
    assert tilda(("formid", "form1")).values["consent"] == {"form": "form1"}


@pytest.mark.parametrize("pairs", [[("test", "test"), ("Name", "О")], [("test", "yes")], [("Test", "test")], []])
def test_only_its_very_ping_is_a_test(pairs: list[tuple[str, str]]) -> None:
    assert not tilda(*pairs).is_test
    assert tilda(("test", "test")).is_test


def test_a_visitors_own_tranid_replaces_no_other_lead() -> None:
    assert tilda(("tranid", "7:1"), ("tranid", "7:2")).delivery_id == "7:1, 7:2"
    assert tilda(("tranid", "")).delivery_id is None


def test_the_arrivals_tags_are_in_its_cookie_and_the_forms_own_come_first() -> None:
    cookies = "x=1; TILDAUTM=utm_source%3Dfb%7C%7C%7Cutm_medium%3Dcpc%7C%7C%7Celse%3D1; previousUrl=example.com%2Fa"
    values = tilda(("COOKIES", cookies), ("utm_source", "google")).values
    assert values["utm"] == {"utm_source": "google", "utm_medium": "cpc"}
    assert values["consent"]["page_url"] == "example.com/a"


@pytest.mark.parametrize("cookies", ["", ";;;", "=", "TILDAUTM", "TILDAUTM=%", "TILDAUTM=%FF%7C%7C%7C", "a" * 9000])
def test_odd_cookies_are_no_obstacle(cookies: str) -> None:
    assert tilda(("COOKIES", cookies)).values["utm"] == {}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 422),
        ("Name=%D0%9E", 202),
        ("%", 422),
        ("Name=%C0", 202),
        ("&".join(f"f{number}=1" for number in range(1001)), 400),
    ],
)
def test_a_broken_post_gets_a_clear_answer(endpoint: Endpoint, body: str, status: int) -> None:
    assert endpoint.take(proven(sample("tilda_lead", body=body)))[0] == status
    unproven = {**sample("tilda_lead", body=body), "queryStringParameters": None}
    assert endpoint.take(unproven)[0] == 401
