"""`sources …`: whether a form is connected, and its table from one of its posts, with names and without answers."""

import base64
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadbridge.domain.clock import utc_now
from leadbridge.domain.errors.field_codes import FieldCode, FieldError
from leadbridge.domain.lead import Loan, Person, Trading
from leadbridge.runtime import aws
from leadbridge.storage.statistics.posts import PostCounter, RefusedLead
from leadbridge.storage.table import Table
from leadbridge_cli.field_guesses import MAX_FIELDS, WORDS, suggest
from quality.testkit.cli.terminal import CommandResult, Terminal, run, secret
from quality.testkit.fixtures import TABLE
from quality.testkit.forms.receiver import configured
from quality.testkit.template import ROOT

EVENTS = ROOT / "events" / "receive_lead"
SAMPLES = [
    *("tilda_lead", "typeform_lead", "jotform_lead", "tally_lead", "plain_json", "plain_multipart"),
    *("plain_urlencoded", "webflow_signed", "elementor_simple", "google_lead"),
]
PARTS = {f"person.{part}_name": "person.full_name" for part in ("first", "middle", "last")}
LEAD_FIELDS = {
    *(f"person.{name}" for name in Person.model_fields),
    *(f"loan.{name}" for name in Loan.model_fields),
    *(f"trading.{name}" for name in Trading.model_fields),
    "consent.text",
}
ANSWERS = {"name": "Тестенко Яна Петрівна", "telefon": "050 000 00 01", "Коментар": "Хочу кредит"}


def suggested(content: bytes | str, *options: str) -> CommandResult:
    Path("post").write_bytes(content if isinstance(content, bytes) else content.encode())
    return run("sources", "suggest", "post", *options)


@pytest.mark.parametrize("case", SAMPLES)
def test_the_shipped_forms_are_suggested_as_they_are_configured(case: str) -> None:
    event = json.loads((EVENTS / f"{case}.json").read_text(encoding="utf-8"))
    source = configured().sources[event["pathParameters"]["source"]]
    found = run("sources", "suggest", str(EVENTS / f"{case}.json"), "--json").json
    assert found["adapter"] == source.adapter
    assert [PARTS.get(path, path) for path in found["fields"].values()] == [
        PARTS.get(path, path)
        for path in source.fields.values()
        if path != "consent.text" or path in found["fields"].values()
    ]
    if case not in ("google_lead", "jotform_lead"):  # Google's own questions have an id and a text
        assert {*found["fields"]} <= {*source.fields}
    assert found["missing"] == []


@pytest.mark.parametrize("case", SAMPLES)
def test_what_is_printed_is_toml_that_can_be_pasted_and_has_no_answer(case: str) -> None:
    event = json.loads((EVENTS / f"{case}.json").read_text(encoding="utf-8"))
    said = run("sources", "suggest", str(EVENTS / f"{case}.json"), "--name", "autumn")
    document = tomllib.loads(said.out)
    fields = document["autumn"]["fields"]
    assert set(fields.values()) <= LEAD_FIELDS
    assert document["autumn"]["adapter"] == configured().sources[event["pathParameters"]["source"]].adapter
    assert "example.com" not in said.out
    assert "050" not in said.out


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(ANSWERS),
        json.dumps([ANSWERS]),
        json.dumps(ANSWERS, ensure_ascii=False).encode("utf-16"),
        "name=%D0%AF%D0%BD%D0%B0&telefon=050+000+00+01&%D0%9A%D0%BE%D0%BC%D0%B5%D0%BD%D1%82%D0%B0%D1%80=x\n",
        "".join(f"{name}={text}\r\n" for name, text in ANSWERS.items()),
        "".join(
            f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in ANSWERS.items()
        )
        + "--b--\r\n",
        json.dumps({"headers": {"Content-Type": "application/json"}, "body": json.dumps(ANSWERS)}),
        json.dumps(
            {
                "headers": {"content-type": "text/plain"},
                "body": base64.b64encode(json.dumps(ANSWERS).encode()).decode(),
                "isBase64Encoded": True,
            }
        ),
    ],
)
def test_a_body_of_any_kind_and_an_event_are_read(content: bytes | str) -> None:
    found = suggested(content, "--json").json
    assert found["adapter"] == "plain"
    assert found["fields"] == {"name": "person.full_name", "telefon": "person.phone"}
    assert found["unmapped"] == ["Коментар"]
    assert found["missing"] == ["person.email", "person.tax_number", "person.activity", "loan.amount", "loan.term"]
    assert "Хочу кредит" not in suggested(content).out


def test_nested_answers_are_suggested_by_their_paths() -> None:
    content = {
        "fields": {"form_name": {"value": "Яна"}, "f2": {"value": "050 000 00 01"}},
        "list": [{"name": "email", "value": "a@example.com"}],
    }
    assert suggested(json.dumps(content), "--json").json["fields"] == {
        "fields.form_name.value": "person.full_name",
        "fields.f2.value": "person.phone",
        "list.email": "person.email",
    }


def test_the_label_of_a_nested_answer_is_no_answer_and_shows_the_field() -> None:
    content = {
        "fields": {
            "f1": {"title": "Прізвище та ім'я", "type": "text", "required": True, "value": "Тестенко Яна"},
            "form_name": {"title": "Скільки вам потрібно?", "type": "number", "value": "6000"},
        },
        "more": {"city": "Київ", "id": "7"},
    }
    found = suggested(json.dumps(content, ensure_ascii=False), "--json").json
    assert found["fields"] == {
        "fields.f1.value": "person.full_name",
        "fields.form_name.value": "loan.amount",
        "more.city": "person.city",
    }
    assert found["unmapped"] == ["more.id"]


@pytest.mark.parametrize(
    ("answers", "fields"),
    [
        ({"Прізвище": "Т", "Ім'я": "Я"}, {"Прізвище": "person.last_name", "Ім'я": "person.first_name"}),
        (
            {"Фамилия": "Т", "Имя": "Я", "Отчество": "П"},
            {"Фамилия": "person.last_name", "Имя": "person.first_name", "Отчество": "person.middle_name"},
        ),
        ({"firstName": "Я", "lastName": "Т"}, {"firstName": "person.first_name", "lastName": "person.last_name"}),
        ({"Прізвище та ім'я": "Т Я"}, {"Прізвище та ім'я": "person.full_name"}),
        ({"Контакт": "a@example.com"}, {"Контакт": "person.email"}),
        ({"field_1": "+380 50 000 00 01"}, {"field_1": "person.phone"}),
        ({"field_2": "3068208400"}, {"field_2": "person.tax_number"}),
        ({"field_2": "3068208401"}, {}),
        ({"phone": "0500000001", "Телефон": "0500000002"}, {"phone": "person.phone"}),
        ({"utm_source": "x", "_wpnonce": "y", "token": "z"}, {}),
        ({"gclid": "x", "Click ID": "y", "sub_id_1": "z", "phone": "0500000001"}, {"phone": "person.phone"}),
    ],
)
def test_names_and_values_show_the_field(answers: dict[str, str], fields: dict[str, str]) -> None:
    assert suggest(answers).fields == fields


def test_ids_need_no_line() -> None:
    assert suggest({"gclid": "x", "Click ID": "y", "Інше": "z"}).unmapped == ("Інше",)


def test_every_guess_is_a_field_of_a_lead() -> None:
    assert set(WORDS) <= LEAD_FIELDS


@given(st.dictionaries(st.text(), st.text(), max_size=20))
def test_any_answers_have_a_suggestion(answers: dict[str, str]) -> None:
    found = suggest(answers)
    assert {*found.fields} | {*found.unmapped} <= {*answers}
    assert not {*found.fields} & {*found.unmapped}


def test_a_huge_sample_is_bounded() -> None:
    found = suggest({f"поле {number}": "x" * 100_000 for number in range(3 * MAX_FIELDS)})
    assert len(found.unmapped) <= MAX_FIELDS


@pytest.mark.parametrize(
    ("content", "about"),
    [
        ("", "is empty"),
        ("x" * 1_600_000, "larger"),
        ("[]", "cannot be read"),
        ('{"a": 1, "a": 2}', "cannot be read"),
        ('{"eventType": "FORM_CLOSED", "data": {"fields": []}}', "without a submission"),
    ],
)
def test_what_is_no_sample_is_a_2(content: str, about: str) -> None:
    said = suggested(content)
    assert (said.code, about in said.failure) == (2, True), said.err


def test_other_problems_have_their_codes() -> None:
    assert run("sources", "suggest", "nowhere.json").code == 3
    assert suggested("{}", "--adapter", "nonsense").code == 2
    assert run("sources", "suggest", "-", "--json", stdin=json.dumps(ANSWERS)).json["adapter"] == "plain"


@pytest.mark.parametrize(
    ("content", "adapter"),
    [
        ({"person": {"phone": "1"}}, "standard_webhooks"),
        ({"object": "page", "entry": []}, "meta"),
        ({"field_data": [{"name": "phone_number", "values": ["+380500000001"]}]}, "meta"),
        ({"name": "F", "site": "s", "_id": "1", "data": {"Phone": "050"}}, "webflow"),
    ],
)
def test_the_kind_of_form_is_recognized(content: dict[str, Any], adapter: str) -> None:
    said = suggested(json.dumps(content))
    assert (said.code, f'adapter = "{adapter}"' in said.out) == (0, True), said.err


def test_a_source_is_listed_shown_and_tested(terminal: Terminal) -> None:
    secret("sources", {"plain-credit": {"secrets": ["a token of the tests alone"]}})
    listed = terminal.run("sources", "list")
    assert "plain-credit" in listed.out
    (web,) = [one for one in terminal.run("sources", "list", "--json").json["sources"] if one["source"] == "web"]
    assert web["last_refused_at"] is None
    assert "can receive posts" in terminal.run("sources", "test", "plain-credit").out
    without_secret = terminal.run("sources", "test", "tilda-credit")
    assert (without_secret.code, "This source has no secret yet." in without_secret.failure) == (5, True)
    assert terminal.run("sources", "test", "no-such-form").code == 3
    table = Table(aws.dynamodb(), TABLE)
    errors = (FieldError("person.phone", FieldCode.REQUIRED),)
    posts = PostCounter(table, "UTC", {"plain-credit"})
    posts.count("plain-credit", "invalid-lead", utc_now(), RefusedLead(errors, ("Telephone",)))
    shown = terminal.run("sources", "show", "plain-credit").out
    for text in ("/webhooks/plain-credit", "invalid-lead", "person.phone", "not configured: Telephone"):
        assert text in shown
    assert terminal.run("sources", "show", "no-such-form").code == 3
