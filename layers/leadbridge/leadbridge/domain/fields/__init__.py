"""Parsers of the fields of a lead, one for each kind of field.

Each takes a form's value (text or JSON) and returns the normalized value, or None for an empty one. It raises
InvalidValue with a message that does not quote the value. The reading has the rules of the source and collects
warnings. `docs/forms.md` has the rules with examples.
"""

from leadbridge.domain.fields.emails import email
from leadbridge.domain.fields.names import compose_full_name, find_name_warnings, split_full_name
from leadbridge.domain.fields.numbers import amount, term
from leadbridge.domain.fields.phones import is_phone_of, is_ukrainian, phone, phone_with_country
from leadbridge.domain.fields.tax_numbers import has_valid_check_digit, tax_number
from leadbridge.domain.fields.texts import MAX_TEXT_LENGTH, label, name, opaque, text, truncate_text, words

__all__ = [
    "MAX_TEXT_LENGTH",
    "amount",
    "compose_full_name",
    "email",
    "find_name_warnings",
    "has_valid_check_digit",
    "is_phone_of",
    "is_ukrainian",
    "label",
    "name",
    "opaque",
    "phone",
    "phone_with_country",
    "split_full_name",
    "tax_number",
    "term",
    "text",
    "truncate_text",
    "words",
]
