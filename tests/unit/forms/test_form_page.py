"""The page of docs/form/ says what the shipped source reads."""

from html.parser import HTMLParser
from typing import Any

import pytest

from devstack.commands.samples import PAGE, page_of
from quality.testkit.forms.receiver import Endpoint, configured, proven, sample

CREDIT = configured().sources["plain-credit"]


class Reader(HTMLParser):
    """The elements of a page with their attributes, and the words of its labels by what they are for."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, Any]]] = []
        self.labels: dict[str, str] = {}
        self.label: str | None = None
        self.feed((PAGE / name).read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One element."""
        self.elements.append((tag, dict(attrs)))
        if tag == "label":
            self.label = dict(attrs)["for"]

    def handle_endtag(self, tag: str) -> None:
        """The end of one."""
        self.label = None if tag == "label" else self.label

    def handle_data(self, data: str) -> None:
        """The words in one."""
        if self.label:
            self.labels[self.label] = self.labels.get(self.label, "") + data


def inputs() -> dict[str, dict[str, Any]]:
    """The fields of the form by their names."""
    return {found["name"]: found for tag, found in Reader("index.html").elements if tag == "input"}


def test_the_pages_fields_are_those_of_the_shipped_source() -> None:
    fields = {name: found["data-field"] for name, found in inputs().items() if "data-field" in found}
    assert fields == CREDIT.fields
    assert inputs().keys() - fields.keys() == {"form_name", CREDIT.honeypot}


def test_what_the_lender_requires_the_page_does_too() -> None:
    required = {found["data-field"] for found in inputs().values() if "required" in found}
    assert required == {*configured().partners["leadleader"].requires, "consent.text"}


def test_the_words_beside_the_box_are_what_is_kept_as_the_consent() -> None:
    assert inputs()["consent"]["value"] == Reader("index.html").labels["consent"]


def test_every_field_has_a_label_and_words_for_when_it_is_wrong() -> None:
    labels = Reader("index.html").labels
    for name, found in inputs().items():
        assert name == "form_name" or labels[found["id"]].strip()
        assert "data-field" not in found or found["data-error"]


def test_the_unseen_field_is_out_of_everybodys_way() -> None:
    trap = inputs()[CREDIT.honeypot or ""]
    assert (trap["tabindex"], trap["autocomplete"]) == ("-1", "off")


def test_the_page_that_asks_to_try_again_knows_every_field() -> None:
    script = (PAGE / "again.js").read_text(encoding="utf-8")
    assert [path for path in CREDIT.fields.values() if f'"{path}":' not in script] == []


@pytest.mark.parametrize("name", ["index.html", "thanks.html", "again.html"])
def test_a_page_needs_nothing_but_the_files_beside_it(name: str) -> None:
    for _, found in Reader(name).elements:
        for address in (found.get("href"), found.get("src")):
            assert address is None or (PAGE / address).is_file()


def test_the_page_is_served_with_where_it_posts_to() -> None:
    page = page_of('http://127.0.0.1:1/v1/webhooks/plain-credit?token=a&b="')
    assert b'action="http://127.0.0.1:1/v1/webhooks/plain-credit?token=a&amp;b=&quot;"' in page
    assert b"the-token-of-the-source" not in page


def test_the_shipped_source_throws_away_what_fills_in_the_unseen_field(endpoint: Endpoint) -> None:
    event = proven(sample("plain_urlencoded"))
    status, answer = endpoint.take({**event, "body": f"{event['body']}&website=x"})
    assert (status, answer["status"], endpoint.store.leads) == (202, "received", {})
