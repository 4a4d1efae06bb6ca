"""The body that makes an account of a lead, and the four parts of its source."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadbridge.domain.errors.partner_errors import Misconfigured
from leadbridge.domain.lead import Trading
from leadbridge.partners.matchtrade.accounts import AccountForm, lead_source
from leadbridge.partners.matchtrade.credentials import BrokerCredentials
from quality.testkit.partners.matchtrade import NAMES, SECRET, lead, trading
from quality.testkit.rubbish import json_values

ONE_PART = st.text(st.characters(exclude_characters="|", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=30)


def body(form: AccountForm | None = None, **changes: Any) -> dict[str, Any]:
    return (form or AccountForm()).body(lead(**changes), BrokerCredentials.of(SECRET))


def account(form: AccountForm | None = None, **changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = body(form, **changes)["account"]
    return made


# The source


def test_the_source_is_four_parts_joined_by_pipes() -> None:
    parts = {
        "offer": "Test Offer",
        "site": "testoffer.com",
        "description": "Test Description ",
        "click_id": "a12dd0a66a",
    }
    assert lead_source(trading(parts)) == "Test Offer|testoffer.com|Test Description|a12dd0a66a"


@pytest.mark.parametrize(
    ("parts", "source"),
    [
        ({"offer": "a"}, "a|||"),
        ({"click_id": "d"}, "|||d"),
        ({"offer": "a", "description": "c"}, "a||c|"),
        ({"offer": " a ", "site": "  "}, "a|||"),
        ({}, ""),
        ({"offer": " ", "click_id": ""}, ""),
    ],
)
def test_an_empty_part_keeps_its_place(parts: dict[str, str], source: str) -> None:
    assert lead_source(trading(parts)) == source


@given(st.fixed_dictionaries({name: st.none() | ONE_PART for name in NAMES}))
def test_every_part_can_be_read_again_from_its_place(parts: dict[str, str | None]) -> None:
    source = lead_source(trading(parts))
    expected = [(parts[name] or "").strip() for name in NAMES]
    assert source.split("|") == (expected if any(expected) else [""])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "inside", ["|", " | ", "||", "\n", "\r", "\r\n", "\u2028", "\u2029", "\x85", "\x0b", "\x0c", " |\n"]
)
def test_a_pipe_or_the_end_of_a_line_inside_a_part_becomes_a_slash(name: str, inside: str) -> None:
    parts = ["a / b" if one == name else "" for one in NAMES]
    assert lead_source(trading({name: f"a{inside}b"})) == "|".join(parts)


def test_the_longest_parts_are_shortened_and_the_click_id_is_not() -> None:
    parts = {"offer": "o" * 20, "site": "s" * 300, "description": "d" * 250, "click_id": "c" * 100}
    source = lead_source(trading(parts))
    assert len(source) in {254, 255}
    offer, site, description, click_id = source.split("|")
    assert (offer, click_id) == ("o" * 20, "c" * 100)
    assert len(site) == len(description)


def test_a_click_id_that_alone_does_not_fit_is_shortened() -> None:
    assert lead_source(trading({"offer": "a", "click_id": "c" * 300})) == "|||" + "c" * 252


@given(
    st.fixed_dictionaries({name: st.none() | st.text(max_size=300) for name in NAMES}),
    st.integers(min_value=1, max_value=400),
)
def test_any_source_fits_and_has_four_parts_or_none(parts: dict[str, str | None], longest: int) -> None:
    source = lead_source(trading(parts), longest=longest)
    assert len(source) <= longest
    assert source == "" or source.count("|") == 3
    assert len(source.splitlines()) <= 1


def test_an_end_of_a_line_at_the_end_of_a_part_is_trimmed() -> None:
    assert lead_source(trading({"offer": "a\r\n"})) == "a|||"


def test_the_source_has_the_click_id_of_the_ids_if_the_trader_has_none() -> None:
    other = {"ids": {"click_id": "of-ids", "gclid": "g"}}

    def sent(**changes: Any) -> str:
        one = lead(**changes).model_copy(update=other)
        made = AccountForm().body(one, BrokerCredentials.of(SECRET))["account"]
        return str(made["leadInfo"]["leadSource"])

    assert sent(offer="a") == "a|||of-ids"
    assert sent(offer="a", click_id="own") == "a|||own"


def test_the_source_may_be_given_unchanged() -> None:
    form = AccountForm(lead_source="our own | words")
    assert account(form, offer="a|b")["leadInfo"] == {"leadSource": "our own | words"}


def test_without_a_source_there_is_no_lead_info() -> None:
    assert "leadInfo" not in account()
    assert "leadInfo" not in account(AccountForm(lead_source=""), offer="a")


# The body


def test_the_body_is_the_contracts() -> None:
    assert body(offer="Test Offer", site="testoffer.com", description="Test Description", click_id="a12") == {
        "offerUuid": SECRET["offer_uuid"],
        "account": {
            "partnerId": 0,
            "email": "o@example.com",
            "name": "Ольга",
            "surname": "Петренко",
            "phone": "380501234567",
            "leadInfo": {"leadSource": "Test Offer|testoffer.com|Test Description|a12"},
        },
    }


def test_a_single_name_goes_out_without_a_surname() -> None:
    made = account(full_name="Мадонна")
    assert made["name"] == "Мадонна"
    assert "surname" not in made


def test_empty_fields_are_left_out() -> None:
    assert account(full_name=None, phone=None, email=None) == {"partnerId": 0}


def test_a_plus_is_a_setting() -> None:
    assert account(AccountForm(plus_in_phone=True))["phone"] == "+380501234567"


def test_further_fields_come_from_the_lead_or_are_the_same_for_all() -> None:
    form = AccountForm(
        fields={"city": "person.city", "state": "person.region", "address": "person.nothing", "postCode": "nothing"},
        constants={"country": "Ukraine", "clientType": ""},
    )
    assert account(form, city="Львів").items() >= {"city": "Львів", "country": "Ukraine"}.items()
    assert not {"state", "address", "postCode", "clientType"} & account(form, city="Львів").keys()


@pytest.mark.parametrize("form", [{"fields": {"email": "person.email"}}, {"constants": {"partnerId": "7"}}])
def test_a_field_that_is_sent_anyway_cannot_be_set(form: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="built in"):
        AccountForm(**form)


@pytest.mark.parametrize(
    ("field", "changes", "sent"),
    [
        ("name", {"full_name": "я" * 13}, "я" * 12),
        ("surname", {"full_name": "О " + "я" * 13}, "я" * 12),
        ("city", {"city": "я" * 13}, "я" * 12),
        ("phone", {"phone": "+4915112345678"}, "4915112345678"),
        ("email", {"email": "olha@example.com"}, "olha@example.com"),
        ("taxNumber", {"tax_number": "3068208400"}, "3068208400"),
    ],
)
def test_a_text_over_the_cap_is_shortened_and_what_makes_no_sense_shortened_is_sent_whole(
    field: str, changes: dict[str, str], sent: str
) -> None:
    short = {"full_name": "О П", "phone": None, "email": None}
    form = AccountForm(max_value_length=12, fields={"city": "person.city", "taxNumber": "person.tax_number"})
    assert account(form, **{**short, **changes})[field] == sent


def test_a_source_of_ones_own_is_shortened_to_the_cap() -> None:
    assert account(AccountForm(lead_source="я" * 255))["leadInfo"]["leadSource"] == "я" * 255
    assert account(AccountForm(lead_source="я" * 256))["leadInfo"]["leadSource"] == "я" * 255


# The secret


def test_the_secret_is_read() -> None:
    credentials = BrokerCredentials.of(SECRET)
    assert credentials.basic == "Basic Y2xpZW50OmNsaWVudCdz"
    assert credentials.url("proxy/x") == "https://broker.invalid/proxy/x"
    assert (credentials.partner_id, repr(credentials)) == (0, "BrokerCredentials(…)")


@pytest.mark.parametrize(("given", "read"), [(0, 0), ("0", 0), (7, 7), ("12", 12), (10**17, 10**17)])
def test_a_partner_id_is_a_number_or_its_digits(given: object, read: int) -> None:
    assert BrokerCredentials.of({**SECRET, "partner_id": given}).partner_id == read


@pytest.mark.parametrize("value", [None, "", "a", -1, "-1", True, 1.5, "٣", 10**18, "9" * 5000, [0]])
def test_anything_else_is_no_partner_id(value: object) -> None:
    with pytest.raises(Misconfigured) as caught:
        BrokerCredentials.of({**SECRET, "partner_id": value})
    assert caught.value.data == {"fields": ["partner_id"]}


@pytest.mark.parametrize("name", sorted(SECRET))
@pytest.mark.parametrize("value", [None, "", 1.5, ["a"]])
def test_what_the_secret_lacks_is_named(name: str, value: object) -> None:
    with pytest.raises(Misconfigured) as caught:
        BrokerCredentials.of({**SECRET, name: value})
    assert caught.value.data == {"fields": [name]}


@pytest.mark.parametrize(("name", "value"), [("client_id", "a:b"), ("password", "\ud800")])
def test_what_cannot_be_sent_is_not_usable(name: str, value: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        BrokerCredentials.of({**SECRET, name: value})
    assert caught.value.data == {"fields": [name]}


@given(st.dictionaries(st.sampled_from(sorted(SECRET)), json_values()))
def test_any_secret_is_usable_or_misconfigured(changes: dict[str, Any]) -> None:
    with suppress(Misconfigured):
        assert BrokerCredentials.of({**SECRET, **changes}).basic.isascii()


@pytest.mark.parametrize(
    ("offer", "uuid"),
    [("Gold", "uuid-gold"), (" gOLD ", "uuid-gold"), ("Silver", None), (None, None), ("offers", None)],
)
def test_a_lead_is_created_at_the_offer_that_it_names(offer: str | None, uuid: str | None) -> None:
    credentials = BrokerCredentials.of({**SECRET, "offers": {"gold": "uuid-gold"}})
    named = lead().model_copy(update={"trading": Trading(offer=offer)})
    assert AccountForm().body(named, credentials)["offerUuid"] == (uuid or SECRET["offer_uuid"])


@pytest.mark.parametrize(
    "offers", ["x", None, ["x"], {"gold": ""}, {"gold": 7}, {" ": "x"}, {"gold": "a", "GOLD": "b"}]
)
def test_offers_that_cannot_be_used_are_named_without_their_values(offers: object) -> None:
    with pytest.raises(Misconfigured, match="offers"):
        BrokerCredentials.of({**SECRET, "offers": offers})
