"""What a lead is: built from anything a form may send, kept and read back as it was."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from leadbridge.api.schemas import lead_view
from leadbridge.domain.acceptance.build import build_lead
from leadbridge.domain.acceptance.ids import IDS
from leadbridge.domain.errors.field_codes import FieldCode, FieldError
from leadbridge.domain.lead import InvalidLead, Lead, Person, lead_id_of
from leadbridge.settings import Partner, Settings
from leadbridge.storage import items
from leadbridge.storage.leads import Journey
from quality.testkit.people import NOW, asked
from quality.testkit.rubbish import any_text, json_values
from quality.testkit.template import ROOT
from tools.config import read_toml

LENDER = Settings.model_validate(read_toml(ROOT / "config", "prod")).partners["leadleader"]
ANYBODY = LENDER.model_copy(update={"requires": (), "phone_country": None, "tax_number_checksum": "off"})
STRICT = LENDER.model_copy(update={"tax_number_checksum": "strict"})

PERSON = tuple(Person.model_fields)
LOAN = ("amount", "term")
TRADING = ("offer", "site", "description", "click_id")


def sections(values: Callable[[], st.SearchStrategy[Any]] = json_values) -> st.SearchStrategy[dict[str, Any]]:
    """The sections with anything in them, or anything in their place."""

    def section(*names: str) -> st.SearchStrategy[Any]:
        return st.fixed_dictionaries({}, optional={name: values() for name in (*names, "else")}) | values()

    return st.fixed_dictionaries(
        {},
        optional={
            "person": section(*PERSON),
            "loan": section(*LOAN),
            "trading": section(*TRADING),
            "utm": st.dictionaries(any_text(300), values(), max_size=40) | values(),
            "ids": section(*IDS),
            "else": values(),
        },
    )


def acceptable() -> st.SearchStrategy[dict[str, Any]]:
    """Sections that are mostly right, with the letters that make trouble."""
    text = st.text(alphabet="aZїЇ'’- \u00a0\u200d\u0301\u0308\u0958\u1e9b\u0323😀", max_size=20)
    amount = st.decimals(min_value=Decimal("0.01"), max_value=Decimal("99999999999999.99"), places=2)
    name = text.map(lambda letters: f"{letters}я")
    person = {
        "full_name": name,
        "first_name": name,
        "last_name": name,
        "phone": st.from_regex(r"(\+?38)?0(50|63|93)[0-9]{7}", fullmatch=True),
        "email": st.sampled_from(["o@example.com", "ї@приклад.укр", ""]),
        "tax_number": st.from_regex(r"[1-9][0-9]{9}", fullmatch=True),
        "activity": text,
        "city": text,
        "region": text,
    }
    loan = {"amount": amount | amount.map(str), "term": st.integers(1, 999_999)}
    return st.fixed_dictionaries(
        {
            "person": st.fixed_dictionaries({}, optional=person),
            "loan": st.fixed_dictionaries({}, optional=loan),
            "trading": st.fixed_dictionaries({}, optional=dict.fromkeys(TRADING, text)),
            "utm": st.dictionaries(text, text, max_size=5),
            "ids": st.dictionaries(st.sampled_from(IDS), text, max_size=5),
        }
    )


def build(values: dict[str, Any], *partners: Partner, received_at: datetime = NOW, refuses: bool = False) -> Lead:
    named = {f"partner{number}": partner for number, partner in enumerate(partners)}
    return build_lead(values, lead_id="ld_1", source="web", received_at=received_at, partners=named, refuses=refuses)


def wrong_fields(values: dict[str, Any], *partners: Partner) -> list[str]:
    with pytest.raises(InvalidLead) as caught:
        build(values, *partners, refuses=True)
    return [error.field for error in caught.value.errors]


@given(values=sections())
@pytest.mark.parametrize("partner", [LENDER, ANYBODY], ids=["who wants everything", "who wants nothing"])
def test_rubbish_makes_an_invalid_lead_and_nothing_else(partner: Partner, values: dict[str, Any]) -> None:
    try:
        build(values, partner, refuses=True)
    except InvalidLead as error:
        named = [each.field for each in error.errors]
        assert named
        assert len(set(named)) == len(named)


@given(values=sections())
def test_an_invalid_lead_names_no_field_but_a_leads_own(values: dict[str, Any]) -> None:
    known = {"person", "loan", "trading", "utm", "ids"}
    known |= {f"person.{name}" for name in PERSON} | {f"loan.{name}" for name in LOAN}
    known |= {f"trading.{name}" for name in TRADING}
    named: set[str] = set()
    try:
        build(values, LENDER, refuses=True)
    except InvalidLead as error:
        named = {each.field for each in error.errors}
    assert named <= known


@given(values=acceptable(), moment=st.integers(0, 10**12))
def test_a_lead_is_read_back_as_it_was_stored(values: dict[str, Any], moment: int) -> None:
    received_at = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(milliseconds=moment)
    lead = build(values, ANYBODY, received_at=received_at)
    item = items.encode(items.lead_item(lead, phone_hash="hash"))
    assert items.lead_of(items.decode(item)) == lead


@given(values=acceptable())
def test_a_lead_shows_its_amount_as_exact_text(values: dict[str, Any]) -> None:
    lead = build(values, ANYBODY)
    shown = lead_view(Journey(lead, {}, ()))["loan"].get("amount")
    assert shown == (None if lead.loan.amount is None else f"{lead.loan.amount:f}")


def test_a_lead_for_a_lender_has_all_that_the_contract_wants() -> None:
    lead = build(asked(), LENDER)
    assert (lead.person.phone, lead.loan.amount, lead.loan.term) == ("+380500000001", Decimal("6000.00"), 12)
    assert lead.warnings == ()


@pytest.mark.parametrize("field", ["full_name", "phone", "tax_number", "activity"])
@pytest.mark.parametrize("empty", [None, "", " \u00a0"])
def test_a_missing_field_is_named(field: str, empty: str | None) -> None:
    assert wrong_fields(asked(**{field: empty}), LENDER) == [f"person.{field}"]


def test_all_missing_fields_are_named() -> None:
    assert sorted(wrong_fields({}, LENDER)) == sorted(LENDER.requires)


def test_missing_fields_are_named_together_with_malformed_ones() -> None:
    values = {**asked(full_name=None, phone="no phone", email="no e-mail"), "loan": {"amount": "0"}}
    assert sorted(wrong_fields(values, LENDER)) == [
        "loan.amount",
        "loan.term",
        "person.email",
        "person.full_name",
        "person.phone",
    ]


def test_a_field_that_two_partners_want_is_named_once() -> None:
    assert wrong_fields(asked(phone=None), LENDER, STRICT) == ["person.phone"]


@pytest.mark.parametrize("section", ["person", "loan", "trading", "utm", "ids"])
@pytest.mark.parametrize("value", ["text", 1, [1], True, Decimal(1)], ids=str)
def test_a_section_that_is_no_object_is_omitted_with_a_warning(section: str, value: object) -> None:
    lead = build({**asked(), section: value}, ANYBODY, refuses=True)
    assert (section, FieldCode.NOT_AN_OBJECT) in [(one.field, one.code) for one in lead.warnings]


def test_a_foreign_phone_is_refused_for_a_lender_and_kept_for_others() -> None:
    assert wrong_fields(asked(phone="+48512345678"), LENDER) == ["person.phone"]
    assert build(asked(phone="+48512345678"), ANYBODY).person.phone == "+48512345678"


def test_a_wrong_check_digit_is_a_warning_an_error_or_nothing() -> None:
    values = asked(tax_number="1111122222")
    assert build(values, LENDER).warnings == (FieldError("person.tax_number", FieldCode.WRONG_CHECK_DIGIT),)
    assert build(values, ANYBODY).warnings == ()
    assert wrong_fields(values, STRICT) == ["person.tax_number"]


def test_a_strange_name_is_accepted_with_a_warning() -> None:
    assert build(asked(full_name="Oлена"), LENDER).warnings == (
        FieldError("person.full_name", FieldCode.FEW_WORDS),
        FieldError("person.full_name", FieldCode.MIXED_ALPHABETS),
    )


def test_unknown_fields_are_omitted() -> None:
    values = {**asked(role="admin"), "lead_id": "ld_2", "warnings": [["a", "b"]]}
    lead = build(values, LENDER)
    assert (lead.lead_id, lead.warnings) == ("ld_1", ())


@pytest.mark.parametrize(
    "tag",
    [
        pytest.param("a" * 5000, id="long"),
        pytest.param("\u0958" * 1024, id="longer once composed"),
        pytest.param(" a" * 1000, id="long with spaces"),
    ],
)
def test_a_long_tag_is_cut_and_is_no_reason_to_refuse_a_person(tag: str) -> None:
    (kept,) = build({**asked(), "utm": {"utm_content": tag}}, LENDER).utm.values()
    assert 0 < len(kept) <= 1024


@pytest.mark.parametrize(
    "utm",
    [
        pytest.param({"k" * 300: "v", "a": "b"}, id="a long name"),
        pytest.param({"test": True, "a": "b"}, id="a boolean"),
        pytest.param({"list": ["x"], "a": "b"}, id="a list"),
        pytest.param({"s": "\ud800", "a": "b"}, id="no text"),
    ],
)
def test_a_strange_tag_is_no_reason_to_refuse_a_person(utm: dict[str, Any]) -> None:
    assert build({**asked(), "utm": utm}, LENDER).utm["a"] == "b"


def test_there_are_at_most_thirty_tags() -> None:
    assert len(build({**asked(), "utm": {f"k{number}": "v" for number in range(100)}}, LENDER).utm) == 30


@given(st.text(), st.text())
def test_a_leads_id_is_always_the_same(source: str, delivery_id: str) -> None:
    lead_id = lead_id_of(source, delivery_id)
    assert lead_id == lead_id_of(source, delivery_id)
    assert len(lead_id) == 29
    assert lead_id.startswith("ld_")
    assert lead_id[3:].isalnum()


@example(("a\0b", "c"), ("a", "b\0c"))
@example(("a", "\0b"), ("a\0", "b"))
@given(st.tuples(st.text(), st.text()), st.tuples(st.text(), st.text()))
def test_two_deliveries_never_share_an_id(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (lead_id_of(*one) == lead_id_of(*other)) == (one == other)
