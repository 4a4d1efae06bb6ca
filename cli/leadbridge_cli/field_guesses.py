"""Guess which lead field a form's field is, from its name in Ukrainian, Russian or English, and from its value."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MAX_FIELDS = 200  # of a sample
MAX_NAME = 200  # characters of a name; a field with a longer one is not suggested
MAX_VALUE = 200  # characters of a value that are looked at
WANTED = (  # what partners need
    *("person.full_name", "person.phone", "person.email", "person.tax_number", "person.activity"),
    *("loan.amount", "loan.term"),
)

# Parts of names, in the order in which they are tried. `_` is a space: `_tel_` is a whole word.
WORDS: dict[str, tuple[str, ...]] = {
    field: tuple(part.replace("_", " ") for part in parts.split())
    for field, parts in (
        ("consent.text", "згод соглас consent agree gdpr acceptance privacy обробк обработк zgoda"),
        (
            "person.tax_number",
            "іпн_ ипн_ рнокпп _інн_ _инн_ _tax_ _ipn_ _inn_ rnokpp податков налогов ідентифікаційн идентификацион",
        ),
        ("person.email", "mail пошт почт імейл имейл емейл"),
        ("person.phone", "phone _tel_ mobile телефон telefon _тел_ мобільн мобильн viber whatsapp"),
        ("person.middle_name", "по_батькові отчеств patronymic middle_name middlename second_name secondname"),
        ("person.last_name", "прізвищ фамили surname last_name lastname family_name prizvy"),
        ("person.first_name", "first_name firstname given_name"),
        (
            "person.full_name",
            "піб п_і_б фио ф_и_о full_name fullname повне_ім полное_имя _ім'я_ _імя_ _имя_ _name_ _imya_",
        ),
        (
            "person.activity",
            (
                "зайнят занят працю робот работ професі професси посад "
                "должност діяльн деятельн occupation _job_ activity employ profession zanyat"
            ),
        ),
        ("loan.term", "термін строк срок _term_ місяц месяц months period _днів_ _дней_ termin"),
        ("loan.amount", "сум скільки сколько amount _suma_ _sum_ _summa_"),
        ("person.region", "област регіон регион region oblast"),
        ("person.city", "міст город _city_ _misto_ населен _town_"),
    )
}
NAME_PARTS = ("person.last_name", "person.first_name", "person.middle_name")
TRANSPORT = re.compile(
    r"utm_.*|_.*|token|api_key|tranid|formid|formname|cookies|form_(id|name)|test|.*captcha.*", re.IGNORECASE
)

_SEPARATORS = re.compile(r"[\s_\-.\[\]/:;,*?!()#]+")
_CAMEL = re.compile(r"(?<=[a-zа-яіїєґ])(?=[A-ZА-ЯІЇЄҐ])")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]+\.[^@\s]+")
_PHONE = re.compile(r"\+?[\d\s().\-]{9,20}")


@dataclass(frozen=True)
class Suggestion:
    """The guessed `fields` table, the fields of the sample that are not in it, and the lead fields without one."""

    fields: Mapping[str, str]
    unmapped: tuple[str, ...]
    missing: tuple[str, ...]


def suggest(answers: Mapping[str, str]) -> Suggestion:
    """Guess the table of a form from one post of it. Of several fields for one lead field the first is taken."""
    from leadbridge.domain.fields.unicode_text import fold
    from leadbridge.forms.tracking import id_named

    names = [name for name in list(answers)[:MAX_FIELDS] if len(name) <= MAX_NAME and not TRANSPORT.fullmatch(name)]
    names = [name for name in names if id_named(fold(name)) is None]  # ids need no line
    labels, descriptions = _labels(names, answers)
    names = [name for name in names if name not in descriptions]
    targets = {
        name: target for name in names if (target := _target(labels.get(name, ""), name, answers[name][:MAX_VALUE]))
    }
    found: dict[str, str] = {}
    for name, target in targets.items():
        if target not in found.values():
            found[name] = target
    found = _with_one_kind_of_name(found)
    taken = {answers[name] for name in found if answers[name]}
    unmapped = tuple(name for name in names if name not in found and answers[name] not in taken)
    given = set(found.values()) | ({"person.full_name"} if {*NAME_PARTS[:2]} & set(found.values()) else set())
    return Suggestion(found, unmapped, tuple(field for field in WANTED if field not in given))


def words_of(name: str) -> str:
    """Return a name as words in lower case, with a space at both ends."""
    plain = _SEPARATORS.sub(" ", _CAMEL.sub(" ", name)).casefold().replace("\u2019", "'").replace("\u02bc", "'")
    return f" {plain.strip()} "


def _labels(names: Sequence[str], answers: Mapping[str, str]) -> tuple[dict[str, str], set[str]]:
    """Return the labels of fields such as `a.value` by their names, and the names of what only describes them.

    `{"a": {"title": "Phone", "type": "tel", "value": "…"}}` has the label `Phone`.
    """
    from leadbridge.forms.parsing.nested import NAME_KEYS, TYPE_KEYS

    labels: dict[str, str] = {}
    descriptions: set[str] = set()
    for name in names:
        field, _, key = name.rpartition(".")
        value = f"{field}.value"
        if not field or value not in answers or key not in (*NAME_KEYS, *TYPE_KEYS):
            continue
        descriptions.add(name)
        if key in NAME_KEYS:
            labels[value] = f"{labels.get(value, '')} {answers[name][:MAX_VALUE]}"
    return labels, descriptions


def _target(label: str, name: str, value: str) -> str | None:
    named, shown = _target_of_name(words_of(label)) or _target_of_name(words_of(name)), _target_of_value(value)
    is_other = shown == "person.phone" and named not in ("person.tax_number", "loan.amount", "loan.term")
    return shown if shown == "person.email" or is_other else named or shown


def _target_of_name(words: str) -> str | None:
    """Return the lead field of a name. A name of several parts, such as `Прізвище та ім'я`, is the full name."""
    matching = [target for target, parts in WORDS.items() if any(part in words for part in parts)]
    parts = [target for target in matching if target in NAME_PARTS]
    if len(parts) == 1 and ("person.full_name" not in matching or words.isascii()):
        return parts[0]  # in English the word "name" is in each of them
    return "person.full_name" if parts else next(iter(matching), None)


def _target_of_value(value: str) -> str | None:
    """Return the lead field that a value shows; None if it could be several."""
    text = value.strip()
    if _EMAIL.fullmatch(text):
        return "person.email"
    digits = "".join(character for character in text if character.isdigit())
    if _PHONE.fullmatch(text) and (text.startswith(("+", "0", "(0")) or digits.startswith("380")):
        return "person.phone" if 10 <= len(digits) <= 15 else None
    if re.fullmatch(r"[1-9][0-9]{9}", text):
        from leadbridge.domain.fields.tax_numbers import has_valid_check_digit

        return "person.tax_number" if has_valid_check_digit(text) else None
    return None


def _with_one_kind_of_name(found: dict[str, str]) -> dict[str, str]:
    """Return the table with parts of a name, or with whole names, which the lead joins in this order.

    `Ім'я` beside `Прізвище` is a first name. `Ім'я та по батькові` beside it is not one part, so both are joined.
    """
    targets = {target: name for name, target in found.items()}
    whole = targets.get("person.full_name")
    if whole is None or "person.last_name" not in targets:
        return found
    is_several = any(part in words_of(whole) for part in WORDS["person.middle_name"])
    if not is_several:
        return {**found, whole: "person.first_name"} if "person.first_name" not in targets else found
    surname = targets["person.last_name"]
    first = {surname: "person.full_name", whole: "person.full_name"}
    return {**first, **{name: target for name, target in found.items() if name not in first}}
