"""The surname by which a lead is found: however the name is written, and in whatever order."""

import pytest

from leadbridge.domain.fields.surnames import has_words, name_key, possible_surnames, surname_of


@pytest.mark.parametrize(
    ("full_name", "surname"),
    [
        ("Прикладенко Олена Іванівна", "Прикладенко"),
        ("Олена Іванівна Прикладенко", "Прикладенко"),
        ("Прикладенко Олена", "Прикладенко"),
        ("Олена Прикладенко", "Прикладенко"),
        ("Зразковий Андрій", "Андрій"),  # nothing says which one is the surname
        ("Марко Вовчок", "Вовчок"),
        ("Шевченко Марко", "Шевченко"),
        ("Taras Shevchenko", "Shevchenko"),
        ("Shevchenko Taras", "Shevchenko"),
        ("Прикладенко, Олена", "Прикладенко"),
        ("Прикладенко", "Прикладенко"),
        ("", None),
        (None, None),
    ],
)
def test_the_surname_of_a_full_name(full_name: str | None, surname: str | None) -> None:
    assert surname_of(full_name, None) == surname


def test_a_forms_own_surname_counts() -> None:
    assert surname_of("Олена Прикладенко", "Інша") == "Інша"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ШЕВЧЕНКО", "шевченко"),
        ("Нечуй-Левицький", "нечуй левицький"),
        ("Дем'янчук", "Дем’янчук"),
        ("Дем'янчук", "Демʼянчук"),
        ("Ґудзь", "Гудзь"),
        ("Семёнов", "Семенов"),
        ("Й\u0306", "Й\u0306 "),
    ],
)
def test_spellings_of_one_name_have_one_key(one: str, other: str) -> None:
    assert name_key(one) == name_key(other)
    assert name_key(one)


def test_every_run_of_words_may_be_the_surname() -> None:
    assert possible_surnames("van der Berg") == ("van", "vander", "vanderberg", "der", "derberg", "berg")
    assert possible_surnames(" - ") == ()
    assert possible_surnames("a b c d e") == ()


def test_words_are_beginnings_of_the_names() -> None:
    name = "Нечуй-Левицький Іван Семенович"
    assert has_words(name, "нечуй левицький")
    assert has_words(name, "Нечуй-Левицький Ів")
    assert has_words(name, "іван НЕЧУЙ")
    assert not has_words(name, "Левицький Петро")
    assert not has_words(None, "Левицький")
