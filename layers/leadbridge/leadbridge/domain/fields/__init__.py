"""Parsers of the fields of a lead, one for each kind of field.

Each takes a form's value (text or JSON) and returns the normalized value, or None for an empty one. It raises
InvalidValue with a message that does not quote the value. The reading has the rules of the source and collects
warnings. The rules are those of Ukrainian lenders.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

from leadbridge.domain.errors.field_codes import FieldCode, InvalidValue
from leadbridge.domain.fields.reading import Reading
from leadbridge.domain.fields.unicode_text import collapse, normalize

MAX_TEXT_LENGTH = 255  # characters; the partners publish no limits of their own
MAX_AMOUNT_DIGITS = 16
MAX_DECOMPOSITION = 4  # characters that NFC can compose into one

_CYRILLIC = re.compile("[\u0400-\u04ff]")
_LATIN = re.compile("[A-Za-z]")
_EMAIL = re.compile(r"[^@\s,;<>()\[\]\"]{1,64}@[^@\s,;<>()\[\]\".]+(\.[^@\s,;<>()\[\]\".]+)+")
_PHONE_SHAPE = re.compile(r"\+?[\d\s().\-/\u2010-\u2015]+")


def text(value: object, _reading: Reading | None = None, *, limit: int = MAX_TEXT_LENGTH) -> str | None:
    """Parse a text: NFC, collapsed white space, no invisible or control characters, at most `limit` characters.

    The steps of linear time come first. Only a text that can still fit the limit is normalized.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise InvalidValue(FieldCode.NOT_TEXT)
    try:
        raw = str(value)
        raw.encode()
    except ValueError:
        raise InvalidValue(FieldCode.INVALID_CHARACTERS) from None
    clean = collapse(raw)
    if len(clean) <= MAX_DECOMPOSITION * limit:
        clean = " ".join(normalize(clean).split())
    if len(clean) > limit:
        raise InvalidValue(FieldCode.TOO_LONG, f"must be at most {limit} characters")
    return clean or None


def truncate_text(value: object, limit: int) -> str | None:
    """Parse a text and cut it to `limit` characters; None if it is no text. Never raises."""
    try:
        clean = text(value[:limit] if isinstance(value, str) else value, limit=MAX_DECOMPOSITION * limit)
    except ValueError:
        return None
    return (clean or "")[:limit].rstrip() or None


def email(value: object, _reading: Reading | None = None) -> str | None:
    """Parse an e-mail address. Its case does not change."""
    clean = text(value)
    if clean is None:
        return None
    if len(clean) > 254 or not _EMAIL.fullmatch(clean):
        raise InvalidValue(FieldCode.NOT_AN_EMAIL)
    return clean


def phone(value: object, _reading: Reading | None = None) -> str | None:
    """Parse a phone number to E.164. `0…`, `80…` and `380…` are Ukrainian numbers."""
    clean = text(value)
    if clean is None:
        return None
    if not _PHONE_SHAPE.fullmatch(clean):
        raise InvalidValue(FieldCode.NOT_A_PHONE)
    digits = "".join(str(int(character)) for character in clean if character.isdigit())
    if not isinstance(value, str) and not digits.startswith("380"):
        raise InvalidValue(FieldCode.LEADING_ZERO_LOST)
    if clean.startswith("+"):
        return _international(digits)
    if len(digits) == 10 and digits.startswith("0"):
        return f"+38{digits}"
    if len(digits) == 11 and digits.startswith("80"):
        return f"+3{digits}"
    return _international(digits)


def is_ukrainian(phone_number: str) -> bool:
    """Return whether an E.164 number has the Ukrainian form `0XXXXXXXXX`."""
    return re.fullmatch(r"\+380\d{9}", phone_number) is not None


def tax_number(value: object, _reading: Reading | None = None) -> str | None:
    """Parse a Ukrainian tax number (РНОКПП): exactly ten digits, not all of them zero."""
    clean = text(value)
    if clean is None:
        return None
    if not re.fullmatch(r"[0-9]{10}", clean):
        raise InvalidValue(FieldCode.NOT_TEN_DIGITS)
    if clean == "0" * 10:
        raise InvalidValue(FieldCode.ALL_ZEROS)
    return clean


def has_valid_check_digit(number: str) -> bool:
    """Return whether the last digit of a tax number is the correct check digit."""
    from stdnum.ua import rntrc

    return bool(rntrc.is_valid(number))


def amount(value: object, _reading: Reading | None = None) -> Decimal | None:
    """Parse an amount of money: more than zero, at most two decimal places and 16 digits.

    Accepts a JSON number as Decimal or int (never a float), or a text with a decimal point or comma.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise InvalidValue(FieldCode.NOT_A_NUMBER)
    number = _decimal_in_text(value) if isinstance(value, str) else Decimal(value)
    if not number.is_finite() or number <= 0:
        raise InvalidValue(FieldCode.NOT_POSITIVE)
    if number.adjusted() >= MAX_AMOUNT_DIGITS or len(number.as_tuple().digits) > 2 * MAX_AMOUNT_DIGITS:
        raise InvalidValue(FieldCode.TOO_MANY_DIGITS, f"must have at most {MAX_AMOUNT_DIGITS} digits")
    places = _decimal_places(number)
    if places > 2:
        raise InvalidValue(FieldCode.TOO_MANY_DECIMALS)
    if max(number.adjusted() + 1, 1) + places > MAX_AMOUNT_DIGITS:
        raise InvalidValue(FieldCode.TOO_MANY_DIGITS, f"must have at most {MAX_AMOUNT_DIGITS} digits")
    return Decimal(f"{number:f}")


def term(value: object, _reading: Reading | None = None) -> int | None:
    """Parse the term of a loan: a whole number above zero, in the partner's unit."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,6}\s*", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidValue(FieldCode.NOT_WHOLE)
    if not 0 < value < 1_000_000:
        raise InvalidValue(FieldCode.OUT_OF_RANGE, "must be between 1 and 999999")
    return value


def find_name_warnings(full_name: str) -> list[FieldCode]:
    """Return warnings about an unusual name."""
    warnings: list[FieldCode] = []
    if len(full_name.split()) < 3:
        warnings.append(FieldCode.FEW_WORDS)
    if _CYRILLIC.search(full_name) and _LATIN.search(full_name):
        warnings.append(FieldCode.MIXED_ALPHABETS)
    return warnings


def _decimal_in_text(value: str) -> Decimal:
    compact = "".join(value.split())
    if len(compact) > MAX_TEXT_LENGTH or not re.fullmatch(r"\+?[0-9]+([.,][0-9]+)?", compact, flags=re.ASCII):
        raise InvalidValue(FieldCode.NOT_A_NUMBER)
    try:
        return Decimal(compact.replace(",", "."))
    except InvalidOperation:
        raise InvalidValue(FieldCode.NOT_A_NUMBER) from None


def _decimal_places(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _international(digits: str) -> str:
    if re.fullmatch(r"380\d{9}", digits):
        return f"+{digits}"
    import phonenumbers

    try:
        number = phonenumbers.parse(f"+{digits}")
    except phonenumbers.NumberParseException:
        raise InvalidValue(FieldCode.NOT_A_PHONE) from None
    written = str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    # Reject a number whose leading zeros the library drops as a prefix: it cannot be called.
    if not phonenumbers.is_possible_number(number) or phonenumbers.parse(written) != number:
        raise InvalidValue(FieldCode.NOT_A_PHONE)
    return written
