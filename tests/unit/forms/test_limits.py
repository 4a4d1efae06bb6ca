"""The limits between a post and the table: what is read at a limit, and what is not read beyond it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import pytest

from leadbridge.domain.acceptance.answers import MAX_ANSWER_LENGTH, MAX_ANSWERS, MAX_TOTAL_BYTES, bound_answers
from leadbridge.domain.acceptance.build import read_values
from leadbridge.domain.fields.texts import MAX_TEXT_LENGTH
from leadbridge.domain.lead import MAX_UTM_LENGTH, MAX_UTM_TAGS
from leadbridge.forms.adapters import jotform, meta, tilda
from leadbridge.forms.base import MAX_BYTES, Request, TooLarge, Unreadable
from leadbridge.forms.mapping import to_sections
from leadbridge.forms.parsing import nested
from leadbridge.forms.parsing.bodies import read_fields
from leadbridge.settings import Source
from quality.testkit.forms.posts import JSON, URLENCODED, multipart, request
from quality.testkit.template import ROOT

ROW = re.compile(r"^\| .+ \| ([0-9]+) \| .+ \| `([a-z_/]+)\.py: (\w+)` \|$", re.MULTILINE)
SOURCE = Source.model_validate({"adapter": "plain", "partners": ["a"], "fields": {"Name": "person.full_name"}})


def test_the_table_in_the_documentation_has_the_limits_of_the_code() -> None:
    rows = ROW.findall((ROOT / "docs/forms.md").read_text(encoding="utf-8"))
    assert len(rows) == 23
    for limit, path, name in rows:
        module = import_module(f"leadbridge.{path.replace('/', '.')}")
        assert getattr(module, name) == int(limit), (path, name)


def fields_of(content: Any) -> dict[str, str]:
    return read_fields(request(content, JSON), wanted=())


@pytest.mark.parametrize("encoded", [False, True])
def test_a_post_that_is_longer_than_the_limit_is_not_read(encoded: bool) -> None:
    def event(length: int) -> dict[str, Any]:
        body = "YWFh" * (length // 3) + ("YQ==" if length % 3 else "") if encoded else "a" * length
        return {"body": body, "isBase64Encoded": encoded, "headers": {}}

    assert len(Request.of(event(MAX_BYTES)).body) == MAX_BYTES
    with pytest.raises(TooLarge):
        Request.of(event(MAX_BYTES + 3))


def test_a_form_has_at_most_so_many_fields() -> None:
    def form(number: int) -> Request:
        return Request({"content-type": URLENCODED}, {}, b"&".join(b"a%d=b" % one for one in range(number)))

    assert len(read_fields(form(nested.MAX_FIELDS))) == nested.MAX_FIELDS
    with pytest.raises(Unreadable):
        read_fields(form(nested.MAX_FIELDS + 1))


def test_of_json_with_more_values_the_first_are_read_and_all_are_the_content() -> None:
    def content(number: int) -> dict[str, str]:
        return {f"a{one}": "b" for one in range(number)}

    assert fields_of(content(nested.MAX_FIELDS)) == content(nested.MAX_FIELDS)
    cut = fields_of(content(nested.MAX_FIELDS + 1))
    assert len(cut) == nested.MAX_FIELDS + 1
    assert cut[nested.REST] != fields_of(content(nested.MAX_FIELDS + 2))[nested.REST]


def test_values_that_are_nested_too_deep_are_not_read() -> None:
    def content(depth: int) -> Any:
        value: Any = "x"
        for _ in range(depth):
            value = {"a": value}
        return value

    assert "x" in fields_of(content(nested.MAX_DEPTH)).values()
    assert fields_of(content(nested.MAX_DEPTH + 2)).keys() == {nested.REST}


def test_so_many_choices_of_one_answer_are_read() -> None:
    assert nested.as_text(["x"] * nested.MAX_CHOICES).count("x") == nested.MAX_CHOICES
    assert nested.as_text(["x"] * 20_000).count("x") == nested.MAX_CHOICES


def test_a_long_outer_name_is_repeated_in_part() -> None:
    names = fields_of({"n" * 1000: {"a": "1", "b": "2"}}).keys()
    assert names == {"n" * nested.MAX_PREFIX + ".a", "n" * nested.MAX_PREFIX + ".b"}


def test_so_many_fields_are_read_as_json() -> None:
    content = {f"d{one}": json.dumps({"a": "b"}) for one in range(nested.MAX_EMBEDDED + 1)}
    texts = list(fields_of(content).values())
    assert (texts.count("b"), texts.count('{"a": "b"}')) == (nested.MAX_EMBEDDED, 1)


def test_a_label_is_compared_up_to_a_length() -> None:
    def utm(length: int) -> Any:
        return to_sections({"UTM_" + "x" * (length - 4): "1"}, SOURCE, {})["utm"]

    assert len(utm(nested.MAX_LABEL)) == 1
    assert utm(nested.MAX_LABEL + 1) == {}


def test_so_many_parts_of_an_answer_of_jotforms_are_read() -> None:
    def read(parts: int) -> Mapping[str, str]:
        post = multipart([("rawRequest", json.dumps({"q1_a": {f"p{one}": "x" for one in range(parts)}}))])
        return jotform.parse(post, SOURCE)[0].answers

    assert len(read(jotform.MAX_PARTS)) == len(read(jotform.MAX_PARTS + 1)) == jotform.MAX_PARTS + 1  # and the whole


def test_so_many_characters_of_cookies_are_read() -> None:
    def utm(before: int) -> Any:
        cookies = "x" * (before - 1) + ";TILDAUTM=utm_a=1"
        body = f"Name=a&COOKIES={cookies}".encode()
        return tilda.parse(Request({"content-type": URLENCODED}, {}, body), SOURCE)[0].values["utm"]

    assert utm(tilda.MAX_COOKIES - 16) == {"utm_a": "1"}
    assert utm(tilda.MAX_COOKIES + 1) == {}


def test_a_post_of_metas_has_at_most_so_many_leads() -> None:
    def post(leads: int) -> Request:
        changes = [{"field": "leadgen", "value": {"leadgen_id": str(one)}} for one in range(leads)]
        return request({"object": "page", "entry": [{"changes": changes}]}, JSON)

    assert len(meta.parse(post(meta.MAX_LEADS), SOURCE)) == meta.MAX_LEADS
    with pytest.raises(Unreadable):
        meta.parse(post(meta.MAX_LEADS + 1), SOURCE)


@pytest.mark.parametrize("more", [0, 1, 240_000])
def test_a_text_is_cut_to_its_length(more: int) -> None:
    read = read_values({"person": {"activity": "x" * (MAX_TEXT_LENGTH + more)}})
    assert read.asked.person.activity == "x" * MAX_TEXT_LENGTH
    assert bool(read.warnings) is bool(more)


def test_a_name_of_combining_marks_is_cut_and_no_lead_is_lost() -> None:
    read = read_values({"person": {"activity": "\u0301" * 120_000, "phone": "0501234567"}})
    assert len(read.asked.person.activity or "") <= MAX_TEXT_LENGTH
    assert read.asked.person.phone == "+380501234567"


def test_tags_are_bounded() -> None:
    asked = read_values({"utm": {f"utm_{one}": "x" * 9000 for one in range(500)}}).asked
    assert (len(asked.utm), {len(text) for text in asked.utm.values()}) == (MAX_UTM_TAGS, {MAX_UTM_LENGTH})


def test_stored_answers_are_bounded() -> None:
    assert len(bound_answers({f"a{one}": "b" for one in range(MAX_ANSWERS + 1)})) == MAX_ANSWERS
    assert bound_answers({"a": "b" * 240_000}) == {"a": "b" * MAX_ANSWER_LENGTH}
    stored = bound_answers({f"a{one}": "є" * MAX_ANSWER_LENGTH for one in range(60)})
    assert 0 < len("".join([*stored, *stored.values()]).encode()) <= MAX_TOTAL_BYTES
