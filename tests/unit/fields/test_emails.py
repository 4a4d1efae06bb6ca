"""E-mail addresses: what is around them, several of them, and letters that only look right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadbridge.domain import fields
from quality.testkit.reading import problem, read, warnings

ADDRESSES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,10}[A-Za-z0-9]@[a-z0-9-]{1,10}\.[a-z]{2,6}", fullmatch=True)


@given(
    address=ADDRESSES,
    wrapped=st.sampled_from(
        [
            "{}",
            " {} ",
            "mailto:{}",
            "MAILTO: {}",
            "<{}>",
            '"{}"',
            "'{}'",
            "«{}»",
            "{}.",
            "{},",
            "{};",
            "({})",
            "{}!",
            "Ada <{}>",
            '"Ada Example" <{}>',
            "mailto:{}?subject=Hello",
            "E-mail: {}",
            "//{}",
            "<mailto:{}>",
            "\u200b{}\ufeff",
        ]
    ),
)
def test_what_wraps_an_address_is_omitted(address: str, wrapped: str) -> None:
    assert read(fields.email, wrapped.format(address)) == address
    assert warnings(fields.email, wrapped.format(address)) == []


@given(
    first=ADDRESSES, second=ADDRESSES, between=st.sampled_from([",", ", ", ";", " ; ", " / ", " ", " або ", "|", "\n"])
)
def test_the_first_of_several_addresses_counts(first: str, second: str, between: str) -> None:
    assert read(fields.email, f"{first}{between}{second}") == first
    assert warnings(fields.email, f"{first}{between}{second}") == ["first_of_several"]


@pytest.mark.parametrize(
    "typed",
    ["немає; ada@example.com", "ada@example.com (робоча)", "Пошта ada@example.com", "ada@example.com; тел. немає"],
)
def test_words_around_an_address_are_left_out(typed: str) -> None:
    assert read(fields.email, typed) == "ada@example.com"
    assert warnings(fields.email, typed) == ["extra_text"]


def test_spaces_around_the_at_sign_are_left_out() -> None:
    assert read(fields.email, "ada @ example.com") == "ada@example.com"


@pytest.mark.parametrize("typed", ["аda@example.com", "ada@exаmple.com", "ada@example.соm", "ольга@example.com"])
def test_cyrillic_letters_in_a_latin_address_are_a_warning(typed: str) -> None:
    assert read(fields.email, typed) == typed
    assert warnings(fields.email, typed) == ["mixed_alphabets"]


def test_an_address_in_one_alphabet_is_no_warning() -> None:
    assert warnings(fields.email, "ольга@приклад.укр") == []


@pytest.mark.parametrize(
    "typed",
    [
        "немає",
        "-",
        "a b@example.com",
        "ada smith@example.com",
        "ada,smith@example.com",
        "ada@example",
        "@example.com",
        "ada@",
        "a@b..c",
        "ada@@example.com",
        "<>",
        "mailto:",
        "a@" + "b." * 200 + "c",
        "a@b.c " * 1000,
    ],
)
def test_a_part_of_an_address_is_never_guessed(typed: str) -> None:
    assert problem(fields.email, typed) == "not_an_email"


@given(st.text(alphabet='a@b.c,; <>"ж', max_size=24))
def test_an_address_that_is_read_stays_as_it_is(typed: str) -> None:
    if problem(fields.email, typed) is None and (address := read(fields.email, typed)) is not None:
        assert read(fields.email, address) == address
