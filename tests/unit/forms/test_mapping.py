"""From answers to a lead's sections: how labels are compared, and what is joined."""

import unicodedata
from typing import Any

import pytest

from leadbridge.domain.fields.unicode_text import fold
from leadbridge.forms.mapping import add_answer, to_sections
from quality.testkit.forms.posts import source

FIELDS = {
    "Прізвище": "person.full_name",
    "Ім'я": "person.full_name",
    "Телефон": "person.phone",
    "Згоден(на) з умовами": "consent.text",
    "Кампанія": "utm.utm_campaign",
}


def mapped(answers: dict[str, str], consent: dict[str, str] | None = None) -> dict[str, Any]:
    sections = to_sections(answers, source("plain", fields=FIELDS), consent or {})
    return {name: section for name, section in sections.items() if section}


@pytest.mark.parametrize("label", ["Телефон", "ТЕЛЕФОН", " телефон ", "Телефон\u00a0", "\tТелефон\n"])
def test_a_label_is_known_in_any_spelling(label: str) -> None:
    assert mapped({label: "1"}) == {"person": {"phone": "1"}}


def test_accents_may_be_written_either_way() -> None:
    for form in ("NFC", "NFD"):
        assert mapped({unicodedata.normalize(form, "Прізвище Їжака"): "1"}) == {}
        assert fold(unicodedata.normalize(form, "ЇЖАК  Й")) == fold("їжак й")


def test_the_exact_label_comes_first_unless_it_is_empty() -> None:
    assert mapped({"телефон": "1", "Телефон": "2"})["person"] == {"phone": "2"}
    assert mapped({"телефон": "1", "Телефон": " "})["person"] == {"phone": "1"}


def test_fields_of_one_place_are_joined_in_the_configurations_order() -> None:
    assert mapped({"Ім'я": "Ольга", "Прізвище": "Приклад"})["person"] == {"full_name": "Приклад Ольга"}
    assert mapped({"Ім'я": "Ольга", "Прізвище": ""})["person"] == {"full_name": "Ольга"}


def test_tags_need_no_configuration_and_may_have_some() -> None:
    answers = {"utm_source": "a", "UTM_Medium": "b", "utmterm": "c", "Кампанія": "d", "utm_campaign": "e"}
    assert mapped(answers)["utm"] == {"utm_source": "a", "utm_medium": "b", "utm_campaign": "d"}


@pytest.mark.parametrize("ticked", ["on", "yes", "TRUE", "1", "так"])
def test_what_a_ticked_box_means_are_the_words_beside_it(ticked: str) -> None:
    assert mapped({"Згоден(на) з умовами": ticked})["consent"] == {"text": "Згоден(на) з умовами"}


def test_the_words_of_the_form_come_before_what_the_builder_says() -> None:
    assert mapped({"Згоден(на) з умовами": "Так, згоден"}, {"text": "?", "ip": "192.0.2.1", "form": ""})["consent"] == {
        "text": "Так, згоден",
        "ip": "192.0.2.1",
    }


def test_what_no_one_configured_goes_nowhere() -> None:
    assert mapped({"person.phone": "1", "Інше": "2", "": "3"}) == {}


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        (("q1", "телефон"), {"телефон"}),
        (("Телефон", "Прізвище"), {"Телефон", "Прізвище"}),
        (("q1", "utm_term"), {"utm_term"}),
        (("q1", "gclid"), {"gclid"}),
        (("q1", "q2"), {"q1"}),
        (("", "q2"), {"q2"}),
        (("taken", "q2"), {"q2"}),
        (("", ""), set()),
    ],
)
def test_an_answer_with_several_names_is_kept_under_those_that_are_used(names: tuple[str, str], kept: set[str]) -> None:
    answers = {"taken": "another answer"}
    add_answer(answers, names, "1", source("plain", fields=FIELDS))
    assert {name for name, answer in answers.items() if answer == "1"} == kept


def test_of_a_source_without_fields_all_names_of_an_answer_are_kept() -> None:
    answers: dict[str, str] = {}
    add_answer(answers, ("q1", "q2"), "1", source("plain", fields={}))
    assert answers == {"q1": "1", "q2": "1"}
