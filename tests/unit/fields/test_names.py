"""The parts of a name: composed, and found in a full name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadbridge.domain.fields import compose_full_name, split_full_name
from leadbridge.domain.lead import Person

LAST = st.sampled_from(["Тестенко", "Тестенко-Приклад", "ТЕСТЕНКО", "Дем'яненко", "Testenko", "Прикладова"])
FIRST = st.sampled_from(["Яна", "Зоряна", "Ян", "ЯНА", "Мар'яна", "Yana"])
MIDDLE = st.sampled_from(
    [
        *(
            "Петрівна",
            "Лук'янівна",
            "Лукʼянівна",
            "Андріївна",
            "Петрович",
            "Сергійович",
            "Ілліч",
            "Кузьмич",
            "Валер'янович",
        ),
        *(
            "ПЕТРІВНА",
            "Петровна",
            "Алексеевна",
            "Ильинична",
            "Андреевич",
            "Ильич",
            "Petrivna",
            "Petrovych",
            "Andriivna",
        ),
        *("Petrovna", "Serhiiovych", "Petrovich", "Illich", "Ахмед огли", "Ахмед кизи"),
    ]
)
LONG_MIDDLE = MIDDLE.filter(lambda name: name not in {"Ілліч", "Кузьмич", "Ильич", "Illich"} and " " not in name)


@given(LAST, FIRST, MIDDLE)
def test_a_patronymic_at_the_end_marks_ukrainian_order(last: str, first: str, middle: str) -> None:
    full = compose_full_name(first, middle, last)
    assert full == f"{last} {first} {middle}"
    assert split_full_name(full) == (first, middle, last)


@given(LAST, FIRST, LONG_MIDDLE)
def test_a_patronymic_in_the_second_place_is_followed_by_the_surname(last: str, first: str, middle: str) -> None:
    assert split_full_name(f"{first} {middle} {last}") == (first, middle, last)


@pytest.mark.parametrize(
    ("full_name", "first", "middle", "last"),
    [
        ("Ada Example", "Ada", "", "Example"),
        ("Mary Ann Legakis", "Mary", "", "Ann Legakis"),
        ("Legakis, Mary Ann", "Mary Ann", "", "Legakis"),
        ("De\r Legakis, Mary Ann", "Mary Ann", "", "De Legakis"),
        ("Тестенко, Яна Петрівна", "Яна", "Петрівна", "Тестенко"),
        ("Тестенко Яна Марія Петрівна", "Яна Марія", "Петрівна", "Тестенко"),
        ("Роман Аркадійович Абрамович", "Роман", "Аркадійович", "Абрамович"),
        ("Роман Абрамович", "Роман", "", "Абрамович"),
        ("Anna Maria Ulrich", "Anna", "", "Maria Ulrich"),
        ("Мадонна", "Мадонна", "", ""),
        ("", "", "", ""),
    ],
)
def test_names_without_that_order_begin_with_the_given_name(full_name: str, first: str, middle: str, last: str) -> None:
    assert split_full_name(full_name) == (first, middle, last)


@given(st.text(max_size=60))
def test_no_letter_of_a_name_is_lost_or_added(full_name: str) -> None:
    parts = split_full_name(full_name)
    assert sorted("".join(parts).replace(" ", "")) == sorted("".join(full_name.replace(",", " ").split()))


def test_a_full_name_is_composed_of_its_parts() -> None:
    parts = {"first_name": " Яна ", "middle_name": "Петрівна", "last_name": "Тестенко"}
    assert Person(**parts).full_name == "Тестенко Яна Петрівна"
    assert Person(first_name="Яна").full_name == "Яна"
    assert Person(**parts, full_name="Яна Тестенко").full_name == "Яна Тестенко"
    assert Person(phone="+380500000001").full_name is None
