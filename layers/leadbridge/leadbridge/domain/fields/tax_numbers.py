"""Parser of Ukrainian tax numbers (РНОКПП)."""

from __future__ import annotations

import re
from decimal import Decimal

from leadbridge.domain.errors.field_codes import FieldCode, InvalidValue
from leadbridge.domain.fields.number_words import LOOK_ALIKES
from leadbridge.domain.fields.reading import Reading
from leadbridge.domain.fields.texts import typed

MAX_TAX_NUMBER_TEXT = 100  # characters

_WORDS = r"[^\W\d_]+\.?|№|#"
_KNOWN_WORDS = frozenset(
    [
        *(
            "іпн",
            "рнокпп",
            "інн",
            "инн",
            "ипн",
            "рнокп",
            "ідн",
            "ід",
            "ік",
            "ідентифікаційний",
            "идентификационный",
            "код",
            "номер",
        ),
        *("податковий", "налоговый", "платника", "податків", "картки", "облікової", "реєстраційний", "no", "n", "н"),
        *("ipn", "inn", "rnokpp", "tin", "tax", "id", "number", "code", "№", "#"),
    ]
)
_SEPARATORS = r"[\s\-\u2010-\u2015\u2212.,:;/'’\"“”«»()]+"
_WRAPPING = " .,:;'\"“”«»"
_SPREADSHEET = r"([0-9]{9,10})[.,]0+"
_SCIENTIFIC = r"([0-9])[.,]([0-9]+)e\+?0?9"


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
    if len(found) == 10 and found.isascii() and found.isdigit() and found != "0" * 10:
        return found
    text = found.casefold()
    if scientific := re.fullmatch(_SCIENTIFIC, text):
        if len(scientific[2]) < 9:
            raise InvalidValue(FieldCode.DIGITS_LOST)
        text, is_number = scientific[1] + scientific[2], True
    elif not all(map(_is_known, re.findall(_WORDS, text))):
        raise InvalidValue(FieldCode.NOT_TEN_DIGITS)
    text = re.sub(_WORDS, " ", text).strip(_WRAPPING)
    if spreadsheet := re.fullmatch(_SPREADSHEET, text):
        text, is_number = spreadsheet[1], True
    digits = re.sub(_SEPARATORS, "", text)
    if is_number and len(digits) == 9 and digits.isascii() and digits.isdigit() and has_valid_check_digit(f"0{digits}"):
        reading.warn(FieldCode.LEADING_ZERO_RESTORED)
        digits = f"0{digits}"
    if not re.fullmatch(r"[0-9]{10}", digits):
        raise InvalidValue(FieldCode.NOT_TEN_DIGITS)
    if digits == "0" * 10:
        raise InvalidValue(FieldCode.ALL_ZEROS)
    return digits


def _is_known(word: str) -> bool:
    word = word.rstrip(".")
    return (word if word.isascii() else word.translate(LOOK_ALIKES)) in _KNOWN_WORDS


def has_valid_check_digit(number: str) -> bool:
    """Return whether the last digit of a tax number is the correct check digit."""
    from stdnum.ua import rntrc

    return bool(rntrc.is_valid(number))
