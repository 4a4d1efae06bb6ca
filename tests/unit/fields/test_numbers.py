"""Amounts and terms: what has one reading is read, anything else is a problem of the field."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadbridge.domain import fields
from quality.testkit.reading import problem, read, warnings

SPACES = [" ", "\u00a0", "\u202f", "\u2009"]
# The separators of the groups, and of the decimals.
NOTATIONS = st.sampled_from(
    [(space, mark) for space in (*SPACES, "'", "’") for mark in ",."] + [(",", "."), (".", ","), ("", "."), ("", ",")]
)
CURRENCIES = st.sampled_from(
    ["{}", "{} грн", "{}грн.", "₴{}", "₴ {}", "{} ₴", "{} UAH", "UAH {}", "{} гривень", " {} ", "{} гpн", "{},-"]
)


@given(whole=st.integers(1, 10**12), cents=st.none() | st.integers(0, 99), notation=NOTATIONS, currency=CURRENCIES)
def test_grouped_amounts_are_read_to_the_digit(
    whole: int, cents: int | None, notation: tuple[str, str], currency: str
) -> None:
    group, mark = notation
    typed = f"{whole:,}".replace(",", group) + ("" if cents is None else f"{mark}{cents:02d}")
    if cents is not None and currency.endswith(",-"):
        currency = "{}"
    expected = str(whole) if cents is None else f"{whole}.{cents:02d}"
    assert str(read(fields.amount, currency.format(typed))) == expected
    assert warnings(fields.amount, currency.format(typed)) == []


# The table of the rules in docs/forms.md.
@pytest.mark.parametrize(
    ("typed", "amount"),
    [
        ("15000 грн", "15000"),
        ("₴15000", "15000"),
        ("15 000,00", "15000.00"),
        ("10.000,00", "10000.00"),
        ("10,000.00", "10000.00"),
        ("10'000", "10000"),
        ("10.000", "10000"),
        ("10,000", "10000"),
        ("1.000.000", "1000000"),
        ("1 000,5", "1000.5"),
        ("10,5", "10.5"),
        ("12.0", "12.0"),
        ("0,500", "0.5"),
        ("1000,000", "1000"),
        ("15000.", "15000"),
        ("15000,-", "15000"),
        ("15000-", "15000"),
        ("15 000 =", "15000"),
        ("15000.– грн", "15000"),
        ("10 тис", "10000"),
        ("10 тис. грн.", "10000"),
        ("10тисяч", "10000"),
        ("1,5 тис", "1500"),
        ("10k", "10000"),
        ("10 К", "10000"),
        ("1,5 млн", "1500000"),
        ("1 млн 200 тис", "1200000"),
        ("1 тис 500 грн", "1500"),
        ("15000 грн 50 коп", "15000.5"),
        ("15000грн,50коп", "15000.5"),
        ("грн.15000", "15000"),
        ('"15000"', "15000"),
        ("«15 000,50»", "15000.50"),
        ("10000 (десять тисяч) гривень", "10000"),
        ("015000", "15000"),
        (Decimal("15000.50"), "15000.50"),
    ],
)
def test_amounts_are_read_as_people_type_them(typed: object, amount: str) -> None:
    assert str(read(fields.amount, typed)) == amount
    assert warnings(fields.amount, typed) == []


@pytest.mark.parametrize("typed", ["$15000", "15 000 USD", "€15.000", "15000 євро", "15000 руб."])
def test_the_sign_of_another_currency_is_a_warning(typed: str) -> None:
    assert read(fields.amount, typed) == 15000
    assert warnings(fields.amount, typed) == ["other_currency"]


@given(
    low=st.integers(1, 10**6),
    high=st.integers(1, 10**6),
    between=st.sampled_from(["-", " - ", " – ", "—", " до ", "..", " або ", " / ", "грн - ", " тис – "]),
    before=st.sampled_from(["", "від ", "from "]),
)
def test_a_range_is_a_problem_of_its_own(low: int, high: int, between: str, before: str) -> None:
    assert problem(fields.amount, f"{before}{low}{between}{high} грн") == "ambiguous_number"


@pytest.mark.parametrize(
    "typed",
    [
        "1.000,000",
        "1,000.000",
        "15 00",
        "1,00,000",
        "10.00.00",
        "1.500 тис",
        "до 5000",
        "більше 10000",
        "5000 грн 6000 грн",
        "0 500",
        ".5",
        ",50",
        "$.50",
        "грн ,5",
    ],
)
def test_a_number_with_several_readings_is_a_problem_of_its_own(typed: str) -> None:
    assert problem(fields.amount, typed) == "ambiguous_number"


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("багато", "not_a_number"),
        ("10 тис підписників", "not_a_number"),
        ("1e5", "not_a_number"),
        ("±5", "not_a_number"),
        ("-5000", "not_positive"),
        ("0", "not_positive"),
        ("10,1234", "too_many_decimals"),
        ("1" * 17, "too_many_digits"),
        ("1" * 300, "not_a_number"),
        ("грн", "not_a_number"),
    ],
)
def test_what_is_no_amount_has_a_code(typed: str, code: str) -> None:
    assert problem(fields.amount, typed) == code


@pytest.mark.parametrize(
    ("number_format", "typed", "amount"),
    [
        ("auto", "1,500", "1500"),
        ("auto", "1.500", "1500"),
        ("decimal_comma", "1,500", "1.5"),
        ("decimal_comma", "1.500", "1500"),
        ("decimal_comma", "1.000.000,5", "1000000.5"),
        ("decimal_comma", "10.5", "10.5"),
        ("decimal_point", "1.500", "1.5"),
        ("decimal_point", "1,500", "1500"),
        ("decimal_point", "1,000,000.5", "1000000.5"),
        ("decimal_point", "10,5", "10.5"),
    ],
)
def test_a_source_can_say_how_its_decimals_are_written(number_format: str, typed: str, amount: str) -> None:
    assert str(read(fields.amount, typed, number_format=number_format)) == amount


@given(st.text(alphabet="0123456789 .,'’-₴грнтиkмлн", max_size=30))
def test_an_amount_that_is_read_stays_as_it_is(typed: str) -> None:
    if problem(fields.amount, typed) is None and (amount := read(fields.amount, typed)) is not None:
        assert str(read(fields.amount, amount)) == str(amount)
        assert len(str(amount).partition(".")[2]) <= 2


@pytest.mark.parametrize(
    ("typed", "months"),
    [
        ("12 міс", 12),
        ("12 міс.", 12),
        ("12міс", 12),
        ("12 мiс", 12),  # with a Latin i
        ("12 месяцев", 12),
        ("12 months", 12),
        ("12m", 12),
        ("на 12 місяців", 12),
        ("12 (дванадцять) місяців", 12),
        ("12.0", 12),
        ("12,00", 12),
        (Decimal("12.0"), 12),
        ("1 рік", 12),
        ("2 роки", 24),
        ("5 років", 60),
        ("1 год", 12),
        ("1,5 року", 18),
        ("півроку", 6),
        ("1 рік 6 місяців", 18),
        ("1 рік і 6 місяців", 18),
        ("2 years", 24),
    ],
)
def test_terms_are_read_with_their_unit(typed: object, months: int) -> None:
    assert read(fields.term, typed) == months


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("6-12 міс", "ambiguous_number"),
        ("від 6 до 12", "ambiguous_number"),
        ("6 або 12 місяців", "ambiguous_number"),
        ("6 12", "ambiguous_number"),
        ("30 днів", "other_unit"),
        ("2 тижні", "other_unit"),
        ("12.5", "not_whole"),
        ("1,3 року", "not_whole"),
        ("довго", "not_a_number"),
        ("рік", "not_a_number"),
        ("12 міс міс", "not_a_number"),
        ("0", "out_of_range"),
        ("1000000", "out_of_range"),
        (10**30, "out_of_range"),
        (Decimal("1E+9"), "out_of_range"),
        (Decimal("NaN"), "not_whole"),
        (True, "not_whole"),
    ],
)
def test_what_is_no_term_has_a_code(typed: object, code: str) -> None:
    assert problem(fields.term, typed) == code


@given(years=st.integers(1, 40), months=st.integers(0, 11))
def test_years_and_months_are_added(years: int, months: int) -> None:
    rest = f" {months} міс" if months else ""
    assert read(fields.term, f"{years} р.{rest}") == 12 * years + months
