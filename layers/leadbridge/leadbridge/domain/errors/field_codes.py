"""The codes of what is wrong with a field of a lead: its problems and its warnings."""

from __future__ import annotations

from dataclasses import dataclass

from leadbridge.domain.errors.codes import CodeWithMeaning


class FieldCode(CodeWithMeaning):
    """What is wrong with a value, or what was changed in it. `meaning` continues a sentence that names the field."""

    # A value that cannot be used
    REQUIRED = "required", "is required"
    NO_CONFIGURED_FIELD = "no_configured_field", "none of the fields that the source configures is in the post"
    NOT_TEXT = "not_text", "must be text"
    NOT_AN_OBJECT = "not_an_object", "must be an object"
    INVALID_CHARACTERS = "invalid_characters", "contains invalid characters"
    NOT_AN_EMAIL = "not_an_email", "must be an e-mail address"
    NOT_A_PHONE = "not_a_phone", "must be a phone number"
    WRONG_COUNTRY = "wrong_country", "must be a phone number of the partner's country"
    NOT_TEN_DIGITS = "not_ten_digits", "must be ten digits"
    ALL_ZEROS = "all_zeros", "must not be all zeros"
    WRONG_CHECK_DIGIT = "wrong_check_digit", "has a wrong check digit"
    DIGITS_LOST = "digits_lost", "must have all its digits; a spreadsheet rounded it"
    NOT_A_NUMBER = "not_a_number", "must be a number"
    AMBIGUOUS_NUMBER = "ambiguous_number", "must be one number with one reading, not a range"
    OTHER_UNIT = "other_unit", "must be in months or years"
    NOT_WHOLE = "not_whole", "must be a whole number"
    NOT_POSITIVE = "not_positive", "must be more than zero"
    OUT_OF_RANGE = "out_of_range", "is outside the allowed range"
    TOO_MANY_DIGITS = "too_many_digits", "has too many digits"
    TOO_MANY_DECIMALS = "too_many_decimals", "must have at most two decimal places"
    TOO_LONG = "too_long", "is too long"
    NO_LETTERS = "no_letters", "must have letters"
    DAMAGED_TEXT = "damaged_text", "must not have lost or damaged letters"
    NOT_WORDS = "not_words", "must be words, not an id"
    UNREADABLE = "unreadable", "is not valid"
    UNKNOWN_FIELD = "unknown_field", "is not a known field"
    WRONG_ID_KIND = "wrong_id_kind", "is not the kind of id that this partner has"
    ID_UNKNOWN = "id_unknown", "is unknown to the partner"
    UNKNOWN_PARTNER = "unknown_partner", "is not a configured partner"

    # A value that is unusual
    FEW_WORDS = "few_words", "fewer than three words"
    MIXED_ALPHABETS = "mixed_alphabets", "Latin letters among Cyrillic ones"
    OTHER_CURRENCY = "other_currency", "has the sign of another currency than the hryvnia"

    # A value that was left out
    PERSONAL_DATA = "personal_data", "looked like a phone, an e-mail or a tax number, and was left out"

    # A value that was changed
    UNESCAPED = "unescaped", "contained escaped characters, which were decoded"
    FIRST_OF_SEVERAL = "first_of_several", "contained several values; the first one is used"
    EXTRA_TEXT = "extra_text", "contained more text, which is not used"
    LEADING_ZERO_RESTORED = "leading_zero_restored", "had lost its leading zero; the check digit proves it"


def parse_field_code(name: object) -> FieldCode:
    """Return the code with this name; `unreadable` if there is none, as another version may have written it."""
    return next((code for code in FieldCode if code.value == name), FieldCode.UNREADABLE)


@dataclass(frozen=True)
class FieldError:
    """A problem or a warning about one field of a lead.

    `field` is dotted (`person.phone`). `message` is for people and does not quote the value; without one it is the
    code's meaning.
    """

    field: str
    code: FieldCode
    message: str = ""

    def __post_init__(self) -> None:
        """Set the message."""
        if not self.message:
            object.__setattr__(self, "message", self.code.meaning)


class InvalidValue(ValueError):
    """A value of a field that cannot be used."""

    def __init__(self, code: FieldCode, message: str = "") -> None:
        super().__init__(message or code.meaning)
        self.code = code
