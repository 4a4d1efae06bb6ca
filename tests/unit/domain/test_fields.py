"""The normalisers: what people type, and what is kept of it."""

import json
import time
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from stdnum.ua import rntrc

from leadbridge.domain import fields
from leadbridge.domain.acceptance.consent import Consent
from leadbridge.domain.errors.partner_errors import PartnerError
from leadbridge.domain.fields.unicode_text import fold, normalize
from leadbridge.partners.http import Answer
from leadbridge.partners.leadleader.answers import status_in
from leadbridge.partners.matchtrade.rows import BrokerAccount
from leadbridge.storage.leeloo_events import LeelooEvent
from quality.testkit.rubbish import any_text, json_values

type Normaliser = Callable[[object], Any]

NORMALISERS: list[Normaliser] = [
    fields.text,
    fields.name,
    fields.words,
    fields.email,
    fields.phone,
    fields.tax_number,
    fields.amount,
    fields.term,
]
BY_NAME = pytest.mark.parametrize("normaliser", NORMALISERS, ids=lambda function: function.__name__)

HUGE = pytest.param(10**5000, id="a huge integer")

# Text near what each field takes: most of it is accepted, the rest nearly is.
NEARLY = st.one_of(
    st.text(alphabet="0123456789+-() .,\u00a0\u200b\u2011\u0660", max_size=24),
    st.text(alphabet="aZіЇ'’ʼ- \u00a0\u200b\u200d\u0301\u0308\u0344\ufeff\u0958\u1e9b\u0323", max_size=12),
    st.from_regex(r"\+?[0-9]{5,17}", fullmatch=True),
    st.from_regex(r"[a-z.]{1,8}@[a-z]{1,8}\.[a-z]{1,8}", fullmatch=True),
    st.from_regex(r"[0-9]{1,17}[.,]?[0-9]{0,3}", fullmatch=True),
    st.integers(min_value=0, max_value=10**17),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.decimals(min_value=0, max_value=10**16, places=2),
)


@BY_NAME
@given(value=json_values())
def test_rubbish_raises_value_errors_and_nothing_else(normaliser: Normaliser, value: object) -> None:
    _normalised(normaliser, value)


@BY_NAME
@example(value="e\u200d\u0301")
@example(value="\u0958" * 200)
@example(value="+390612345678")
@example(value="200000000000")
@given(value=NEARLY | any_text())
def test_a_clean_value_is_clean(normaliser: Normaliser, value: object) -> None:
    clean = _normalised(normaliser, value)
    assert _normalised(normaliser, clean) == clean


@BY_NAME
@given(value=NEARLY | any_text())
def test_a_clean_value_can_be_written_as_text(normaliser: Normaliser, value: object) -> None:
    json.dumps(str(_normalised(normaliser, value)), ensure_ascii=False).encode()


@BY_NAME
@given(value=st.text(alphabet="qxyzQXYZ", min_size=4, max_size=300))
def test_an_error_quotes_nothing_of_the_value(normaliser: Normaliser, value: str) -> None:
    said = ""
    try:
        normaliser(value)
    except ValueError as error:
        said = str(error)
    assert value not in said


@BY_NAME
@pytest.mark.parametrize("value", [None, "", "   ", "\u00a0\u2003\t\n"])
def test_nothing_is_nothing(normaliser: Normaliser, value: object) -> None:
    assert normaliser(value) is None


@BY_NAME
@pytest.mark.parametrize("value", [True, False, 1.5, [], {}, ["a"], {"a": 1}])
def test_a_value_of_another_kind_is_refused(normaliser: Normaliser, value: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        normaliser(value)


# --- text


@given(any_text())
def test_text_is_composed_and_its_white_space_collapsed(value: str) -> None:
    clean = _normalised(fields.text, value)
    if clean is None:
        return
    assert unicodedata.is_normalized("NFC", clean)
    assert " ".join(clean.split()) == clean
    assert len(clean) <= fields.MAX_TEXT_LENGTH


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("\u00a0Ольга\u00a0\u00a0Петрівна\u2003", "Ольга Петрівна"),
        ("Ольга\tПетрівна\r\nМар'яненко", "Ольга Петрівна Мар'яненко"),
        ("Іі\u0308на", "Іїна"),
        ("\ufeffОль\u00adга\u200b", "Ольга"),
        ("\u202eОльга\u202c", "Ольга"),
        ("О’Коннор-Мар\u02bcяненко", "О’Коннор-Мар\u02bcяненко"),
        (24, "24"),
    ],
)
def test_text_is_stored_without_invisible_characters(typed: object, kept: str) -> None:
    assert fields.text(typed) == kept


def test_text_has_a_limit() -> None:
    assert fields.text("ї" * 255) == "ї" * 255
    with pytest.raises(ValueError, match="at most 255"):
        fields.text("ї" * 256)


@pytest.mark.parametrize("value", ["\ud800", "a\udfffb", HUGE])
def test_what_is_no_text_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="invalid characters"):
        fields.text(value)


# --- phone


@given(
    subscriber=st.from_regex(r"(?:50|63|67|73|93)[0-9]{7}", fullmatch=True),
    prefix=st.sampled_from(["0", "80", "380", "+380"]),
    data=st.data(),
)
def test_all_ways_to_write_a_ukrainian_phone_meet(subscriber: str, prefix: str, data: st.DataObject) -> None:
    separators = data.draw(
        st.lists(st.sampled_from(["", " ", "-", "(", ")", ".", "\u00a0", "\u2011", " - "]), min_size=9, max_size=9)
    )
    typed = prefix + "".join(a + b for a, b in zip(separators, subscriber, strict=True))
    assert fields.phone(typed) == f"+380{subscriber}"
    assert fields.is_ukrainian(f"+380{subscriber}")


@pytest.mark.parametrize(
    "typed", ["+38 (050) 123-45-67", "(050)123-45-67", "8 050 123 45 67", " 050.123.45.67 ", "0501234567\u200b"]
)
def test_phones_are_read_as_people_write_them(typed: str) -> None:
    assert fields.phone(typed) == "+380501234567"


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("+48 512 345 678", "+48512345678"), ("+1 (202) 555-0143", "+12025550143"), ("+44 20 7946 0958", "+442079460958")],
)
def test_other_countries_phones_are_kept_in_the_same_form(typed: str, kept: str) -> None:
    assert fields.phone(typed) == kept
    assert not fields.is_ukrainian(kept)


@pytest.mark.parametrize("typed", ["12345", "050123456", "05012345678", "phone", "050-123-45-6x", "+", "+0", "0" * 200])
def test_what_is_no_phone_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match=r"phone number|at most"):
        fields.phone(typed)


# --- tax number


@given(st.from_regex(r"[0-9]{10}", fullmatch=True).filter(lambda digits: digits != "0" * 10))
def test_any_ten_digits_are_a_tax_number(digits: str) -> None:
    assert fields.tax_number(digits) == fields.tax_number(f" {digits}\u00a0") == digits


@given(st.from_regex(r"[0-9]{9}", fullmatch=True))
def test_exactly_one_last_digit_checks(start: str) -> None:
    digits = [int(digit) for digit in start]
    weights = (-1, 5, 7, 9, 4, 6, 10, 5, 7)
    check = sum(a * b for a, b in zip(digits, weights, strict=True)) % 11 % 10
    assert [last for last in range(10) if fields.has_valid_check_digit(f"{start}{last}")] == [check]


@pytest.mark.parametrize("number", ["3652504575", "3068208400"])
def test_the_contracts_valid_tax_numbers_check(number: str) -> None:
    assert fields.has_valid_check_digit(number)
    assert rntrc.is_valid(number)


@pytest.mark.parametrize("number", ["1759013770", "1111122222"])
def test_the_contracts_invalid_tax_numbers_do_not_check(number: str) -> None:
    assert fields.tax_number(number) == number
    assert not fields.has_valid_check_digit(number)


@pytest.mark.parametrize(
    "value", ["0000000000", 0, "123456789", "12345678901", "36525045７5", "365250457a", "365250457"]
)
def test_what_is_no_tax_number_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="must"):
        fields.tax_number(value)


# --- amount


@given(st.decimals(min_value=Decimal("0.01"), max_value=Decimal("99999999999999.99"), places=2))
def test_amounts_are_exact_however_they_come(value: Decimal) -> None:
    text = f"{value:f}"
    assert str(fields.amount(value)) == str(fields.amount(text)) == str(fields.amount(text.replace(".", ","))) == text


@given(st.integers(min_value=1, max_value=10**16 - 1))
def test_whole_amounts_are_exact_up_to_sixteen_digits(value: int) -> None:
    assert str(fields.amount(value)) == str(fields.amount(str(value))) == str(value)


@given(NEARLY | st.decimals())
def test_an_amount_is_plain_money(value: object) -> None:
    clean = _normalised(fields.amount, value)
    if clean is None:
        return
    whole, _, places = str(clean).partition(".")
    assert (whole + places).isdigit()
    assert len(whole + places) <= 16
    assert len(places) <= 2
    assert clean > 0


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("6000,00", "6000.00"),
        ("6 000,5", "6000.5"),
        ("6\u00a0000", "6000"),
        ("+6000", "6000"),
        ("0.01", "0.01"),
        (Decimal("6E+3"), "6000"),
        ("9999999999999999", "9999999999999999"),
        (Decimal("12345678901234.56"), "12345678901234.56"),
    ],
)
def test_amounts_are_read_as_people_write_them(typed: object, kept: str) -> None:
    assert str(fields.amount(typed)) == kept


@pytest.mark.parametrize(
    "value",
    [
        "0",
        "0,00",
        "-1",
        "1.0011",
        "1,00,000",
        "5000-10000",
        "1e3",
        "NaN",
        "Infinity",
        "６０００",
        "99999999999999999",
        "123456789012345.67",
        "1" * 10_000,
        0,
        -1,
        10**16,
        HUGE,
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("Infinity"),
        Decimal("-Infinity"),
        Decimal("-0"),
        Decimal("0.001"),
        Decimal("1E+16"),
        Decimal("1E+999999"),
        Decimal("1E-999999"),
        6000.0,
    ],
)
def test_what_is_no_amount_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="must"):
        fields.amount(value)


# --- term


@given(st.integers(min_value=1, max_value=999_999))
def test_terms_are_whole_numbers(value: int) -> None:
    assert fields.term(value) == fields.term(str(value)) == fields.term(f" {value}\u00a0") == value


@pytest.mark.parametrize("value", [0, -1, 1_000_000, "0", "-1", "1.5", "12 days", "1" * 10_000, Decimal("1.5"), 12.0])
def test_what_is_no_term_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        fields.term(value)


# --- name


@pytest.mark.parametrize(
    "name", ["Мар'яненко Ольга Петрівна", "О’Коннор-Мар\u02bcяненко Ольга Петрівна", "Smith John Paul"]
)
def test_a_full_name_raises_no_eyebrow(name: str) -> None:
    assert fields.find_name_warnings(name) == []


@pytest.mark.parametrize(
    ("name", "warnings"),
    [
        ("", []),
        ("Ольга", ["few_words"]),
        ("Ольга Петрівна", ["few_words"]),
        ("Мар'янeнко Ольга Петрівна", ["mixed_alphabets"]),
        ("Oльга", ["few_words", "mixed_alphabets"]),
    ],
)
def test_a_strange_name_is_warned_of(name: str, warnings: list[str]) -> None:
    assert fields.find_name_warnings(name) == warnings


# --- e-mail


@pytest.mark.parametrize(
    "address", ["o@example.com", "o.p+tag@sub.example.com.ua", "ольга@приклад.укр", "O@Example.COM"]
)
def test_an_email_is_kept_as_it_is_spelt(address: str) -> None:
    assert fields.email(f" {address}\u00a0") == address


@pytest.mark.parametrize(
    "value",
    [
        "o",
        "o@",
        "@example.com",
        "o@example",
        "o@@example.com",
        "a b@example.com",
        "a@b..c",
        "a, b@example.com",
        "o@" + "a." * 130 + "com",
        f"{'a' * 65}@example.com",
    ],
)
def test_what_is_no_email_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        fields.email(value)


def _normalised(normaliser: Normaliser, value: object) -> Any:
    """The clean value; None for one that is refused, which only a ValueError may do."""
    try:
        return normaliser(value)
    except ValueError:
        return None


MARKS = ("\u0301", "\u0327")  # of different classes, so that normalization sorts them


def seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    with suppress(ValueError, PartnerError):
        work()
    return time.process_time() - began


def readers(text: str) -> dict[str, Callable[[], object]]:
    """Everything that normalizes a text of somebody else."""
    body = json.dumps({"status": text}, ensure_ascii=False).encode()
    return {
        **{normaliser.__name__: partial(normaliser, text) for normaliser in NORMALISERS},
        "text_cut": partial(fields.truncate_text, text, 4096),
        "fold": partial(fold, text),
        "normalize": partial(normalize, text),
        "consent": partial(Consent, text=text, given_at=text, ip=text, page_url=text),
        "Lead Leader's status": partial(status_in, Answer(200, {}, body)),
        "a broker's row": partial(
            BrokerAccount.of, dict.fromkeys(("name", "surname", "email", "leadStatus", "uuid"), text)
        ),
        "an event of Leeloo's": partial(LeelooEvent.of, {"type": text, "data": {"offer_name": text}}, b""),
    }


@pytest.mark.parametrize("name", readers(""))
def test_combining_marks_cost_linear_time_wherever_text_is_read(name: str) -> None:
    short, long = (f"a{MARKS[0] * size}{MARKS[1] * size}" for size in (60_000, 240_000))
    cost = min(seconds(readers(long)[name]) for _ in range(2))
    assert cost < 0.5
    if cost > 0.05:
        assert cost < 8 * min(seconds(readers(short)[name]) for _ in range(2))


@example("\u0958" + "\u0301" * 30)
@example("\u0344" * 31)
@example("a" + "\u0301" * 40 + "\u0327" * 40 + "b")
@given(st.text(alphabet="ae\u0301\u0327\u0344\u0958\u1e9b\u0323", max_size=120) | any_text(200))
def test_a_normalized_text_stays_as_it_is(text: str) -> None:
    clean = normalize(text)
    assert normalize(clean) == clean
    assert unicodedata.is_normalized("NFC", clean)


@given(st.text(max_size=200))
def test_a_text_with_few_marks_is_normalized_as_unicode_says(text: str) -> None:
    assert normalize(text) == unicodedata.normalize("NFC", text)


@given(any_text(5000), st.integers(1, 300))
def test_a_text_that_is_cut_is_never_longer_than_its_limit(text: str, limit: int) -> None:
    clean = fields.truncate_text(text, limit)
    assert clean is None or 0 < len(clean) <= limit
