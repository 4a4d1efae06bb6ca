"""Posts in the shapes and bytes of real forms, from what the gateway hands on to the stored lead."""

import base64
import json
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest

from leadbridge.domain.lead import Lead
from leadbridge.forms.base import Adapter, Request, adapter_named
from leadbridge.settings import Source
from quality.testkit.forms.posts import JSON, URLENCODED
from quality.testkit.forms.receiver import configured, opened, secrets_of

WP = """
adapter = "plain"
partners = ["leadleader"]
[fields]
name = "person.full_name"
phone = "person.phone"
email = "person.email"
ipn = "person.tax_number"
job = "person.activity"
amount = "loan.amount"
term = "loan.term"
"""
REST = {"ipn": "3068208400", "job": "вчителька", "amount": "6000", "term": "12"}
ANSWERS = {"name": "Тестенко Яна Петрівна", "phone": "050 000 00 01", **REST}
NAME, PHONE = ANSWERS["name"], "+380500000001"


class Door:
    """The receiver with one source, `form`, that a test configures."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def post(self, source: str, body: Any, content_type: str = JSON, **headers: str) -> tuple[int, Any, Lead | None]:
        """Post a body as its sender would, proven: the status, the answer, and the lead."""
        settings = configured()
        wanted = Source.model_validate(tomllib.loads(source))
        endpoint = self._stack.enter_context(opened(settings.model_copy(update={"sources": {"form": wanted}})))
        raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        sender: Adapter = adapter_named(wanted.adapter)
        request = sender.sign_request(
            Request({"content-type": content_type, **headers}, {}, raw), secrets_of("form")[0], datetime.now(UTC)
        )
        status, answer = endpoint.take(
            {
                "httpMethod": "POST",
                "pathParameters": {"source": "form"},
                "headers": request.headers,
                "queryStringParameters": request.query or None,
                "requestContext": {},
                "body": base64.b64encode(request.body).decode(),
                "isBase64Encoded": True,
            }
        )
        lead = endpoint.store.leads.get(answer.get("lead_id", ""))
        return status, answer, lead

    def lead(self, source: str, body: Any, content_type: str = JSON, **headers: str) -> Lead:
        """The lead of a post that must be received and delivered."""
        status, answer, lead = self.post(source, body, content_type, **headers)
        assert (status, answer["status"]) == (202, "received"), answer
        assert lead is not None
        assert lead.partners
        return lead


@pytest.fixture
def door() -> Iterator[Door]:
    with ExitStack() as stack:
        yield Door(stack)


def named(fields: dict[str, str]) -> str:
    """The source `WP` with other names for some of its fields."""
    source = tomllib.loads(WP)
    kept = {name: path for name, path in source["fields"].items() if path not in fields.values()}
    lines = [f"{json.dumps(name)} = {json.dumps(path)}" for name, path in {**kept, **fields}.items()]
    return "\n".join(['adapter = "plain"', 'partners = ["leadleader"]', "[fields]", *lines])


# ---------------------------------------------------------------- shapes

WEBLIUM = {
    "fields": {
        "form_name": {"title": "Ім'я", "value": NAME, "type": "text"},
        "form_phone": {"title": "Телефон", "value": "050 000 00 01", "type": "phone"},
    },
    **REST,
}
PAIRS = [{"name": name, "value": text} for name, text in ANSWERS.items()]


@pytest.mark.parametrize(
    ("fields", "content"),
    [
        ({"fields.form_name.value": "person.full_name", "fields.form_phone.value": "person.phone"}, WEBLIUM),
        ({}, [ANSWERS]),
        ({}, PAIRS),
        ({}, {"form": {"id": "7", "answers": PAIRS}}),
        ({"form.answers.phone": "person.phone"}, {"form": {"answers": PAIRS}}),
        ({"a.b.c.d.phone": "person.phone"}, {"a": {"b": {"c": {"d": {"phone": "050 000 00 01"}}}}, **ANSWERS}),
        ({}, {"payload": json.dumps(ANSWERS)}),
    ],
)
def test_json_of_any_shape(door: Door, fields: dict[str, str], content: Any) -> None:
    person = door.lead(named(fields), content).person
    assert (person.full_name, person.phone) == (NAME, PHONE)


@pytest.mark.parametrize("kind", [URLENCODED, "text/plain;charset=utf-8", "text/json"])
def test_json_under_another_content_type(door: Door, kind: str) -> None:
    for raw in (json.dumps(ANSWERS, ensure_ascii=False).encode(), json.dumps(ANSWERS).encode()):
        assert door.lead(WP, raw, kind).person.full_name == NAME


def test_unbounces_answers_are_json_in_a_field(door: Door) -> None:
    data = json.dumps({name: [text] for name, text in ANSWERS.items()})
    body = urlencode({"page_id": "5", "page_name": "Кредит", "data.json": data}).encode()
    assert door.lead(WP, body, URLENCODED).person.full_name == NAME
    fields = {f"data.json.{name}": path for name, path in tomllib.loads(WP)["fields"].items()}
    assert door.lead(named(fields), body, URLENCODED).person.full_name == NAME


def test_a_post_without_any_configured_field_lists_what_is_there(door: Door) -> None:
    status, answer, lead = door.post(WP, {"imya": "x", "telefon": "050 000 00 01"})
    assert (status, answer["status"]) == (202, "incomplete")
    (error,) = answer["errors"]
    assert error["code"] == "no_configured_field"
    assert "imya" in error["message"]
    assert "telefon" in error["message"]
    assert lead is not None
    assert dict(lead.answers) == {"imya": "x", "telefon": "050 000 00 01"}


# ---------------------------------------------------------------- bytes

TEXT = json.dumps(ANSWERS, ensure_ascii=False)


@pytest.mark.parametrize(
    ("charset", "parameter"),
    [
        ("windows-1251", "; charset=windows-1251"),
        ("koi8-u", "; charset=koi8-u"),
        ("utf-16", "; charset=utf-16"),
        ("utf-16", ""),
        ("utf-16-le", "; charset=utf-16-le"),
        ("utf-8-sig", ""),
        ("utf-8-sig", "; charset=utf-8"),
        ("utf-8", "; charset=utf8mb4"),
        ("windows-1251", ""),
        ("windows-1251", "; charset=utf-8"),
    ],
)
@pytest.mark.parametrize("kind", [JSON, "text/plain", URLENCODED])
def test_a_body_in_any_character_set(door: Door, charset: str, parameter: str, kind: str) -> None:
    body = TEXT.encode(charset)
    assert door.lead(WP, body, f"{kind}{parameter}").person.full_name == NAME


def test_text_whose_character_set_cannot_be_known_keeps_what_can_be_read(door: Door) -> None:
    status, answer, lead = door.post(WP, TEXT.encode("koi8-u"))
    assert (status, answer["status"]) == (202, "incomplete")
    assert lead is not None
    assert lead.person.phone == PHONE


TYPEFORM = """
adapter = "typeform"
partners = ["leadleader"]
[fields]
name = "person.full_name"
phone = "person.phone"
ipn = "person.tax_number"
job = "person.activity"
"variables.price" = "loan.amount"
"calculated.score" = "loan.term"
"""


def typeform(answers: list[tuple[str, str, str]], **more: Any) -> dict[str, Any]:
    listed = [{"type": kind, kind: value, "field": {"id": f"id-{ref}", "ref": ref}} for ref, kind, value in answers]
    return {"event_id": "e", "event_type": "form_response", "form_response": {"token": "t", "answers": listed, **more}}


TYPED = [
    ("name", "text", NAME),
    ("phone", "phone_number", PHONE),
    ("ipn", "text", "3068208400"),
    ("job", "text", "x y"),
]
CALCULATED = {
    "variables": [{"key": "price", "type": "number", "number": 6000}],
    "calculated": {"score": 12},
}


def test_a_signature_is_over_the_bytes_that_were_sent(door: Door) -> None:
    body = json.dumps(typeform(TYPED, **CALCULATED), ensure_ascii=False).encode("windows-1251")
    lead = door.lead(TYPEFORM, body, f"{JSON}; charset=windows-1251")
    assert lead.person.full_name == NAME


SVIX = 'adapter = "standard_webhooks"\npartners = ["leadleader"]\n'


def test_svix_names_the_headers_of_standard_webhooks_otherwise(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = base64.b64encode(b"a secret of the tests").decode().rstrip("=")
    monkeypatch.setattr("quality.testkit.forms.receiver.secrets_of", lambda _: [f"v1,whsec_{secret}"])
    monkeypatch.setattr(f"{__name__}.secrets_of", lambda _: [f"whsec_{secret}"])
    person = {"full_name": NAME, "phone": PHONE, "tax_number": "3068208400", "activity": "вчителька"}
    lead = door.lead(SVIX, {"person": person, "loan": {"amount": "6000", "term": 12}}, **{"svix-id": "msg_1"})
    assert lead.person.full_name == NAME


# ---------------------------------------------------------------- builders


def test_typeforms_calculated_values_are_mapped(door: Door) -> None:
    loan = door.lead(TYPEFORM, typeform(TYPED, **CALCULATED)).loan
    assert (str(loan.amount), loan.term) == ("6000", 12)


def test_typeforms_test_request_is_no_lead(door: Door) -> None:
    dummies = [
        ("name", "text", "Lorem ipsum dolor"),
        ("email", "email", "an_account@example.com"),
        ("phone", "phone_number", "+34123456789"),
    ]
    status, answer, lead = door.post(TYPEFORM, typeform(dummies))
    assert (status, answer, lead) == (200, {"status": "test"}, None)


TALLY = WP.replace('"plain"', '"tally"').replace("job =", '"Зайнятість" =')


@pytest.mark.parametrize("choice", ["fd986440-63e7-4b8b-9d3a-0a4a8f1f3f55", "fd986440-0000-4000-8000-000000000000"])
@pytest.mark.parametrize("key", [lambda choice: f"question_1_{choice}", lambda _: "question_2"])
def test_tallys_choices_are_reported_by_their_texts(door: Door, choice: str, key: Callable[[str], str]) -> None:
    fields: list[dict[str, Any]] = [
        {"key": f"k_{name}", "label": name, "type": "INPUT_TEXT", "value": text}
        for name, text in ANSWERS.items()
        if name != "job"
    ]
    fields += [
        {"key": "question_1", "label": "Зайнятість", "type": "CHECKBOXES", "value": [choice]},
        {"key": key(choice), "label": "Зайнятість (вчителька)", "type": "CHECKBOXES", "value": True},
        {"key": "question_1_other", "label": "Зайнятість (лікар)", "type": "CHECKBOXES", "value": False},
    ]
    post = {"eventId": "e", "eventType": "FORM_RESPONSE", "data": {"responseId": "r", "fields": fields}}
    assert door.lead(TALLY, post).person.activity == "вчителька"


WEBFLOW = WP.replace('"plain"', '"webflow"')


def test_webflows_first_webhooks_are_read(door: Door) -> None:
    post = {"name": "Форма", "site": "5f", "data": ANSWERS, "d": "2026-01-31T12:35:16.117Z", "_id": "6321"}
    lead = door.lead(WEBFLOW, post)
    assert (lead.person.full_name, lead.consent.form) == (NAME, "Форма")
