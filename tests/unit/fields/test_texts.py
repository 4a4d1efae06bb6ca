"""Texts of people: escapes are decoded, damage is found, emoji stay whole, long texts are cut."""

from __future__ import annotations

import html
import json
import sys
import time
import unicodedata
import uuid
from urllib.parse import quote

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from leadbridge.domain import fields
from leadbridge.domain.fields.damage import find_damage, is_damaged
from leadbridge.domain.fields.reading import Parser
from leadbridge.domain.fields.unicode_text import _INVISIBLE, _SIMPLE, collapse
from quality.testkit.reading import problem, read, warnings

UKRAINIAN = "абвгґдеєжзиіїйклмнопрстуфхцчшщьюяАБВГҐДЕЄЖЗИІЇЙКЛМНОПРСТУФХЦЧШЩЬЮЯ'’ʼ- "
PLAIN = st.text(alphabet=UKRAINIAN + 'QXqx<>"0123.,', min_size=1, max_size=40).filter(
    lambda text: any(map(str.isalpha, text))
)
WORD = st.text(alphabet="абвгдежзийклмнопрстуфхцчшщьюяіїє", min_size=3, max_size=12)
WORDS = st.lists(WORD.filter(lambda word: set(word) - set("вгдик")), min_size=1, max_size=3)
EMOJI = ["👩‍🍳", "👨‍👩‍👧‍👦", "🏳️‍🌈", "❤️‍🔥", "👩🏽‍⚕️", "1️⃣", "🇺🇦", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "☎️", "🐻‍❄️"]


@given(PLAIN)
@pytest.mark.parametrize("parser", [fields.name, fields.words])
def test_escaped_text_is_decoded_once_with_a_warning(parser: Parser, text: str) -> None:
    clean = collapse(text)
    for escaped in (html.escape(text), json.dumps(text)[1:-1], text.replace("'", "\\'").replace("’", "&rsquo;")):
        assert read(parser, escaped) == clean
        assert ("unescaped" in warnings(parser, escaped)) == (escaped != text)


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        ("Дем&#039;яненко", "Дем'яненко"),
        ("Дем&#x27;яненко", "Дем'яненко"),
        ("&#1071;&#1085;&#1072;", "Яна"),
        ("О\\'Коннор", "О'Коннор"),
        ("\\u042f\\u043d\\u0430", "Яна"),
        ("u042fu043du0430", "Яна"),
        ("Яна\\r\\nПетрівна", "Яна Петрівна"),
        ("%D0%AF%D0%BD%D0%B0+%D0%9F", "Яна П"),
        ("кухар \\ud83d\\ude00", "кухар 😀"),
        ("&amp;amp; Яна", "&amp; Яна"),
    ],
)
def test_escapes_of_forms_and_their_plugins_are_decoded(escaped: str, text: str) -> None:
    assert read(fields.words, escaped) == text
    assert warnings(fields.words, escaped) == ["unescaped"]


@pytest.mark.parametrize(
    "text",
    ["AT&T", "Ян & Яна", "водій\\експедитор", "C:\\new\\table", "50 % і 100 %", "a&b;c", "fd100u0", "https://a/?x=%41"],
)
def test_what_only_looks_like_an_escape_stays(text: str) -> None:
    assert read(fields.words, text) == text
    assert "unescaped" not in warnings(fields.words, text)


@given(WORDS)
@example(["яна"])
@example(["юлія", "їжакевич"])
def test_text_in_a_wrong_encoding_is_damaged(words: list[str]) -> None:
    for text in (" ".join(words), " ".join(words).title()):
        utf8 = text.encode()
        assert is_damaged(utf8.decode("latin-1"))
        assert is_damaged(collapse(utf8.decode("latin-1")))
        assert is_damaged(utf8.decode("cp1252", "replace"))
        assert is_damaged(utf8.decode("cp1251", "replace"))
        assert is_damaged(utf8.decode("cp866"))
        assert is_damaged(text.encode("cp1251").decode("latin-1"))
        assert is_damaged(text.encode("cp1251").decode("cp1252"))
        assert is_damaged(text.encode("ascii", "replace").decode())
        assert is_damaged(f"Яна {utf8.decode('cp1251', 'replace')}")


@given(st.text(alphabet=UKRAINIAN, max_size=30))
def test_ukrainian_text_is_never_damaged(text: str) -> None:
    assert not is_damaged(text)


@pytest.mark.parametrize(
    "name",
    [
        "José Núñez",
        "MUÑOZ ÑAÑEZ",
        "Åse Ødegård",
        "Françoise Élodie Côté",
        "Đỗ Hữu Tôn",
        "Łukasz Żółć",
        "Ömer Öğüş",
        "Rīga Šķēle",
        "Ζωή Παπαδοπούλου",
        "Сєров Юрій",
        "РІС СІРЄ",
        "Рєпіна Ія",
        "Ñ",
        "Ян",
        "Björk Guðmundsdóttir",
        "王小明",
    ],
)
def test_names_of_other_languages_are_not_damaged(name: str) -> None:
    assert find_damage(name) is None
    assert read(fields.name, name) == name


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("???????? ??? ????????", "damaged_text"),
        ("Тестенко ????", "damaged_text"),
        ("Тест\ufffdнко", "damaged_text"),
        ("Тест\ud83d", "damaged_text"),
        ("JosÃ©", "damaged_text"),
        ("123", "no_letters"),
        ("...", "no_letters"),
        ("🙂", "no_letters"),
        (24, "no_letters"),
        (str(uuid.UUID(int=7)), "not_words"),
        (f"{uuid.UUID(int=7)}, {uuid.UUID(int=8)}", "not_words"),
        (uuid.UUID(int=2**127).hex, "not_words"),
    ],
)
def test_what_is_no_name_is_a_problem_of_a_name_and_a_warning_elsewhere(typed: object, code: str) -> None:
    assert problem(fields.name, typed) == code
    assert read(fields.words, typed) is not None
    assert warnings(fields.words, typed) == [code]


@pytest.mark.parametrize("parser", [fields.name, fields.words])
@pytest.mark.parametrize("length", [256, 10_000, 200_000])
def test_a_long_text_is_cut_with_a_warning(parser: Parser, length: int) -> None:
    text = ("вчителька " * length)[:length]
    clean = read(parser, text)
    assert text.startswith(clean)
    assert 240 < len(clean) <= 255
    assert warnings(parser, text) == ["too_long"]
    assert read(parser, clean) == clean


def test_a_text_at_the_limit_is_not_cut() -> None:
    assert read(fields.words, "ї" * 255) == "ї" * 255
    assert warnings(fields.words, "и\u0306" * 255) == []


def test_a_long_text_about_the_origin_is_cut_with_a_warning() -> None:
    assert read(fields.label, "я" * 2000) == "я" * 1024
    assert warnings(fields.label, "я" * 2000) == ["too_long"]
    assert warnings(fields.label, "я" * 1024) == []
    assert read(fields.label, {"a": 1}) is None


def test_a_text_about_the_origin_is_decoded_and_an_id_is_not() -> None:
    assert read(fields.label, "Огляд &amp; аналіз") == "Огляд & аналіз"
    assert warnings(fields.label, "Огляд &amp; аналіз") == ["unescaped"]
    assert warnings(fields.label, "Огляд \ufffd") == ["damaged_text"]
    assert warnings(fields.label, "24") == []
    assert read(fields.opaque, "a&amp;b\\u0456%D0%AF") == "a&amp;b\\u0456%D0%AF"
    assert warnings(fields.opaque, "я" * 2000) == ["too_long"]


@pytest.mark.parametrize("emoji", EMOJI)
def test_emoji_stay_whole(emoji: str) -> None:
    for text in (f"кухар {emoji}", f"{emoji} кухар", f"кухар{emoji}кухар {emoji}{emoji}"):
        assert read(fields.words, text) == text
        assert read(fields.name, text) == text


@given(st.lists(st.sampled_from([*"аяZ 1", *EMOJI, "\u200d", "\ufe0f", "\U000e0067", "\u200b", "\u0301"]), max_size=12))
def test_a_joiner_that_joins_nothing_is_removed(parts: list[str]) -> None:
    clean = collapse("".join(parts))
    assert collapse(clean) == clean
    assert not clean.startswith(("\u200d", "\ufe0f", "\U000e0067"))
    assert not clean.endswith("\u200d")
    assert "я\u200d" not in clean
    assert "\u200d " not in clean


HOSTILE = {
    "digits": "9",
    "combining marks": "а\u0301\u0327",
    "spaces": " ",
    "separators": "1 ",
    "entities": "&#039;",
    "ampersands": "&a",
    "backslashes": "\\",
    "escapes": "\\u0456",
    "percent": "%D0%AF",
    "bare escapes": "u0456",
    "joiners": "\u200d",
    "emoji": "👩\u200d",
    "flags": "\U0001f3f4\U000e0067",
    "question marks": "?",
    "mojibake": "Ð¢",
    "at signs": "a@",
    "addresses": "a@b.c,",
    "brackets": "<a@",
    "numbers": "0501234567,",
    "plus signs": "+",
    "currencies": "₴1",
    "words": "тис ",
    "ids": f"{uuid.UUID(int=7)} ",
    "patronymic": "ович",
    "half pairs": "\ud83d",
    "pairs": "\ud83d\ude00",
}
MAX_SECONDS = 0.02  # of CPU; a quiet machine needs less than half
PARSERS: list[Parser] = [
    *(
        fields.name,
        fields.words,
        fields.label,
        fields.opaque,
        fields.phone,
        fields.email,
        fields.tax_number,
        fields.amount,
        fields.term,
    )
]


def cost(parser: Parser, value: str) -> float:
    """Return the seconds of CPU of one parser, the least of three runs."""
    spent = []
    for _ in range(3):
        began = time.process_time()
        problem(parser, value)
        spent.append(time.process_time() - began)
    return min(spent)


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_value_costs_a_few_milliseconds(kind: str) -> None:
    value = (HOSTILE[kind] * 262_144)[:262_144]
    for parser in PARSERS:
        problem(parser, value[:100])  # what is imported once
        for hostile in (value, f"я{value}", f"{value}я", value[:8000], value[:250]):
            assert cost(parser, hostile) < MAX_SECONDS, parser.__name__


@given(st.text(max_size=300))
def test_words_that_are_read_stay_as_they_are(text: str) -> None:
    assume(not set("&\\%") & set(text) and "u0" not in text)
    clean = read(fields.words, text)
    assert read(fields.words, clean) == clean


def test_a_quoted_text_is_not_percent_encoded_by_chance() -> None:
    assert read(fields.words, quote("Яна Петрівна")) == "Яна Петрівна"


def test_a_simple_character_needs_no_normalization() -> None:
    simple = [character for character in map(chr, range(sys.maxunicode + 1)) if _SIMPLE.fullmatch(character)]
    assert {*"Az 9~", *UKRAINIAN} <= {*simple}
    for character in simple:
        assert not _INVISIBLE.search(character), hex(ord(character))
        assert not unicodedata.combining(character), hex(ord(character))
        for text in (character, f"a{character}", f"и{character}"):
            assert unicodedata.normalize("NFC", text) == text, hex(ord(character))
        assert character == " " or not character.isspace(), hex(ord(character))
