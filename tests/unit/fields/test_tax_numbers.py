"""Tax numbers: how people and spreadsheets write the ten digits."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadbridge.domain import fields
from quality.testkit.reading import problem, read, warnings

WEIGHTS = (-1, 5, 7, 9, 4, 6, 10, 5, 7)


def with_check_digit(start: str) -> str:
    return start + str(sum(int(a) * b for a, b in zip(start, WEIGHTS, strict=True)) % 11 % 10)


NUMBERS = st.from_regex(r"[0-9]{9}", fullmatch=True).filter(lambda start: int(start) > 0).map(with_check_digit)
WITH_ZERO = st.from_regex(r"0[1-9][0-9]{7}", fullmatch=True).map(with_check_digit)


@given(number=NUMBERS, data=st.data())
def test_separators_and_prefixes_are_left_out(number: str, data: st.DataObject) -> None:
    separators = st.lists(st.sampled_from(["", "", " ", "-", "\u00a0", "\u2011", "."]), min_size=10, max_size=10)
    prefix = data.draw(
        st.sampled_from(
            [
                "",
                "ІПН ",
                "ІПН: ",
                "РНОКПП",
                "№",
                "ІПH ",
                "Ід. код ",
                "код № ",
                "ИНН ",
                "ипн ",
                '"',
                "«",
                "ідентифікаційний код - ",
                "# ",
            ]
        )
    )
    spaced = "".join(digit + after for digit, after in zip(number, data.draw(separators), strict=True))
    assert read(fields.tax_number, prefix + spaced) == number
    assert warnings(fields.tax_number, prefix + spaced) == []


@given(NUMBERS.filter(lambda number: number[0] != "0"))
def test_a_spreadsheet_writes_a_number_with_decimals(number: str) -> None:
    for typed in (
        f"{number}.0",
        f"{number},00",
        f"ІПН {number}.0",
        f'"{number}.0"',
        Decimal(f"{number}.0"),
        int(number),
    ):
        assert read(fields.tax_number, typed) == number
    assert read(fields.tax_number, f"{number[0]}.{number[1:]}E+09") == number


@given(WITH_ZERO)
def test_a_lost_zero_is_restored_where_the_check_digit_proves_it(number: str) -> None:
    for typed in (int(number), Decimal(number), f"{int(number)}.0"):
        assert read(fields.tax_number, typed) == number
        assert warnings(fields.tax_number, typed) == ["leading_zero_restored"]
    assert problem(fields.tax_number, str(int(number))) == "not_ten_digits"


@given(WITH_ZERO, st.integers(1, 9))
def test_a_lost_zero_is_not_restored_where_the_check_digit_is_wrong(number: str, difference: int) -> None:
    wrong = number[:-1] + str((int(number[-1]) + difference) % 10)
    assert problem(fields.tax_number, int(wrong)) == "not_ten_digits"


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("3.0682E+09", "digits_lost"),
        ("306820840", "not_ten_digits"),
        ("30682084001", "not_ten_digits"),
        ("3068208400 3652504575", "not_ten_digits"),
        ("3068208400 Яна", "not_ten_digits"),
        ("паспорт АА123456", "not_ten_digits"),
        ("немає", "not_ten_digits"),
        ("000 000 0000", "all_zeros"),
        ("3" * 300, "too_long"),
        (Decimal("1E+999999"), "not_ten_digits"),
    ],
)
def test_what_is_no_tax_number_has_a_code(typed: object, code: str) -> None:
    assert problem(fields.tax_number, typed) == code
