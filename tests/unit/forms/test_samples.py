"""The sample posts of every kind of form, through the real handler: what becomes of each."""

from typing import Any
from urllib.parse import urlencode

import pytest

from leadbridge.domain.clock import date_in
from leadbridge.domain.lead import Lead
from leadbridge.forms.base import adapter_named
from quality.testkit.forms.receiver import (
    Endpoint,
    adapter_of,
    cases,
    configured,
    opened,
    proven,
    sample,
    with_headers,
)

NO_LEADS = {"tilda_test": "test", "google_test": "test", "test_ping": "test", "tally_other_event": "ignored"}
LEADS = [case for case in cases() if case not in {*NO_LEADS, "invalid", "incomplete"}]
FORMS = [case for case in LEADS if adapter_of(case) != "standard_webhooks"]


@pytest.mark.parametrize("case", LEADS)
@pytest.mark.parametrize("which", [0, 1], ids=["current", "previous"])
def test_a_sample_becomes_a_lead_by_either_secret(endpoint: Endpoint, case: str, which: int) -> None:
    status, answer = endpoint.take(proven(sample(case), which))
    assert (status, answer["status"]) == (202, "received")


@pytest.mark.parametrize("case", LEADS)
def test_a_second_delivery_finds_the_first(endpoint: Endpoint, case: str) -> None:
    first, again = (endpoint.take(proven(sample(case), which)) for which in (0, 1))
    assert (again[0], again[1]["duplicate"]) == (200, True)
    if case != "google_lead":  # its secret is in its body
        assert again[1]["lead_id"] == first[1]["lead_id"]
    assert len(endpoint.store.leads) == 1


@pytest.mark.parametrize(("case", "status"), NO_LEADS.items())
def test_what_is_no_lead_is_answered_and_stored_nowhere(endpoint: Endpoint, case: str, status: str) -> None:
    assert endpoint.take(proven(sample(case))) == (200, {"status": status})
    assert endpoint.store.leads == {}


@pytest.mark.parametrize("case", [*LEADS, *NO_LEADS])
def test_a_sample_as_it_lies_there_is_refused(endpoint: Endpoint, case: str) -> None:
    assert endpoint.take(sample(case))[0] == 401


@pytest.mark.parametrize("case", [*LEADS, *NO_LEADS])
def test_another_sources_secret_proves_nothing(endpoint: Endpoint, case: str) -> None:
    event = proven(sample(case))
    other = "web" if event["pathParameters"]["source"] != "web" else "plain-credit"
    stranger = {**event, "pathParameters": {"source": other}}
    assert endpoint.take(with_headers(stranger, content_type="application/json"))[0] == 401
    assert endpoint.store.leads == {}


def test_the_incomplete_sample_is_kept_with_its_problem_and_its_answers(endpoint: Endpoint) -> None:
    status, said = endpoint.take(proven(sample("incomplete")))
    assert (status, said["status"]) == (202, "incomplete")
    assert [(one["field"], one["code"]) for one in said["errors"]] == [("person.phone", "not_a_phone")]
    assert endpoint.lead((status, said)).answers["Phone"] == "050 000 20 4 передзвоню"
    assert endpoint.take(proven(sample("incomplete")))[0] == 200


@pytest.mark.parametrize("case", FORMS)
def test_a_sample_is_complete(endpoint: Endpoint, case: str) -> None:
    lead = endpoint.lead(endpoint.take(proven(sample(case))))
    assert lead.warnings == ()
    assert lead.person.phone is not None
    assert lead.person.phone.startswith("+38050000")
    assert (lead.person.email or "").endswith("@example.com")
    assert lead.consent.model_dump(exclude_none=True)


@pytest.mark.parametrize("case", FORMS)
def test_an_unknown_content_type_is_refused(endpoint: Endpoint, case: str) -> None:
    accepts_text = adapter_of(case) == "plain"  # scripts send JSON as text
    for content_type in ("text/html" if accepts_text else "text/plain", "", "application/xml; charset=utf-8", None):
        assert endpoint.take(with_headers(proven(sample(case)), content_type=content_type))[0] == 415


@pytest.mark.parametrize("case", FORMS)
def test_a_body_that_is_too_long_is_refused(endpoint: Endpoint, case: str) -> None:
    assert endpoint.take(sample(case, body="я" * 200_000, isBase64Encoded=False))[0] == 413


def test_every_adapter_has_a_source_and_a_sample() -> None:
    sources = {case: sample(case)["pathParameters"]["source"] for case in LEADS}
    assert set(sources.values()) >= set(configured().sources) - {"meta-credit", "self-check", "web-trading"}


def test_every_adapter_can_prove_a_post_as_its_sender_does() -> None:
    for source in configured().sources.values():
        if source.adapter != "meta":
            assert callable(adapter_named(source.adapter).sign_request)


def test_a_source_may_answer_200() -> None:
    settings = configured()
    answering = settings.sources["elementor-credit"].model_copy(update={"answer": 200})
    sources = {**settings.sources, "elementor-credit": answering}
    with opened(settings.model_copy(update={"sources": sources})) as endpoint:
        assert endpoint.take(proven(sample("elementor_simple")))[0] == 200


# At any time the date in one of these zones is another one than in UTC.
@pytest.mark.parametrize("time_zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_a_lead_is_counted_on_its_day_in_the_configured_time_zone(time_zone: str) -> None:
    settings = configured()
    alerts = settings.alerts.model_copy(update={"time_zone": time_zone})
    with opened(settings.model_copy(update={"alerts": alerts})) as endpoint:
        lead = endpoint.lead(endpoint.take(proven(sample("elementor_simple"))))
    assert lead.day == date_in(time_zone, lead.received_at).isoformat()


def test_an_attachment_is_dropped_or_refused_as_configured() -> None:
    settings = configured()
    refusing = settings.sources["plain-credit"].model_copy(update={"files": "refuse"})
    with opened(settings) as endpoint:
        assert endpoint.take(proven(sample("plain_multipart")))[0] == 202
    with opened(settings.model_copy(update={"sources": {"plain-credit": refusing}})) as endpoint:
        status, problem = endpoint.take(proven(sample("plain_multipart")))
        assert (status, problem["detail"]) == (400, "The form contains files, and this source does not accept files.")
        assert endpoint.take(proven(sample("plain_urlencoded")))[0] == 202


def test_nothing_of_the_consent_is_logged(endpoint: Endpoint, capsys: pytest.CaptureFixture[str]) -> None:
    for case in FORMS:
        endpoint.take(proven(sample(case)))
    said = capsys.readouterr().out
    for private in ("198.51.100", "Погоджуюся", "Mozilla", "pozyka.example.com"):
        assert private not in said


def form(**fields: str) -> dict[str, Any]:
    """A good post of the plain form with some of its fields changed."""
    good = {
        "your-name": "Взірцева Людмила Богданівна",
        "your-phone": "0500002010",
        "your-tax-number": "3055006677",
        "your-activity": "Кухарка",
        "amount": "18000",
        "term": "6",
    }
    return proven(sample("plain_urlencoded", body=urlencode({**good, **fields})))


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"your-name": ""}, "person.full_name"),
        ({"your-phone": "+48 600 000 000"}, "person.phone"),
        ({"your-phone": "подзвоніть"}, "person.phone"),
        ({"your-tax-number": "123"}, "person.tax_number"),
        ({"your-activity": " "}, "person.activity"),
        ({"amount": "багато"}, "loan.amount"),
        ({"amount": "-1"}, "loan.amount"),
        ({"term": "до зарплати"}, "loan.term"),
    ],
)
def test_an_invalid_field_is_named_by_where_it_goes(endpoint: Endpoint, fields: dict[str, str], wrong: str) -> None:
    status, said = endpoint.take(form(**fields))
    assert (status, said["status"], [error["field"] for error in said["errors"]]) == (202, "incomplete", [wrong])


def test_no_consent_refuses_a_lead(endpoint: Endpoint) -> None:
    lead: Lead = endpoint.lead(endpoint.take(form(consent="я" * 100_00, _wpcf7="\u200b")))
    assert lead.consent.text == "я" * 4096
