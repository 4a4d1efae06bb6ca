"""The parts of a person's name: composed to a full name, and found in one."""

from __future__ import annotations

import re
from typing import NamedTuple

from leadbridge.domain.errors.field_codes import FieldCode

_CYRILLIC = re.compile("[\u0400-\u04ff]")
_LATIN = re.compile("[A-Za-z]")

_PATRONYMIC = (
    r"\w+(?:(?:ович|евич|євич|ївич|йович|івна|ївна|овна|евна|ївна|ична|инична)|"
    r"(?:ovych|evych|yovych|iovych|ovich|evich|yevich|ovitch|evitch|ivna|yivna|iivna|ovna|evna|yevna|ichna|ychna|inichna))"
)
_SHORT_PATRONYMIC = r"\w{2,}[иі]ч|(?:ill|kuzm|luk|fom|khom|il|yak|sav)[iy]ch"
_TURKIC_PARTICLES = frozenset(
    ["огли", "оглу", "оглы", "кизи", "кызы", "гизи", "гызы", "ogly", "oglu", "oghlu", "kyzy", "qizi", "gizi"]
)


class NameParts(NamedTuple):
    """The parts of a name; an unknown one is empty."""

    first: str = ""
    middle: str = ""
    last: str = ""


def compose_full_name(first: str | None, middle: str | None, last: str | None) -> str | None:
    """Return the parts of a name in Ukrainian order: surname, given name, patronymic. None without any."""
    return " ".join(part for part in (last, first, middle) if part) or None


def split_full_name(full_name: str) -> NameParts:
    """Return the parts of a full name.

    A comma ends a surname. A patronymic at the end marks Ukrainian order (surname, given name, patronymic), one in the
    second place the order given name, patronymic, surname. Without a patronymic the first word is the given name and
    the rest is the surname.
    """
    surname, comma, rest = full_name.partition(",")
    if comma and surname.strip() and rest.strip() and "," not in rest:
        given, middle = _without_patronymic(rest.split())
        return NameParts(given, middle, " ".join(surname.split()))
    words = full_name.replace(",", " ").split()
    if len(words) >= 3:
        if _is_patronymic(words[1]):
            return NameParts(words[0], words[1], " ".join(words[2:]))
        given, middle = _without_patronymic(words[1:])
        if middle and given:
            return NameParts(given, middle, words[0])
    return NameParts(words[0] if words else "", "", " ".join(words[1:]))


def find_name_warnings(full_name: str) -> list[FieldCode]:
    """Return warnings about an unusual name; none about an empty one."""
    warnings: list[FieldCode] = []
    if 0 < len(full_name.split()) < 3:
        warnings.append(FieldCode.FEW_WORDS)
    if has_mixed_alphabets(full_name):
        warnings.append(FieldCode.MIXED_ALPHABETS)
    return warnings


def has_mixed_alphabets(text: str) -> bool:
    """Return whether a text has both Cyrillic and Latin letters."""
    return not text.isascii() and _CYRILLIC.search(text) is not None and _LATIN.search(text) is not None


def _without_patronymic(words: list[str]) -> tuple[str, str]:
    """Return the given names and the patronymic at their end; an empty one if there is none."""
    if len(words) >= 3 and words[-1].casefold() in _TURKIC_PARTICLES:
        return " ".join(words[:-2]), " ".join(words[-2:])
    if len(words) >= 2 and (_is_patronymic(words[-1]) or re.fullmatch(_SHORT_PATRONYMIC, words[-1].casefold())):
        return " ".join(words[:-1]), words[-1]
    return " ".join(words), ""


def _is_patronymic(word: str) -> bool:
    return re.fullmatch(_PATRONYMIC, word.casefold().replace("'", "").replace("’", "").replace("ʼ", "")) is not None
