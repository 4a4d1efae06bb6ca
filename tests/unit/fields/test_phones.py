"""Phone numbers: the notations that people use, and what is never guessed."""

from __future__ import annotations

from decimal import Decimal

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat

from leadbridge.domain import fields
from quality.testkit.reading import problem, read, warnings

SUBSCRIBERS = st.from_regex(r"(?:50|63|67|73|93|44|56)[0-9]{7}", fullmatch=True)
SEPARATORS = st.lists(
    st.sampled_from(["", "", " ", "-", "(", ")", ".", "\u00a0", "\u2011", " - "]), min_size=9, max_size=9
)
REGIONS = sorted(region for region in phonenumbers.SUPPORTED_REGIONS if phonenumbers.example_number(region))


@given(
    subscriber=SUBSCRIBERS, prefix=st.sampled_from(["", "0", "80", "380", "+380", "00380", "+80", "+0"]), data=st.data()
)
def test_all_ways_to_write_a_ukrainian_number_give_one_result(
    subscriber: str, prefix: str, data: st.DataObject
) -> None:
    typed = prefix + "".join(a + b for a, b in zip(data.draw(SEPARATORS), subscriber, strict=True))
    assert read(fields.phone, typed) == f"+380{subscriber}"
    assert warnings(fields.phone, typed) == []
    assert fields.is_ukrainian(f"+380{subscriber}")


@pytest.mark.parametrize("region", REGIONS)
def test_an_example_number_of_each_country_is_read_in_its_usual_notations(region: str) -> None:
    number = phonenumbers.example_number(region)
    assert number is not None
    written = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    international = phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL)
    national = phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
    assert read(fields.phone, written) == read(fields.phone, international) == written
    assert read(fields.phone, f"00{written[1:]}") == written
    assert read(fields.phone, f"tel:{written}") == written
    assert read(fields.phone, national, phone_country=region) == written
    assert fields.is_phone_of(written, region)


@pytest.mark.parametrize("code", range(100))
def test_ukrainian_numbers_are_valid_as_in_the_numbering_plan(code: int) -> None:
    for rest in ("0000001", "1234567", "9999999", "2012345"):
        number = f"+380{code:02d}{rest}"
        is_valid = phonenumbers.is_valid_number(phonenumbers.parse(number))
        assert (problem(fields.phone, number) is None) == is_valid


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("63 123 45 67", "+380631234567"),
        ("+38 50 123 45 67", "+380501234567"),
        ("38501234567", "+380501234567"),
        ("8 10 380 50 123 45 67", "+380501234567"),
        ("380501234567.0", "+380501234567"),
        ("501234567.00", "+380501234567"),
        ("3.80501234567E+11", "+380501234567"),
        ("3,80501234567E+11", "+380501234567"),
        (380501234567, "+380501234567"),
        (501234567, "+380501234567"),
        (Decimal("380501234567.0"), "+380501234567"),
        (Decimal("3.80501234567E+11"), "+380501234567"),
        ("0800 500 500", "+380800500500"),
        ("٠٥٠١٢٣٤٥٦٧", "+380501234567"),
    ],
)
def test_forms_and_spreadsheets_write_numbers_in_their_own_ways(typed: object, number: str) -> None:
    assert read(fields.phone, typed) == number
    assert warnings(fields.phone, typed) == []


@pytest.mark.parametrize(
    "typed",
    [
        "(202) 555-0143",
        "2025550143",
        "48512345678",  # no plus: not guessed to be a Polish number
        "12025550143",
        "38631123456",  # Ukrainian without its 0, or Slovenian
        "12345",
        "0501234567 8",
        "050 123 45",
        "050-123-45-6x",
        "+34123456789",
        "+380001234567",
        "+",
        "++",
        "немає",
        "3.805E+11 грн",
    ],
)
def test_a_number_that_is_not_valid_in_ukraine_is_a_problem(typed: str) -> None:
    assert problem(fields.phone, typed) == "not_a_phone"


@pytest.mark.parametrize("typed", ["3.80501E+11", "3,8E+11", Decimal("3.805E+11")])
def test_a_number_that_a_spreadsheet_rounded_is_a_problem(typed: object) -> None:
    assert problem(fields.phone, typed) == "digits_lost"


@pytest.mark.parametrize(
    ("country", "typed", "number"),
    [
        ("US", "(202) 555-0143", "+12025550143"),
        ("US", "011 380 50 123 45 67", "+380501234567"),
        ("PL", "512 345 678", "+48512345678"),
        ("PL", "48512345678", "+48512345678"),
        ("PL", "380501234567", "+380501234567"),
        ("KZ", "8 (701) 123-45-67", "+77011234567"),
    ],
)
def test_a_national_number_is_read_in_the_country_of_the_source(country: str, typed: str, number: str) -> None:
    assert read(fields.phone, typed, phone_country=country) == number


def test_a_number_of_another_country_is_not_read_in_the_country_of_the_source() -> None:
    assert problem(fields.phone, "0501234567", phone_country="PL") == "not_a_phone"


@given(
    first=SUBSCRIBERS,
    second=SUBSCRIBERS,
    between=st.sampled_from([", ", ";", " / ", " ", " або ", "\n", " та ", " | "]),
)
def test_the_first_of_several_numbers_counts(first: str, second: str, between: str) -> None:
    typed = f"0{first}{between}+380 {second}"
    assert read(fields.phone, typed) == f"+380{first}"
    assert warnings(fields.phone, typed) == ["first_of_several"]


@given(
    subscriber=SUBSCRIBERS,
    extension=st.sampled_from(
        [
            " ({})",
            " доб. {}",
            " доб {}",
            ", доб.{}",
            " ext. {}",
            " ext{}",
            " x{}",
            " вн. {}",
            " вн.{}",
            "#{}",
            " внутр. {}",
            " (доб. {})",
        ]
    ),
    digits=st.from_regex("[0-9]{1,5}", fullmatch=True),
)
def test_an_extension_is_not_part_of_the_number(subscriber: str, extension: str, digits: str) -> None:
    typed = f"+38 (0{subscriber[:2]}) {subscriber[2:]}{extension.format(digits)}"
    assert read(fields.phone, typed) == f"+380{subscriber}"
    assert warnings(fields.phone, typed) == ["extra_text"]


@pytest.mark.parametrize(
    "typed",
    [
        "тел. 050 123 45 67",
        "050 123 45 67 (Яна)",
        "Viber: 0501234567",
        "кв. 12, 0501234567",
        "О50 123 45 67",
        "++380501234567",
    ],
)
def test_words_around_a_number_are_left_out(typed: str) -> None:
    assert read(fields.phone, typed) == "+380501234567"
    assert warnings(fields.phone, typed) == ["extra_text"]


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("48512345678", "+48512345678"),
        (" 48512345678", "+48512345678"),
        ("+48512345678", "+48512345678"),
        ("380501234567", "+380501234567"),
        ("050 123 45 67", "+380501234567"),
    ],
)
def test_a_partners_number_may_lack_the_plus(typed: str, number: str) -> None:
    assert fields.phone_with_country(typed) == number


@pytest.mark.parametrize("typed", ["no phone", "12345", "", None])
def test_what_is_no_number_of_a_partner_is_none_either(typed: str | None) -> None:
    if typed:
        with pytest.raises(ValueError, match="phone number"):
            fields.phone_with_country(typed)
    else:
        assert fields.phone_with_country(typed) is None


def test_an_escaped_plus_is_a_plus() -> None:
    assert read(fields.phone, "&#43;48512345678") == "+48512345678"
    assert warnings(fields.phone, "&#43;48512345678") == ["unescaped"]


@given(st.from_regex(r"\+?[0-9]{5,16}", fullmatch=True), st.sampled_from(["UA", "US", "PL", "DE", "IT"]))
def test_a_number_that_is_read_is_valid_and_stays_as_it_is(typed: str, country: str) -> None:
    if problem(fields.phone, typed, phone_country=country) is None:
        number = read(fields.phone, typed, phone_country=country)
        assert phonenumbers.is_valid_number(phonenumbers.parse(number))
        assert read(fields.phone, number) == number
