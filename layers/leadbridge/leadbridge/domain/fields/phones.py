"""Parser of phone numbers.

A number is valid by the numbering plan of its country (phonenumbers' `is_valid_number`), not merely of a possible
length. Most Ukrainian numbers are recognized without that library, because its import is slow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from leadbridge.domain.errors.field_codes import FieldCode, InvalidValue
from leadbridge.domain.fields.reading import Reading
from leadbridge.domain.fields.texts import typed

MAX_PHONE_TEXT = 255  # characters of a text with one or several numbers
MAX_PHONE_DIGITS = 25  # of a number with its prefixes; E.164 has at most 15
MIN_PHONE_DIGITS = 4
MAX_CANDIDATES = 20  # numbers of a text that are tried

_SHAPE = re.compile(r"\+?[\d\s().\-/\u2010-\u2015\u2212]+")
_RUN = r"[+(]*\d[\d\s().\-\u2010-\u2015\u2212]*"
_EXTENSION = (
    r"(?:\s*\(|[\s,;(]*(?:#|\b(?:доб|внутр|вн|ext|extn|x|х|ex|тон)(?:\b|(?=\d))|\b(?:добавочн|внутрішн|внутренн|extension)\w*))"
    r"[\s.:№]*(\d{1,7})[\s).]*$"
)
_SPREADSHEET = r"(\+?[0-9]{9,15})[.,]0+"
_SCIENTIFIC = r"([0-9])[.,]([0-9]+)e\+?([0-9]{1,2})"

_UKRAINIAN = re.compile(
    "380(?:(?:3[1-8]|4[13-8]|5[1-7]|6[12459])[0-9]{7}|(?:39|50|6[36-8]|7[1-357]|9[1-9])[0-9]{7}|790[0-9]{6})"
)


def phone(value: object, reading: Reading | None = None) -> str | None:
    """Parse a phone number to E.164. One without its country's code is of the reading's `phone_country`.

    The first of several numbers counts. Extensions and words are left out with a warning.
    """
    reading = reading or Reading()
    if isinstance(value, Decimal):
        value = _text_of(value)
    found = typed(value, reading, limit=MAX_PHONE_TEXT)
    if found is None:
        return None
    country = reading.rules.phone_country
    text = _from_spreadsheet(found.casefold())
    if _SHAPE.fullmatch(text) and (number := _valid_number(text, country)):
        return number
    extension = re.search(_EXTENSION, text)
    if extension and (first := _first_number(text[: extension.start()], country)):
        reading.warn(FieldCode.EXTRA_TEXT)
        return first[0]
    if first := _first_number(text, country):
        reading.warn(FieldCode.FIRST_OF_SEVERAL if first[1] else FieldCode.EXTRA_TEXT)
        return first[0]
    raise InvalidValue(FieldCode.NOT_A_PHONE)


def phone_with_country(value: object) -> str | None:
    """Parse a phone number of a partner or an operator, which has its country's code, with or without the plus."""
    try:
        return phone(value)
    except InvalidValue:
        if isinstance(value, str) and (digits := value.strip())[:1].isdigit():
            return phone(f"+{digits}")
        raise


def is_ukrainian(phone_number: str) -> bool:
    """Return whether an E.164 number has the Ukrainian form `0XXXXXXXXX`."""
    return re.fullmatch(r"\+380[0-9]{9}", phone_number) is not None


def is_phone_of(phone_number: str, country: str) -> bool:
    """Return whether an E.164 number belongs to a country (ISO 3166)."""
    if country == "UA":
        return is_ukrainian(phone_number)
    import phonenumbers

    return bool(phonenumbers.is_valid_number_for_region(phonenumbers.parse(phone_number), country))


def _text_of(number: Decimal) -> str:
    """Return the digits of a JSON number. Raises InvalidValue if they are not whole."""
    if not number.is_finite() or not 0 <= number.adjusted() < MAX_PHONE_DIGITS:
        raise InvalidValue(FieldCode.NOT_A_PHONE)
    if number.as_tuple().exponent > 0:  # type: ignore[operator]
        raise InvalidValue(FieldCode.DIGITS_LOST)
    return f"{number:f}"


def _from_spreadsheet(text: str) -> str:
    """Return a phone that a spreadsheet wrote as a number. Raises InvalidValue if it has rounded the number."""
    if not any(mark in text for mark in ".,e"):
        return text
    if found := re.fullmatch(_SPREADSHEET, text):
        return found[1]
    if found := re.fullmatch(_SCIENTIFIC, text):
        if len(found[2]) < int(found[3]):
            raise InvalidValue(FieldCode.DIGITS_LOST)
        if len(found[2].rstrip("0")) <= int(found[3]):
            return found[1] + found[2][: int(found[3])]
    return text


def _first_number(text: str, country: str) -> tuple[str, bool] | None:
    """Return the first valid number of a text, and whether there may be others; None if there is none."""
    candidates = [run for _, run in zip(range(MAX_CANDIDATES), re.findall(_RUN, text), strict=False)]
    found: str | None = None
    for candidate in candidates:
        for number in _numbers_in(candidate, country):
            if found is not None:
                return found, True
            found = number
    return None if found is None else (found, False)


def _numbers_in(run: str, country: str) -> Iterator[str]:
    """Return the numbers of a run of digits and separators: it is one number, or only valid ones."""
    if number := _valid_number(run, country):
        yield number
        return
    found: list[str] = []
    digits = ""
    for word in run.split():
        digits += word
        if number := _valid_number(digits, country):
            found.append(number)
            digits = ""
    if found and not any(map(str.isdigit, digits)):
        yield from found


def _valid_number(text: str, country: str) -> str | None:
    """Return one number in E.164; None if it is not valid."""
    digits = "".join(str(int(character)) for character in text if character.isdecimal())
    if not MIN_PHONE_DIGITS <= len(digits) <= MAX_PHONE_DIGITS:
        return None
    if "+" in text:
        is_national = digits.startswith("0") or (country == "UA" and digits.startswith(("80", "38")))
        return _e164(f"+{digits}") or (_national(digits, country) if is_national else None)
    if digits.startswith("00"):
        return _e164(f"+{digits[2:]}")
    if digits.startswith("810") and len(digits) > 12:
        return _e164(f"+{digits[3:]}")
    return _national(digits, country)


def _national(digits: str, country: str) -> str | None:
    """Return a number without an international prefix in E.164; None if it is not valid in the country.

    Ukrainian numbers can have the code of the country, with or without the 0 of the national form.
    """
    if country != "UA":
        return _e164(digits, country) or (_e164(f"+{digits}") if digits.startswith("380") else None)
    if digits.startswith("380") and len(digits) > 10:
        return _e164(f"+{digits}")
    if len(digits) == 11 and digits.startswith("80"):
        return _e164(f"+3{digits}")
    if len(digits) == 11 and digits.startswith("38") and _e164(f"+{digits}") is None:
        return _e164(f"+380{digits[2:]}")
    return _e164(f"+380{digits.removeprefix('0')}") if len(digits) in {9, 10, 11} else None


def _e164(text: str, country: str | None = None) -> str | None:
    """Return a number in E.164; None if it is not valid."""
    if country is None and _UKRAINIAN.fullmatch(text, 1):
        return text
    import phonenumbers

    try:
        number = phonenumbers.parse(text, country)
        written = str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
        # Reject a number whose leading zeros the library drops as a prefix: it cannot be called.
        return written if phonenumbers.is_valid_number(number) and phonenumbers.parse(written) == number else None
    except phonenumbers.NumberParseException:
        return None
