"""Parsers of amounts and terms: what people type for a number, read only if it has one reading.

`docs/forms.md` has the table of the rules. A text with several readings, or a range, raises `ambiguous_number`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from leadbridge.domain.errors.field_codes import FieldCode, InvalidValue
from leadbridge.domain.fields.number_words import (
    HALF_A_YEAR_WORDS,
    HRYVNIA_WORDS,
    LOOK_ALIKES,
    MONTHS,
    MULTIPLIERS,
    OTHER_CURRENCY_WORDS,
    OTHER_UNITS,
    RANGE_WORDS,
    TERM_FILLERS,
)
from leadbridge.domain.fields.reading import Reading
from leadbridge.domain.fields.texts import typed

MAX_AMOUNT_DIGITS = 16
MAX_NUMBER_TEXT = 100  # characters of a text with a number
MAX_TERM = 999_999

_DECIMAL_MARKS = {"decimal_comma": ",", "decimal_point": "."}  # of the formats; "auto" has none
_SPACES = " '’ʼ‘´`"  # between groups of digits only
_TOKEN = rf"(?s)([0-9](?:[0-9{_SPACES}.,]*[0-9])?)|([^\W\d_]+(?:['’ʼ][^\W\d_]+)*)\.?|(.)"
_REMARK = r"\([^()0-9]*\)"  # the number in words
_NO_CENTS = r"(?<=[0-9])[.,]\s?[-\u2010-\u2015=]+(?![0-9])"  # 15000,-
_WRAPPING = " ;:\"'’“”«»"
_TRAILING = f"{_WRAPPING}.,-–—="
_DASHES = frozenset("-\u2010\u2011\u2012\u2013\u2014\u2015~…/")


class _Part(NamedTuple):
    """One number of a text, with the factor of the word after it. `has_unit` is whether there is such a word."""

    number: Decimal
    factor: Decimal = Decimal(1)
    has_unit: bool = False


def amount(value: object, reading: Reading | None = None) -> Decimal | None:
    """Parse an amount of money: more than zero, at most two decimal places and 16 digits.

    Accepts a JSON number as Decimal or int (never a float), or a text as people type it. The result has the digits as
    they were typed.
    """
    reading = reading or Reading()
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise InvalidValue(FieldCode.NOT_A_NUMBER)
    if isinstance(value, str):
        number = _amount_in(value, reading)
        if number is None:
            return None
    else:
        number = Decimal(value)
    return _checked(number)


def term(value: object, reading: Reading | None = None) -> int | None:
    """Parse the term of a loan: a whole number above zero, in the partner's unit. Years are read as 12 months."""
    reading = reading or Reading()
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, str):
        number = _term_in(value, reading)
        if number is None:
            return None
    elif isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise InvalidValue(FieldCode.NOT_WHOLE)
    elif isinstance(value, Decimal):
        number = value
    else:
        number = Decimal(value) if abs(value) <= MAX_TERM else Decimal(MAX_TERM + 1)
    if not number.is_finite():
        raise InvalidValue(FieldCode.NOT_WHOLE)
    if not -MAX_TERM <= number <= MAX_TERM:
        raise InvalidValue(FieldCode.OUT_OF_RANGE, f"must be between 1 and {MAX_TERM}")
    if number != number.to_integral_value():
        raise InvalidValue(FieldCode.NOT_WHOLE)
    if number < 1:
        raise InvalidValue(FieldCode.OUT_OF_RANGE, f"must be between 1 and {MAX_TERM}")
    return int(number)


def _checked(number: Decimal) -> Decimal:
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


def _amount_in(value: str, reading: Reading) -> Decimal | None:
    def add_word(word: str, parts: list[_Part]) -> None:
        if word in MULTIPLIERS and parts and not parts[-1].has_unit:
            parts[-1] = _Part(parts[-1].number, MULTIPLIERS[word], has_unit=True)
        elif word in HRYVNIA_WORDS or word in OTHER_CURRENCY_WORDS:
            if word in OTHER_CURRENCY_WORDS:
                reading.warn(FieldCode.OTHER_CURRENCY)
            if parts and not parts[-1].has_unit:
                parts[-1] = _Part(parts[-1].number, has_unit=True)
        else:
            raise InvalidValue(FieldCode.NOT_A_NUMBER)

    return _number_in(value, reading, add_word)


def _term_in(value: str, reading: Reading) -> Decimal | None:
    def add_word(word: str, parts: list[_Part]) -> None:
        if word in MONTHS and parts and not parts[-1].has_unit:
            parts[-1] = _Part(parts[-1].number, MONTHS[word], has_unit=True)
        elif word in HALF_A_YEAR_WORDS:
            parts.append(_Part(Decimal(6), has_unit=True))
        elif word in OTHER_UNITS:
            raise InvalidValue(FieldCode.OTHER_UNIT)
        elif word not in TERM_FILLERS:
            raise InvalidValue(FieldCode.NOT_A_NUMBER)

    return _number_in(value, reading, add_word)


def _number_in(value: str, reading: Reading, add_word: Callable[[str, list[_Part]], None]) -> Decimal | None:
    """Return the number of a text; `add_word` applies a word to the parts before it, or raises InvalidValue."""
    found = _number_text(value, reading)
    if found is None:
        return None
    if found.isascii() and found.isdigit():
        return Decimal(found)
    parts: list[_Part] = []
    for number, word in _tokens(found, reading.rules.number_format):
        if number is not None:
            parts.append(_Part(number))
        else:
            add_word(word, parts)
    return _sum(parts)


def _number_text(value: str, reading: Reading) -> str | None:
    try:
        found = typed(value, reading, limit=MAX_NUMBER_TEXT)
    except InvalidValue:
        raise InvalidValue(FieldCode.NOT_A_NUMBER) from None
    if found is None or (found.isascii() and found.isdigit()):
        return found
    return re.sub(_NO_CENTS, "", re.sub(_REMARK, " ", found.casefold())).strip(_WRAPPING).rstrip(_TRAILING)


def _tokens(found: str, number_format: str) -> Iterator[tuple[Decimal | None, str]]:
    """Return the numbers and the words of a text, in their order. Raises InvalidValue for other characters."""
    numbers = 0
    tokens = list(re.finditer(_TOKEN, found))
    has_thousands = any(token[2] in MULTIPLIERS and MULTIPLIERS[token[2]] > 1 for token in tokens if token[2])
    for position, token in enumerate(tokens):
        digits, word, other = token.groups()
        if digits:
            numbers += 1
            yield read_number(digits, number_format, is_multiplied=has_thousands), ""
        elif word:
            word = word if word.isascii() else word.translate(LOOK_ALIKES)
            if word in RANGE_WORDS:
                raise InvalidValue(FieldCode.AMBIGUOUS_NUMBER)
            yield None, word
        elif other in HRYVNIA_WORDS or other in OTHER_CURRENCY_WORDS:
            yield None, other
        elif other in _DASHES:
            if numbers == 0 and other == "-":
                raise InvalidValue(FieldCode.NOT_POSITIVE)
            raise InvalidValue(FieldCode.AMBIGUOUS_NUMBER if numbers else FieldCode.NOT_A_NUMBER)
        elif other in ".," and found[token.end() :][:1].isdigit() and not (position and tokens[position - 1][2]):
            raise InvalidValue(FieldCode.AMBIGUOUS_NUMBER)  # `.5` is no 5
        elif not (other.isspace() or other in ".,:;" or (other == "+" and position == 0)):
            raise InvalidValue(FieldCode.NOT_A_NUMBER)


def _sum(parts: list[_Part]) -> Decimal:
    """Return the number of a text: one part, or several that get smaller (`1 рік 6 місяців`)."""
    if not parts:
        raise InvalidValue(FieldCode.NOT_A_NUMBER)
    for larger, smaller in pairwise(parts):
        if not larger.has_unit or smaller.factor >= larger.factor or smaller.number * smaller.factor >= larger.factor:
            raise InvalidValue(FieldCode.AMBIGUOUS_NUMBER)
    if len(parts) == 1 and parts[0].factor == 1:
        return parts[0].number
    total = sum((part.number * part.factor for part in parts), Decimal())
    return total.quantize(Decimal(1)) if total == total.to_integral_value() else total.normalize()


def read_number(digits: str, number_format: str = "auto", *, is_multiplied: bool = False) -> Decimal:
    """Return the number of digits and separators. Raises InvalidValue if it has several readings, or none.

    `is_multiplied`: a word such as `тис` follows, so that three digits after a lone separator can be decimals, too.
    """
    compact = digits
    for space in _SPACES[1:]:
        compact = compact.replace(space, " ")
    marks = [character for character in compact if not character.isdigit()]
    if not marks:
        return Decimal(compact)
    last, kinds = marks[-1], set(marks)
    decimal_mark = _DECIMAL_MARKS.get(number_format)
    head, _, tail = compact.rpartition(last)
    if last == " " or marks.count(last) > 1:
        is_decimal = False
    elif decimal_mark is not None:
        is_decimal = last == decimal_mark or (len(kinds) == 1 and len(tail) != 3)
    elif len(marks) > 1:  # another mark groups the digits before this one
        if len(tail) == 3 and " " not in kinds:
            raise InvalidValue(FieldCode.AMBIGUOUS_NUMBER)
        is_decimal = True
    else:
        is_decimal = len(tail) != 3 or len(head) > 3 or head.startswith("0")
        if not is_decimal and is_multiplied:
            raise InvalidValue(FieldCode.AMBIGUOUS_NUMBER)
    whole, places = (head, tail.rstrip("0") if len(tail) > 2 else tail) if is_decimal else (compact, "")
    return Decimal(f"{_ungrouped(whole)}.{places}" if places else _ungrouped(whole))


def _ungrouped(whole: str) -> str:
    """Return the digits of groups of three. Raises InvalidValue for other groups, and for several separators."""
    first, *groups = re.split("[ .,]", whole)
    if not groups:
        return first
    is_one_separator = len({character for character in whole if not character.isdigit()}) == 1
    is_first_right = 1 <= len(first) <= 3 and not first.startswith("0")
    if not is_one_separator or not is_first_right or any(len(group) != 3 for group in groups):
        raise InvalidValue(FieldCode.AMBIGUOUS_NUMBER)
    return first + "".join(groups)


def _decimal_places(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
