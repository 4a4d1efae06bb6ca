"""How the fields of a lead are cleaned: one function a kind of field, from what people type to what we keep.

Each takes what a form sent (text, or a JSON value) and returns the clean value, or None for an empty one; each raises
ValueError with a message that quotes nothing of the value. The rules are those of Ukrainian lenders.
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
    """Any text: NFC, white space collapsed, invisible and control characters gone, `limit` characters at most.

    The steps of linear time come first. Only a text that can still fit its limit is normalized.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ValueError("must be text")
    try:
        raw = str(value)
        raw.encode()
    except ValueError:
        raise ValueError("holds characters that are not text") from None
    clean = collapse(raw)
    if len(clean) <= MAX_DECOMPOSITION * limit:
        clean = " ".join(normalize(clean).split())
    if len(clean) > limit:
        raise ValueError(f"must be at most {limit} characters")
    return clean or None


def truncate_text(value: object, limit: int) -> str | None:
    """Any text, cut to what is kept of it; None where it is no text. For what is never a reason to refuse a lead."""
    try:
        clean = text(value[:limit] if isinstance(value, str) else value, limit=MAX_DECOMPOSITION * limit)
    except ValueError:
        return None
    return (clean or "")[:limit].rstrip() or None


def email(value: object) -> str | None:
    """An e-mail address, spelt as it came."""
    clean = text(value)
    if clean is None:
        return None
    if len(clean) > 254 or not _EMAIL.fullmatch(clean):
        raise ValueError("must be an e-mail address")
    return clean


def phone(value: object) -> str | None:
    """A phone number in E.164; `0…`, `80…` and `380…` are read as Ukrainian numbers."""
    clean = text(value)
    if clean is None:
        return None
    if not _PHONE_SHAPE.fullmatch(clean):
        raise ValueError("must be a phone number")
    digits = "".join(str(int(character)) for character in clean if character.isdigit())
    if not isinstance(value, str) and not digits.startswith("380"):
        raise ValueError("must be text: a number loses its leading zero")
    if clean.startswith("+"):
        return _international(digits)
    if len(digits) == 10 and digits.startswith("0"):
        return f"+38{digits}"
    if len(digits) == 11 and digits.startswith("80"):
        return f"+3{digits}"
    return _international(digits)


def is_ukrainian(phone_number: str) -> bool:
    """Whether an E.164 number can be written the way Ukrainian lenders want it, `0XXXXXXXXX`."""
    return re.fullmatch(r"\+380\d{9}", phone_number) is not None


def tax_number(value: object) -> str | None:
    """A Ukrainian tax number (РНОКПП): exactly ten digits, and not all of them zero."""
    clean = text(value)
    if clean is None:
        return None
    if not re.fullmatch(r"[0-9]{10}", clean):
        raise ValueError("must be ten digits")
    if clean == "0" * 10:
        raise ValueError("must not be all zeros")
    return clean


def has_valid_check_digit(number: str) -> bool:
    """Whether a ten-digit tax number's last digit is the right check digit."""
    from stdnum.ua import rntrc

    return bool(rntrc.is_valid(number))


def amount(value: object) -> Decimal | None:
    """Money: more than zero, two decimal places and 16 digits at most, never through a float.

    Takes a JSON number read as Decimal or int, or text, where a comma may stand for the point.
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
    """A loan's term: a whole number above zero, in the partner's own unit."""
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
    """What looks wrong about a name that is accepted all the same."""
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
    # A number whose own zeros are taken for a prefix and dropped is none that can be called.
    if not phonenumbers.is_possible_number(number) or phonenumbers.parse(written) != number:
        raise ValueError("must be a phone number")
    return written
