"""Posts as people really send them, through the receiver: none of them is lost because of how it was typed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from leadbridge.domain.lead import Lead
from leadbridge.partners.matchtrade.accounts import AccountForm
from leadbridge.partners.matchtrade.credentials import BrokerCredentials
from leadbridge.settings import Source
from quality.testkit.forms.receiver import Endpoint, configured, opened, proven, sample
from quality.testkit.partners.matchtrade import SECRET

LOAN = {
    "name": "person.full_name",
    "phone": "person.phone",
    "email": "person.email",
    "ipn": "person.tax_number",
    "job": "person.activity",
    "amount": "loan.amount",
    "term": "loan.term",
}
BROKER = {
    "name": "person.full_name",
    "first": "person.first_name",
    "last": "person.last_name",
    "phone": "person.phone",
    "email": "person.email",
    "site": "trading.site",
}
BORROWER = {
    "name": "Тестенко Яна Петрівна",
    "phone": "050 000 00 01",
    "ipn": "3068208400",
    "job": "вчителька",
    "amount": "6000",
    "term": "12",
}
TRADER = {"name": "Ada Example", "phone": "+380501234567", "email": "ada@example.com"}


def source(**changed: Any) -> Source:
    """A plain form for a loan."""
    return Source.model_validate({"adapter": "plain", "partners": ["leadleader"], "fields": LOAN, **changed})


def broker_source(**changed: Any) -> Source:
    """A plain form for a broker."""
    return source(partners=["matchtrade"], fields=BROKER, **changed)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """The handler. `post` replaces the configuration of one source."""
    with opened(configured()) as endpoint:
        yield endpoint


def post(endpoint: Endpoint, form: Source, content: dict[str, Any]) -> tuple[dict[str, Any], Lead]:
    """Post a form; return the answer and the stored lead."""
    endpoint.app.receiver().settings.sources["plain-credit"] = form
    event = sample("plain_json", body=json.dumps(content, ensure_ascii=False))
    answer = endpoint.take(proven(event))
    return answer[1], endpoint.lead(answer)


def warned(lead: Lead, path: str) -> list[str]:
    """The codes of the warnings about one field."""
    return [warning.code.value for warning in lead.warnings if warning.field == path]


# What is typed in one field of a complete lead, and what the lead has.
READ: list[tuple[dict[str, object], str, object, list[str]]] = [
    ({"phone": "00380 50 123 45 67"}, "person.phone", "+380501234567", []),
    ({"phone": "63 123 45 67"}, "person.phone", "+380631234567", []),
    ({"phone": "380501234567.0"}, "person.phone", "+380501234567", []),
    ({"phone": 501234567}, "person.phone", "+380501234567", []),
    ({"phone": "050 123 45 67, 067 123 45 67"}, "person.phone", "+380501234567", ["first_of_several"]),
    ({"phone": "+38 (050) 123-45-67 доб. 12"}, "person.phone", "+380501234567", ["extra_text"]),
    ({"amount": "15000 грн"}, "loan.amount", "15000", []),
    ({"amount": "10.000,00"}, "loan.amount", "10000.00", []),
    ({"amount": "20 тис"}, "loan.amount", "20000", []),
    ({"amount": "15\u202f000 ₴"}, "loan.amount", "15000", []),
    ({"amount": "€500"}, "loan.amount", "500", ["other_currency"]),
    ({"term": "12 міс"}, "loan.term", "12", []),
    ({"term": "1 рік"}, "loan.term", "12", []),
    ({"term": "12.0"}, "loan.term", "12", []),
    ({"ipn": "3068 208 400"}, "person.tax_number", "3068208400", []),
    ({"ipn": "ІПН: 3068208400"}, "person.tax_number", "3068208400", []),
    ({"ipn": 3068208400}, "person.tax_number", "3068208400", []),
    ({"email": "mailto:ada@example.com"}, "person.email", "ada@example.com", []),
    ({"email": "Ada <ada@example.com>"}, "person.email", "ada@example.com", []),
    ({"email": "аda@example.com"}, "person.email", "аda@example.com", ["mixed_alphabets"]),
    ({"email": "немає"}, "person.email", None, ["not_an_email"]),
    (
        {"name": "Дем&#039;яненко Зоряна Лук&#039;янівна"},
        "person.full_name",
        "Дем'яненко Зоряна Лук'янівна",
        ["unescaped"],
    ),
    ({"name": "О\\'Коннор Яна Петрівна"}, "person.full_name", "О'Коннор Яна Петрівна", ["unescaped"]),
    ({"job": "кухар 👩‍🍳"}, "person.activity", "кухар 👩‍🍳", []),
    ({"job": "????????"}, "person.activity", "????????", ["damaged_text"]),
    ({"job": "вчителька " * 60}, "person.activity", ("вчителька " * 26)[:255], ["too_long"]),
]


@pytest.mark.parametrize(("changed", "path", "stored", "codes"), READ)
def test_a_field_is_read_as_it_was_typed(
    endpoint: Endpoint, changed: dict[str, object], path: str, stored: object, codes: list[str]
) -> None:
    answer, lead = post(endpoint, source(), {**BORROWER, **changed})
    assert answer["status"] == "received"
    assert lead.partners == ("leadleader",)
    value = lead.value(path)
    assert (value if value is None else str(value)) == stored
    assert warned(lead, path) == codes
    assert bool(lead.answers) == bool(codes)
    if codes:
        assert lead.answers[next(iter(changed))] == str(next(iter(changed.values())))


# What is typed in a field that the partner needs, and the code of the problem.
KEPT = [
    ({"phone": "(202) 555-0143"}, "person.phone", "not_a_phone"),
    ({"phone": "48512345678"}, "person.phone", "not_a_phone"),
    ({"phone": "+48 512 345 678"}, "person.phone", "wrong_country"),
    ({"phone": "3.80501E+11"}, "person.phone", "digits_lost"),
    ({"amount": "5000-10000"}, "loan.amount", "ambiguous_number"),
    ({"amount": "від 5000 до 10000"}, "loan.amount", "ambiguous_number"),
    ({"amount": "1.000,000"}, "loan.amount", "ambiguous_number"),
    ({"term": "6-12 міс"}, "loan.term", "ambiguous_number"),
    ({"term": "30 днів"}, "loan.term", "other_unit"),
    ({"ipn": "306820840"}, "person.tax_number", "not_ten_digits"),
    ({"ipn": ""}, "person.tax_number", "required"),
    ({"name": "???????? ??? ????????"}, "person.full_name", "damaged_text"),
    ({"name": "Ð¢ÐµÑ\x81Ñ\x82ÐµÐ½ÐºÐ¾ Ð¯Ð½Ð°"}, "person.full_name", "damaged_text"),
    ({"name": "Òåñòåíêî ßíà Ïåòð³âíà"}, "person.full_name", "damaged_text"),
    ({"name": "fd986440-0000-4000-8000-000000000000"}, "person.full_name", "not_words"),
    ({"name": "12345"}, "person.full_name", "no_letters"),
]


@pytest.mark.parametrize(("changed", "path", "code"), KEPT)
def test_what_a_partner_needs_and_cannot_be_read_is_kept(
    endpoint: Endpoint, changed: dict[str, str], path: str, code: str
) -> None:
    answer, lead = post(endpoint, source(), {**BORROWER, **changed})
    assert answer["status"] == "incomplete"
    assert [(error["field"], error["code"]) for error in answer["errors"]] == [(path, code)]
    assert lead.partners == ()
    assert lead.answers == {name: text for name, text in {**BORROWER, **changed}.items() if text}


@pytest.mark.parametrize(
    ("form", "typed", "stored"),
    [
        (broker_source(), "63 123 45 67", "+380631234567"),
        (broker_source(phone_country="US"), "(202) 555-0143", "+12025550143"),
        (broker_source(phone_country="PL"), "512 345 678", "+48512345678"),
        (broker_source(), "(202) 555-0143", None),
        (broker_source(phone_country="PL"), "063 123 45 67", None),
    ],
)
def test_a_phone_is_read_in_the_country_of_the_source(
    endpoint: Endpoint, form: Source, typed: str, stored: str | None
) -> None:
    answer, lead = post(endpoint, form, {**TRADER, "phone": typed})
    assert lead.person.phone == stored
    assert answer["status"] == ("received" if stored else "incomplete")


@pytest.mark.parametrize(
    ("number_format", "typed", "amount"),
    [("auto", "1,500", "1500"), ("decimal_comma", "1,500", "1.5"), ("decimal_point", "1.500", "1.5")],
)
def test_a_source_can_say_how_its_decimals_are_written(
    endpoint: Endpoint, number_format: str, typed: str, amount: str
) -> None:
    lead = post(endpoint, source(number_format=number_format), {**BORROWER, "amount": typed})[1]
    assert str(lead.loan.amount) == amount


@pytest.mark.parametrize(
    ("posted", "name", "surname", "full_name"),
    [
        ({"first": "Mary Ann", "last": "Legakis"}, "Mary Ann", "Legakis", "Legakis Mary Ann"),
        ({"name": "Тестенко Яна Петрівна"}, "Яна", "Тестенко", "Тестенко Яна Петрівна"),
        ({"name": "Яна Петрівна Тестенко"}, "Яна", "Тестенко", "Яна Петрівна Тестенко"),
        ({"name": "Ada Example"}, "Ada", "Example", "Ada Example"),
        ({"name": "Legakis, Mary Ann"}, "Mary Ann", "Legakis", "Legakis, Mary Ann"),
        ({"name": "Mary Legakis", "first": "Mary Ann"}, "Mary Ann", "Legakis", "Mary Legakis"),
    ],
)
def test_a_broker_gets_the_names_as_the_form_has_them(
    endpoint: Endpoint, posted: dict[str, str], name: str, surname: str, full_name: str
) -> None:
    answer, lead = post(endpoint, broker_source(), {**TRADER, "name": "", **posted})
    assert answer["status"] == "received"
    assert lead.person.full_name == full_name
    account = AccountForm().body(lead, BrokerCredentials.of(SECRET))["account"]
    assert (account["name"], account["surname"]) == (name, surname)


def test_a_part_of_a_name_that_cannot_be_one_does_not_cost_the_other_parts(endpoint: Endpoint) -> None:
    answer, lead = post(endpoint, broker_source(), {**TRADER, "name": "", "first": "????", "last": "Legakis"})
    assert answer["status"] == "received"
    assert (lead.person.first_name, lead.person.full_name) == (None, "Legakis")
    assert warned(lead, "person.first_name") == ["damaged_text"]


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ('{"name": NaN}', "The body contains NaN or Infinity, which are not JSON."),
        ('{"name": ', "The body is not JSON."),
        ('{"name": "a", "name": "b"}', "An object in the body has a duplicate key."),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_in_a_sentence(endpoint: Endpoint, body: str, detail: str) -> None:
    status, problem = endpoint.take(proven(sample("plain_json", body=body)))
    assert (status, problem["detail"]) == (400, detail)


def test_a_text_without_fields_is_kept(endpoint: Endpoint) -> None:
    event = sample("plain_json", body="Тестенко Яна, 050 000 00 01")
    event["headers"] = {**event["headers"], "Content-Type": "text/plain"}
    answer = endpoint.take(proven(event))
    assert (answer[0], answer[1]["status"]) == (202, "incomplete")
    assert endpoint.lead(answer).answers == {"text": "Тестенко Яна, 050 000 00 01"}


@pytest.mark.parametrize(
    ("content", "answers"),
    [
        ({"name": "Ada", "contact": {"phone": "050"}}, {"name": "Ada", "contact.phone": "050"}),
        ({"person": "Ada, 050"}, {"person": "Ada, 050"}),
        ({"person": {"phone": {"number": "050"}}}, {"person.phone.number": "050"}),
    ],
)
def test_a_body_without_the_structure_of_a_lead_is_kept_as_it_came(
    endpoint: Endpoint, content: dict[str, Any], answers: dict[str, str]
) -> None:
    sources = endpoint.app.receiver().settings.sources
    sources["web"] = sources["web"].model_copy(update={"on_invalid": "keep"})
    answer = endpoint.take(proven(sample("good", body=json.dumps(content))))
    assert answer[1]["status"] == "incomplete"
    assert endpoint.lead(answer).answers == answers
