"""Parser of Ukrainian tax numbers (РНОКПП)."""

from __future__ import annotations

import re
from decimal import Decimal

from leadbridge.domain.errors.field_codes import FieldCode, InvalidValue
from leadbridge.domain.fields.reading import Reading
from leadbridge.domain.fields.texts import typed

MAX_TAX_NUMBER_TEXT = 100  # characters

_WORDS = re.compile(r"[^\W\d_]+\.?|№|#")
_KNOWN_WORDS = frozenset(
    [
        *("іпн", "рнокпп", "інн", "инн", "рнокп", "ідн", "ік", "ідентифікаційний", "идентификационный", "код", "номер"),
        *("податковий", "налоговый", "платника", "податків", "картки", "облікової", "реєстраційний", "no", "n", "н"),
        *("ipn", "inn", "rnokpp", "tin", "tax", "id", "number", "code", "№", "#"),
    ]
)
_SEPARATORS = re.compile(r"[\s\-\u2010-\u2015\u2212.,:;/'’()]+")
_SPREADSHEET = re.compile(r"([0-9]{9,10})[.,]0+")
_SCIENTIFIC = re.compile(r"([0-9])[.,]([0-9]+)e\+?0?9", re.ASCII)


def tax_number(value: object, reading: Reading | None = None) -> str | None:
    """Parse a Ukrainian tax number (РНОКПП): exactly ten digits, not all of them zero.

    Spaces, dashes and prefixes are left out. A number of nine digits in JSON or of a spreadsheet has lost a leading
    zero, if its check digit proves that.
    """
    reading = reading or Reading()
    is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    if isinstance(value, Decimal) and value.is_finite() and 0 <= value.adjusted() <= 10:
        value = f"{value:f}"
    found = typed(value, reading, limit=MAX_TAX_NUMBER_TEXT)
    if found is None:
        return None
    text = found.casefold()
    if scientific := _SCIENTIFIC.fullmatch(text):
        if len(scientific[2]) < 9:
            raise InvalidValue(FieldCode.DIGITS_LOST)
        text, is_number = scientific[1] + scientific[2], True
    elif any(word.rstrip(".") not in _KNOWN_WORDS for word in _WORDS.findall(text)):
        raise InvalidValue(FieldCode.NOT_TEN_DIGITS)
    text = _WORDS.sub(" ", text).strip(" .,:;")
    if spreadsheet := _SPREADSHEET.fullmatch(text):
        text, is_number = spreadsheet[1], True
    digits = _SEPARATORS.sub("", text)
    if is_number and len(digits) == 9 and digits.isascii() and digits.isdigit() and has_valid_check_digit(f"0{digits}"):
        reading.warn(FieldCode.LEADING_ZERO_RESTORED)
        digits = f"0{digits}"
    if not re.fullmatch(r"[0-9]{10}", digits):
        raise InvalidValue(FieldCode.NOT_TEN_DIGITS)
    if digits == "0" * 10:
        raise InvalidValue(FieldCode.ALL_ZEROS)
    return digits


def has_valid_check_digit(number: str) -> bool:
    """Return whether the last digit of a tax number is the correct check digit."""
    from stdnum.ua import rntrc

    return bool(rntrc.is_valid(number))
