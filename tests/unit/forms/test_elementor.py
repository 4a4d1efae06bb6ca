"""Elementor: simple and advanced data, and what it adds in the site's language."""

from typing import Any

import pytest

from leadbridge.forms.base import Submission
from quality.testkit.forms.posts import URLENCODED, read, request
from quality.testkit.forms.receiver import Endpoint, proven, sample


def elementor(body: Any) -> Submission:
    return read("elementor", request(body, URLENCODED), fields={"ПІБ": "person.full_name"})


@pytest.mark.parametrize(
    ("ip", "page"), [("Remote IP", "Page URL"), ("remote ip", "PAGE  URL"), ("Віддалений IP", "URL сторінки")]
)
def test_what_it_adds_to_simple_data_is_evidence(ip: str, page: str) -> None:
    values = elementor({"ПІБ": "О", ip: "192.0.2.1", page: "https://example.com/", "form_id": "a"}).values
    assert values["consent"] == {"ip": "192.0.2.1", "page_url": "https://example.com/", "form": "a"}
    assert values["person"] == {"full_name": "О"}


def test_a_field_of_advanced_data_is_known_by_its_label_and_by_its_id() -> None:
    submission = elementor(
        {
            "form[id]": "a",
            "fields[name][id]": "name",
            "fields[name][title]": "ПІБ",
            "fields[name][value]": "О",
            "fields[ПІБ][value]": "за ключем",
            "fields[x][raw_value][0]": "1",
            "meta[remote_ip][value]": "192.0.2.1",
            "meta[remote_ip][title]": "IP",
            "meta[date][value]": "2026-01-31",
            "meta[time][value]": "10:00",
        }
    )
    assert submission.answers == {"name": "О", "ПІБ": "за ключем"}
    assert submission.values["consent"] == {"given_at": "2026-01-31 10:00", "form": "a", "ip": "192.0.2.1"}


def test_it_has_no_id_of_its_own() -> None:
    assert elementor({"id": "1", "submission_id": "2"}).delivery_id is None


def test_the_same_person_on_another_day_sends_another_body(endpoint: Endpoint) -> None:
    event = sample("elementor_simple")
    endpoint.take(proven(event))
    other = {**event, "body": event["body"].replace("11%3A14", "11%3A15")}
    assert endpoint.take(proven(other))[0] == 202
    assert len(endpoint.store.leads) == 2


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 422),
        ("%D0%9F%D0%86%D0%91=%FF", 202),
        ("fields[][value]=1", 202),
        ("fields[a][value]=1&meta[]=2&form=3", 202),
        ("&".join(f"fields[f{number}][value]=1" for number in range(1001)), 400),
        ("_charset_=hex&a=b", 202),
    ],
)
def test_a_broken_post_gets_a_clear_answer(endpoint: Endpoint, body: str, status: int) -> None:
    assert endpoint.take(proven(sample("elementor_simple", body=body)))[0] == status
