"""Parsers of the fields of a lead, one for each kind of field.

Each takes a form's value (text or JSON) and returns the normalized value, or None for an empty one. It raises
ValueError with a message that does not quote the value. The rules are those of Ukrainian lenders.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

from leadbridge.domain.fields.unicode_text import collapse, normalize

MAX_TEXT_LENGTH = 255  # characters; the partners publish no limits of their own
MAX_AMOUNT_DIGITS = 16
MAX_DECOMPOSITION = 4  # characters that NFC can compose into one

_CYRILLIC = re.compile("[\u0400-\u04ff]")
_LATIN = re.compile("[A-Za-z]")
_EMAIL = re.compile(r"[^@\s,;<>()\[\]\"]{1,64}@[^@\s,;<>()\[\]\".]+(\.[^@\s,;<>()\[\]\".]+)+")
_PHONE_SHAPE = re.compile(r"\+?[\d\s().\-/\u2010-\u2015]+")


def text(value: object, *, limit: int = MAX_TEXT_LENGTH) -> str | None:
    """Parse a text: NFC, collapsed white space, no invisible or control characters, at most `limit` characters.

    The steps of linear time come first. Only a text that can still fit the limit is normalized.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ValueError("must be text")
    try:
        raw = str(value)
        raw.encode()
    except ValueError:
        raise ValueError("contains invalid characters") from None
    clean = collapse(raw)
    if len(clean) <= MAX_DECOMPOSITION * limit:
        clean = " ".join(normalize(clean).split())
    if len(clean) > limit:
        raise ValueError(f"must be at most {limit} characters")
    return clean or None


def truncate_text(value: object, limit: int) -> str | None:
    """Parse a text and cut it to `limit` characters; None if it is no text. Never raises."""
    try:
        clean = text(value[:limit] if isinstance(value, str) else value, limit=MAX_DECOMPOSITION * limit)
    except ValueError:
        return None
    return (clean or "")[:limit].rstrip() or None


def email(value: object) -> str | None:
    """Parse an e-mail address. Its case does not change."""
    clean = text(value)
    if clean is None:
        return None
    if len(clean) > 254 or not _EMAIL.fullmatch(clean):
        raise ValueError("must be an e-mail address")
    return clean


def phone(value: object) -> str | None:
    """Parse a phone number to E.164. `0…`, `80…` and `380…` are Ukrainian numbers."""
    clean = text(value)
    if clean is None:
        return None
    if not _PHONE_SHAPE.fullmatch(clean):
        raise ValueError("must be a phone number")
    digits = "".join(str(int(character)) for character in clean if character.isdigit())
    if not isinstance(value, str) and not digits.startswith("380"):
        raise ValueError("must be text, because a number loses its leading zero")
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


def tax_number(value: object) -> str | None:
    """Parse a Ukrainian tax number (РНОКПП): exactly ten digits, not all of them zero."""
    clean = text(value)
    if clean is None:
        return None
    if not re.fullmatch(r"[0-9]{10}", clean):
        raise ValueError("must be ten digits")
    if clean == "0" * 10:
        raise ValueError("must not be all zeros")
    return clean


def has_valid_check_digit(number: str) -> bool:
    """Return whether the last digit of a tax number is the correct check digit."""
    from stdnum.ua import rntrc

    return bool(rntrc.is_valid(number))


def amount(value: object) -> Decimal | None:
    """Parse an amount of money: more than zero, at most two decimal places and 16 digits.

    Accepts a JSON number as Decimal or int (never a float), or a text with a decimal point or comma.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ValueError("must be a number")
    number = _decimal_in_text(value) if isinstance(value, str) else Decimal(value)
    if not number.is_finite() or number <= 0:
        raise ValueError("must be more than zero")
    if number.adjusted() >= MAX_AMOUNT_DIGITS or len(number.as_tuple().digits) > 2 * MAX_AMOUNT_DIGITS:
        raise ValueError(f"must have at most {MAX_AMOUNT_DIGITS} digits")
    places = _decimal_places(number)
    if places > 2:
        raise ValueError("must have at most two decimal places")
    if max(number.adjusted() + 1, 1) + places > MAX_AMOUNT_DIGITS:
        raise ValueError(f"must have at most {MAX_AMOUNT_DIGITS} digits")
    return Decimal(f"{number:f}")


def term(value: object) -> int | None:
    """Parse the term of a loan: a whole number above zero, in the partner's unit."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,6}\s*", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("must be a whole number")
    if not 0 < value < 1_000_000:
        raise ValueError("must be between 1 and 999999")
    return value


def find_name_warnings(full_name: str) -> list[str]:
    """Return warnings about an unusual name."""
    warnings = []
    if len(full_name.split()) < 3:
        warnings.append("fewer than three words")
    if _CYRILLIC.search(full_name) and _LATIN.search(full_name):
        warnings.append("Latin letters among Cyrillic ones")
    return warnings


def _decimal_in_text(value: str) -> Decimal:
    compact = "".join(value.split())
    if len(compact) > MAX_TEXT_LENGTH or not re.fullmatch(r"\+?[0-9]+([.,][0-9]+)?", compact, flags=re.ASCII):
        raise ValueError("must be a number")
    try:
        return Decimal(compact.replace(",", "."))
    except InvalidOperation:
        raise ValueError("must be a number") from None


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
        raise ValueError("must be a phone number") from None
    written = str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    # Reject a number whose leading zeros the library drops as a prefix: it cannot be called.
    if not phonenumbers.is_possible_number(number) or phonenumbers.parse(written) != number:
        raise ValueError("must be a phone number")
    return written
