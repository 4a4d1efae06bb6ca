"""The ids of a lead: what is kept of them, and that none is a person's contact."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadbridge.api.masking import MASK, masked_ids
from leadbridge.domain.acceptance.build import read_values
from leadbridge.domain.acceptance.ids import IDS, MAX_ID_LENGTH, MAX_IDS_BYTES
from leadbridge.domain.lead import LeadFields, changed_fields
from quality.testkit.rubbish import any_text, json_values

GCLID = "Cj0KCQiA5NSGBhDKARIsAKKVwhcx8aTfdW-0a1tCBtLuTLbWQb3j5X7V0mYfF2bq0aAq5oEALw_wcB"
FBC = "fb.1.1554763741205.IwAR2F4-dbP0l7Mn1IawQQGCINEz7PYXQvwjNwB_qa2ofrHyiLjcbCRxTDMgk"
PERSON = {"phone": "+48 512 345 678", "tax_number": "3068208400"}


def read(ids: Any, **sections: Any) -> tuple[dict[str, str], list[tuple[str, str]]]:
    found = read_values({"person": PERSON, "ids": ids, **sections})
    assert not found.wrong
    return found.asked.ids, [(one.field, one.code.value) for one in found.warnings]


def test_known_ids_are_kept_as_they_came() -> None:
    ids = {"gclid": GCLID, "fbc": FBC, "sub1": "fb | ад 1", "campaign_id": 20312345678, "sub10": "2024-01-15"}
    assert read(ids) == ({**ids, "campaign_id": "20312345678"}, [])


@pytest.mark.parametrize("ids", [None, {}, {"gclid": None, "sub1": " "}, {"utm_source": "x", "sub11": "x", "": "x"}])
def test_without_known_ids_there_are_none(ids: Any) -> None:
    assert read(ids) == ({}, [])


def test_control_characters_are_removed() -> None:
    assert read({"sub1": " a\x00\x1b[31m\r\nb\u202e\u200b "})[0] == {"sub1": "a[31m b"}


@pytest.mark.parametrize("macro", ["{gclid}", "{{ad.id}}", "null", "undefined"])
def test_a_macro_that_was_not_replaced_is_no_id(macro: str) -> None:
    assert read({"gclid": macro}) == ({}, [])


@pytest.mark.parametrize(
    "value",
    [
        *("ada@example.com", "mail:ada@example.com;1", "ada%40example.com"),
        *("+380501234567", "tel +380 (50) 123-45-67", "%2B380501234567", "00380501234567"),
        *("0501234567", "050 123-45-67", "380501234567"),
        *("48512345678", "512-345-678", "x512345678x", "3068208400", "id-3068208400"),
    ],
)
@pytest.mark.parametrize("name", ["click_id", "sub1"])
def test_a_contact_is_no_id(name: str, value: str) -> None:
    assert read({name: value, "sub2": "b"}) == ({"sub2": "b"}, [(f"ids.{name}", "personal_data")])


@pytest.mark.parametrize("value", ["20312345678", "634598765432", "380512345679", "120210000000000021"])
@pytest.mark.parametrize("name", ["campaign_id", "adgroup_id", "creative_id", "leadgen_id"])
def test_the_numbers_of_a_network_are_no_phones(name: str, value: str) -> None:
    assert read({name: value}) == ({name: value}, [])


def test_the_persons_own_phone_is_never_an_id() -> None:
    assert read({"campaign_id": "48512345678"}) == ({}, [("ids.campaign_id", "personal_data")])


def test_an_id_that_is_too_long_is_not_stored() -> None:
    """A shortened id would be another one."""
    longest = "g" * MAX_ID_LENGTH
    assert read({"gclid": longest}) == ({"gclid": longest}, [])
    assert read({"gclid": f"{longest}g"}) == ({}, [("ids.gclid", "too_long")])


def test_the_click_id_of_a_trader_is_an_id() -> None:
    trading = {"click_id": "c1"}
    assert read({}, trading=trading)[0] == {"click_id": "c1"}
    assert read({"click_id": "c2"}, trading=trading)[0] == {"click_id": "c2"}
    assert read({}, trading={"click_id": "ada@example.com"}) == ({}, [("ids.click_id", "personal_data")])


def test_the_click_id_of_the_broker_is_its_own_or_that_of_the_ids() -> None:
    assert LeadFields.model_validate({"ids": {"click_id": "c2"}}).click_id == "c2"
    assert LeadFields.model_validate({"ids": {"click_id": "c2"}, "trading": {"click_id": "c1"}}).click_id == "c1"


@given(ids=st.dictionaries(st.sampled_from(IDS) | any_text(20), json_values() | any_text(2000)) | json_values())
def test_nothing_makes_reading_fail_or_keep_more_than_the_bounds(ids: Any) -> None:
    kept = read_values({"ids": ids}).asked.ids
    assert kept.keys() <= set(IDS)
    assert all(0 < len(text) <= MAX_ID_LENGTH for text in kept.values())
    assert sum(len(text.encode()) for text in kept.values()) <= MAX_IDS_BYTES


def test_a_masked_lead_shows_no_id_of_a_visit() -> None:
    assert masked_ids({"gclid": GCLID, "leadgen_id": "1", "sub1": "a", "campaign_id": "2"}) == {
        "gclid": MASK,
        "leadgen_id": MASK,
        "sub1": "a",
        "campaign_id": "2",
    }


def test_ids_that_differ_are_named_once() -> None:
    before, after = (LeadFields.model_validate({"ids": {"sub1": one, "sub2": one}}) for one in "ab")
    assert changed_fields(before, after) == ("ids",)
