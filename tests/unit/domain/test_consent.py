"""Consent: evidence that is kept as the form tells it, and that never refuses a lead."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadbridge.api.schemas import lead_view
from leadbridge.domain.acceptance.build import build_lead
from leadbridge.domain.acceptance.consent import Consent
from leadbridge.domain.lead import LeadFields
from leadbridge.storage.items import decode, encode, lead_item, lead_of
from leadbridge.storage.leads import Journey
from quality.testkit.people import NOW, asked, lead
from quality.testkit.rubbish import json_values

FULL = {
    "given_at": "2026-01-31T10:00:00.000Z",
    "form": "Заявка",
    "page_url": "https://example.com/",
    "text": "Погоджуюся",
    "ip": "192.0.2.1",
    "user_agent": "Firefox",
}


def kept(value: Any) -> dict[str, Any]:
    return LeadFields.model_validate({"consent": value}).consent.model_dump(exclude_none=True)


@pytest.mark.parametrize(
    ("written", "known"),
    [
        ("2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00.000Z"),
        ("2026-01-31T10:00:00.123456Z", "2026-01-31T10:00:00.123Z"),
        ("2026-01-31 10:00", "2026-01-31T10:00:00"),
        ("20260131T1000Z", "2026-01-31T10:00:00.000Z"),
        ("31 січня 2026 р. 10:00", "31 січня 2026 р. 10:00"),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+14:00"),
        ("я" * 99, "я" * 64),
        (1793610844, "1793610844"),
    ],
)
def test_a_time_is_reported_in_utc_if_it_can_be(written: Any, known: str) -> None:
    assert kept({"given_at": written}) == {"given_at": known}


@pytest.mark.parametrize(
    ("ip", "known"),
    [("192.0.2.1", True), ("2001:db8::1", True), ("192.0.2.1, 10.0.0.1", False), ("x", False), (5, False)],
)
def test_only_an_address_is_kept_as_one(ip: Any, known: bool) -> None:
    assert ("ip" in kept({"ip": ip})) == known


def test_what_is_too_long_is_cut() -> None:
    lengths = {"form": 255, "page_url": 2048, "text": 4096, "user_agent": 512}
    assert kept(dict.fromkeys(lengths, "я" * 9999)) == {name: "я" * length for name, length in lengths.items()}


@pytest.mark.parametrize(
    "wrong", [None, 5, "yes", [], [1], {"text": ["a"]}, {"text": True}, {"text": "\ud800"}, {"x": 1}]
)
def test_what_is_wrong_is_omitted(wrong: Any) -> None:
    assert kept(wrong) == {}


@given(json_values() | st.dictionaries(st.sampled_from(sorted(FULL)), json_values()))
def test_nothing_about_consent_refuses_a_lead(value: Any) -> None:
    values = {**asked(), "consent": value}
    built = build_lead(values, lead_id="ld_a", source="web", received_at=NOW, partners={})
    assert isinstance(built.consent, Consent)
    assert lead_of(decode(encode(lead_item(built, phone_hash=None)))) == built


def test_it_is_kept_with_the_lead_and_shown() -> None:
    known = lead().model_copy(update={"consent": Consent(**FULL)})
    again = lead_of(decode(encode(lead_item(known, phone_hash=None))))
    assert again.consent == known.consent
    assert lead_view(Journey(again, {}, ()))["consent"] == FULL


def test_a_lead_without_any_shows_none() -> None:
    assert "consent" not in lead_view(Journey(lead(), {}, ()))
    assert "consent" not in lead_item(lead(), phone_hash=None)
