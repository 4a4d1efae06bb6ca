"""Parser of e-mail addresses."""

from __future__ import annotations

import re

from leadbridge.domain.errors.field_codes import FieldCode, InvalidValue
from leadbridge.domain.fields.names import has_mixed_alphabets
from leadbridge.domain.fields.reading import Reading
from leadbridge.domain.fields.texts import typed

MAX_EMAIL_LENGTH = 254  # characters
MAX_EMAIL_TEXT = 1000  # characters of a text with one or several addresses

_EMAIL = re.compile(r"[^@\s,;<>()\[\]\"]{1,64}@[^@\s,;<>()\[\]\".]+(\.[^@\s,;<>()\[\]\".]+)+")
_IN_BRACKETS = r"<([^<>]*@[^<>]*)>"
_LABEL = r"[^@:]{1,40}:\s*(?=\S)"
_REMARK = r"\([^()@]*\)$"
_SEPARATORS = r"[;,|/]|\s+(?:або|чи|или|or|and|та|и|і)\s+|\s+(?=\S+@)"
_WRAPPING = " \t.,;:!?/\\'\"’‘“”«»„`<>()[]{}"


def email(value: object, reading: Reading | None = None) -> str | None:
    """Parse an e-mail address. Its case does not change.

    `mailto:`, quotes, brackets and punctuation around it are left out. The first of several addresses counts.
    """
    reading = reading or Reading()
    try:
        found = typed(value, reading, limit=MAX_EMAIL_TEXT)
    except InvalidValue as error:
        raise InvalidValue(FieldCode.NOT_AN_EMAIL if error.code is FieldCode.TOO_LONG else error.code) from None
    if found is None:
        return None
    address = _address_in(found, reading)
    if has_mixed_alphabets(address):
        reading.warn(FieldCode.MIXED_ALPHABETS)
    return address


def _address_in(found: str, reading: Reading) -> str:
    if (
        ":" not in found
        and len(found) <= MAX_EMAIL_LENGTH
        and _EMAIL.fullmatch(found)
        and found.strip(_WRAPPING) == found
    ):
        return found
    if address := _only_address(found):
        return address
    if "@" not in found:
        raise InvalidValue(FieldCode.NOT_AN_EMAIL)
    if bracketed := re.findall(_IN_BRACKETS, found):
        addresses = [address for one in bracketed if (address := _only_address(one))]
        if addresses:
            if len(bracketed) > 1:
                reading.warn(FieldCode.FIRST_OF_SEVERAL)
            return addresses[0]
    if address := _only_address(re.sub(_REMARK, "", found)):
        reading.warn(FieldCode.EXTRA_TEXT)
        return address
    parts = [part for part in re.split(_SEPARATORS, found) if part.strip(_WRAPPING)]
    addresses = [address for part in parts if (address := _only_address(part))]
    if not addresses or any("@" not in part and _is_address_like(part) for part in parts):
        raise InvalidValue(FieldCode.NOT_AN_EMAIL)
    reading.warn(FieldCode.FIRST_OF_SEVERAL if len(addresses) > 1 else FieldCode.EXTRA_TEXT)
    return addresses[0]


def _only_address(text: str) -> str | None:
    """Return the address of a text that has nothing but it and its wrapping."""
    bare = text.strip(_WRAPPING)
    if label := re.match(_LABEL, bare):
        bare = bare[label.end() :].partition("?")[0].strip(_WRAPPING)
    bare = re.sub(r"\s?@\s?", "@", bare)
    return bare if len(bare) <= MAX_EMAIL_LENGTH and _EMAIL.fullmatch(bare) else None


def _is_address_like(part: str) -> bool:
    """Return whether a part without @ may belong to an address that has a space in it."""
    return part.isascii() and not part.endswith(":")
