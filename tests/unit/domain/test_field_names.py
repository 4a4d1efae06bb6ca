"""Names of form fields are stored without their answers, and must not be about a person themselves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadbridge.domain.acceptance.field_names import HIDDEN, MAX_LENGTH, MAX_NAMES, safe_name, safe_names
from quality.testkit.rubbish import any_text


@pytest.mark.parametrize("name", ["Phone", "Ваш телефон", "q12_phone3", "input-1", "Скільки вам років?", "contact[0]"])
def test_a_usual_name_stays(name: str) -> None:
    assert safe_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "+380 50 000 00 01",
        "0500000001",
        "tel_(050)000-00-01",
        "3068208400",
        "050.000.00.01",
        "٠٥٠٠٠٠٠٠٠١",
        "a 0 5 0 0 0 0",
        "067,111,22,33",
        "067‑111‑22‑33",
        "067/111/22/33",
        "067 |:| 111 • 22 \u200b 33",
        "⓪⑥⑦①①①②②③③",
    ],
)
def test_the_digits_of_a_phone_or_a_tax_number_are_hidden(name: str) -> None:
    safe = safe_name(name)
    assert safe is not None
    assert HIDDEN in safe
    assert not any(one.isdigit() for one in safe)  # isdigit() is also true of raised and circled digits


@pytest.mark.parametrize(
    "name",
    [
        "olena@example.com",
        "olena%40example.com",
        "olena＠example.com",
        "olena﹫example.com",
        "olena％40example.com",
        "",
        " ",
        "\u200b",
    ],
)
def test_an_address_and_an_empty_name_are_left_out(name: str) -> None:
    assert safe_name(name) is None


@given(any_text())
def test_whatever_a_post_has_a_name_is_short_and_has_no_long_number(name: str) -> None:
    safe = safe_name(name)
    assert safe is None or (0 < len(safe) <= MAX_LENGTH and "@" not in safe)


@given(st.lists(any_text(), max_size=200))
def test_there_are_few_names_and_each_once(names: list[str]) -> None:
    safe = safe_names(names)
    assert len(safe) == len(set(safe)) <= MAX_NAMES
