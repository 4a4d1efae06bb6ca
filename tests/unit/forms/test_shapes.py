"""Answers in any shape: nested paths, lists of entries, JSON in texts, and bodies under another content type."""

import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadbridge.forms.base import Request, Submission, Unreadable
from leadbridge.forms.parsing.nested import MAX_DEPTH, MAX_FIELDS, REST, flatten
from quality.testkit.forms.posts import JSON, URLENCODED, multipart, read, request
from quality.testkit.rubbish import json_values

FLAT = {"name": "Тестенко Яна Петрівна", "phone": "050 000 00 01"}
FIELDS = {"name": "person.full_name", "phone": "person.phone"}
PERSON = {"full_name": FLAT["name"], "phone": FLAT["phone"]}
TEXT = "text/plain"


def plain(post: Request, fields: dict[str, str] = FIELDS, **more: Any) -> Submission:
    return read("plain", post, fields=fields, **more)


def at(*path: str) -> dict[str, str]:
    """The fields of `FLAT` inside this path."""
    return {".".join((*path, name)): field for name, field in FIELDS.items()}


def entries(name: str = "name", value: str = "value") -> list[dict[str, Any]]:
    return [{name: label, value: answer, "type": "text"} for label, answer in FLAT.items()]


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        ({"data": FLAT}, at("data")),
        ({"a": {"b": {"c": {"d": FLAT}}}}, at("a", "b", "c", "d")),
        ({"data": [FLAT]}, at("data")),
        ({"data": [FLAT]}, at("data", "0")),
        ({"data": [{"other": 1}, FLAT]}, at("data", "1")),
        ([FLAT], FIELDS),
        ([{"form": {"answers": FLAT}}], at("form", "answers")),
        (
            {"fields": {label: {"value": text} for label, text in FLAT.items()}},
            {f"fields.{label}.value": path for label, path in FIELDS.items()},
        ),
        (
            {"fields": {label: {"values": [text]} for label, text in FLAT.items()}},
            {f"fields.{label}.values": path for label, path in FIELDS.items()},
        ),
    ],
)
def test_a_path_reaches_any_depth(content: Any, fields: dict[str, str]) -> None:
    assert plain(request(content), fields).values["person"] == PERSON


@pytest.mark.parametrize("name", ["name", "key", "id", "label", "field", "title"])
@pytest.mark.parametrize("value", ["value", "values", "text", "answer"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_an_entry_of_a_list_is_a_field(name: str, value: str, wrapped: bool) -> None:
    for fields in (FIELDS, at("form", "fields")):
        listed = entries(name, value)
        if value == "values":
            listed = [{**entry, value: [entry[value]]} for entry in listed]
        content = {"form": {"fields": listed}} if wrapped or fields is not FIELDS else listed
        submission = plain(request(content), fields)
        assert submission.values["person"] == PERSON
        assert len(submission.answers) == len(FLAT)


def test_an_entry_has_each_of_its_names() -> None:
    content = {"fields": [{"id": "f1", "label": "Телефон", "type": "tel", "value": "050"}]}
    for name in ("f1", "Телефон", "телефон", "fields.f1", "fields.Телефон"):
        assert plain(request(content), {name: "person.phone"}).values["person"] == {"phone": "050"}


def test_an_answer_may_be_named_by_its_place_or_without_its_last_part() -> None:
    content = {"fields": [{"name": "phone", "value": "050"}], "form": {"f1": {"title": "Ім'я", "value": "Яна"}}}
    empty = {"data": {"phone": {"value": None, "text": "050"}}}
    assert plain(request(empty), {"data.phone": "person.phone"}).values["person"] == {"phone": "050"}
    fields = {"fields.0.value": "person.phone", "form.f1": "person.full_name"}
    submission = plain(request(content), fields)
    assert submission.values["person"] == {"phone": "050", "full_name": "Яна"}
    assert submission.answers == {"fields.0.value": "050", "form.f1": "Яна", "form.f1.title": "Ім'я"}


def test_the_parts_of_an_entrys_value_are_read() -> None:
    content = {"fields": [{"name": "who", "value": {"first": "Яна", "last": "Тестенко"}}]}
    fields = {"who.last": "person.full_name", "fields.who.first": "person.full_name"}
    assert plain(request(content), fields).values["person"] == {"full_name": "Тестенко Яна"}


def test_a_list_of_people_is_not_mistaken_for_entries() -> None:
    content = {"contacts": [{"name": "Яна", "text": "Передзвоніть", "phone": "050"}]}
    fields = {"contacts.0.phone": "person.phone"}
    assert plain(request(content), fields).values["person"] == {"phone": "050"}
    assert plain(request(content), {"contacts.phone": "person.phone"}).values["person"] == {"phone": "050"}


def test_an_exact_name_with_dots_comes_before_a_path() -> None:
    for content in ({"a.b": "1", "a": {"b": "2"}}, {"a": {"b": "2"}, "a.b": "1"}):
        assert flatten(content) == {"a.b": "1"}
    assert flatten({"a.b": "", "a": {"b": "2"}}) == {"a.b": "2"}


def test_a_field_of_its_own_comes_before_an_entry_of_that_name_and_neither_is_lost() -> None:
    content = {"phone": "050", "fields": [{"name": "phone", "value": "067"}]}
    submission = plain(request(content), {"phone": "person.phone"})
    assert submission.values["person"] == {"phone": "050"}
    assert submission.answers == {"phone": "050", "fields.phone": "067"}
    empty = plain(request({**content, "phone": ""}), {"phone": "person.phone"})
    assert empty.values["person"] == {"phone": "067"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("data.json", json.dumps(FLAT)),
        ("data.json", json.dumps({label: [text] for label, text in FLAT.items()}, ensure_ascii=False)),
        ("payload", json.dumps([FLAT])),
        ("payload", json.dumps(entries())),
        ("payload", json.dumps(FLAT, ensure_ascii=False).replace('"', '\\"')),
    ],
)
def test_json_in_a_field_is_read(name: str, text: str) -> None:
    for fields in (FIELDS, at(name)):
        for post in (
            request({name: text, "page": "1"}, URLENCODED),
            multipart([(name, text), ("page", "1")]),
            request({name: text, "page": "1"}),
        ):
            submission = plain(post, fields)
            assert submission.values["person"] == PERSON
            assert submission.answers["page"] == "1"


@pytest.mark.parametrize("text", ["{}", "[1]", "[]", "{не JSON}", "[Київ]", '{"a": 1', '{"a": 1, "a": 2}', "{" * 50])
def test_a_text_that_only_looks_like_json_stays(text: str) -> None:
    for post in (request({"name": text}, URLENCODED), request({"name": text})):
        assert plain(post).answers == {"name": text}


@pytest.mark.parametrize("kind", [JSON, "text/json", TEXT, f"{TEXT};charset=utf-8", URLENCODED])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_json_is_read_under_any_content_type(kind: str, ascii_only: bool) -> None:
    body = json.dumps(FLAT, ensure_ascii=ascii_only)
    for raw in (body, f"\n {body}\r\n", json.dumps([FLAT]), json.dumps(body), f"\ufeff{body}"):
        if raw[0] == '"' and kind not in (JSON, "text/json"):
            continue  # a text in quotes under the type of a form is a text
        assert plain(Request({"content-type": kind}, {}, raw.encode())).values["person"] == PERSON


def test_encoded_json_is_read_as_a_form_sends_it() -> None:
    body = quote(json.dumps(FLAT, ensure_ascii=False))
    for raw in (body, f"{body}=", body.lower()):
        assert plain(Request({"content-type": URLENCODED}, {}, raw.encode())).values["person"] == PERSON


def test_a_form_is_read_under_the_types_of_json_and_text() -> None:
    for kind in (JSON, TEXT):
        assert plain(Request({"content-type": kind}, {}, urlencode(FLAT).encode())).values["person"] == PERSON
    lines = "".join(f"{name}={text}\r\n" for name, text in FLAT.items())
    assert plain(Request({"content-type": TEXT}, {}, lines.encode())).values["person"] == PERSON


def test_names_in_brackets_are_paths_if_they_are_configured_so() -> None:
    posted = {f"fields[{name}][value]": text for name, text in FLAT.items()}
    paths = {f"fields.{name}.value": path for name, path in FIELDS.items()}
    assert plain(request(posted, URLENCODED), paths).values["person"] == PERSON
    assert plain(request(posted, URLENCODED)).answers == posted


def test_the_honeypot_and_the_routing_see_an_entry_by_its_name() -> None:
    content = {"fields": [{"name": "website", "value": "spam"}, {"name": "city", "value": "Київ"}]}
    rule = {"to": ["leadleader"], "when": {"form.city": {"equals": "Київ"}}}
    submission = plain(request(content), {}, honeypot="website", partners=[rule])
    assert submission.answers == {"website": "spam", "city": "Київ"}


def nested(depth: int, leaf: Any) -> Any:
    for _ in range(depth):
        leaf = {"a": leaf}
    return leaf


def test_depth_and_number_are_bounded_and_what_is_not_read_counts_as_content() -> None:
    deepest = flatten(nested(MAX_DEPTH, "1"))
    assert list(deepest.values()) == ["1"]
    beyond = flatten({"b": "2", **nested(MAX_DEPTH + 2, "1")})
    assert beyond["b"] == "2"
    assert beyond[REST] != flatten({"b": "2", **nested(MAX_DEPTH + 2, "3")})[REST]
    full = {"rows": [{"name": f"n{number}", "value": "1"} for number in range(MAX_FIELDS)]}
    assert len(flatten(full)) == MAX_FIELDS
    empty = flatten({"rows": [[[]]] * (2 * MAX_FIELDS), "b": "2"})
    assert REST in empty
    many = flatten({"rows": [{"x": {"y": str(number)}} for number in range(3 * MAX_FIELDS)]})
    assert len(many) <= MAX_FIELDS + 1


@given(json_values(), st.frozensets(st.sampled_from(["a", "name", "0"])))
def test_any_json_is_flat_text_of_bounded_number(content: Any, wanted: frozenset[str]) -> None:
    try:
        value = json.loads(json.dumps(content, default=str))
    except ValueError:
        return  # integers that Python does not write
    found = flatten(value, wanted)
    assert len(found) <= MAX_FIELDS + 1
    assert all(isinstance(text, str) for pair in found.items() for text in pair)
    assert found == flatten(value, wanted)


NAMES = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=6)
TREES = st.recursive(
    st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=9),
    lambda inner: st.dictionaries(NAMES, inner, min_size=1, max_size=3),
    max_leaves=9,
)


@given(st.dictionaries(NAMES, TREES, min_size=1, max_size=4))
def test_every_leaf_of_a_tree_is_found_under_its_path(tree: dict[str, Any]) -> None:
    def leaves(value: Any, path: tuple[str, ...]) -> Any:
        if isinstance(value, str):
            yield ".".join(path), value
            return
        for name, one in value.items():
            yield from leaves(one, (*path, name))

    assert flatten(tree) == dict(leaves(tree, ()))


@given(st.dictionaries(NAMES, NAMES, min_size=1, max_size=5), st.sampled_from(["name", "key", "id", "label", "field"]))
def test_entries_say_the_same_as_an_object(answers: dict[str, str], key: str) -> None:
    listed = [{key: name, "value": text} for name, text in answers.items()]
    assert flatten(listed) == answers
    assert flatten({"fields": listed}) == {f"fields.{name}": text for name, text in answers.items()}


def test_what_is_no_object_is_unreadable() -> None:
    for body in (b"[]", b"5", b'"text"', b"null", b"nonsense", b""):
        with pytest.raises(Unreadable):
            plain(Request({"content-type": JSON}, {}, body))
