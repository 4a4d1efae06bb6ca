"""Python values as DynamoDB's attribute values and back: `"text"` is `{"S": "text"}`, `Decimal(5)` is `{"N": "5"}`.

This does what boto3's TypeSerializer and TypeDeserializer do, for the types that the table holds. boto3's own would
load all of boto3 and of S3's transfers, a tenth of a cold start.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Clamped, Context, Decimal, Inexact, Overflow, Rounded, Underflow
from typing import Any

type AttributeValue = dict[str, Any]

# DynamoDB stores numbers of up to 38 digits exactly. A number that it would round raises decimal's error.
_NUMBERS = Context(prec=38, Emin=-128, Emax=126, traps=[Clamped, Overflow, Inexact, Rounded, Underflow])


def serialize(value: Any) -> AttributeValue:
    """Return the attribute value. Raises TypeError for other types, such as a float, which is not exact."""
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case int() | Decimal():
            return {"N": _number(value)}
        case Mapping():
            return {"M": {name: serialize(one) for name, one in value.items()}}
        case list() | tuple():
            return {"L": [serialize(one) for one in value]}
        case _:
            raise TypeError(f"a {type(value).__name__} cannot be stored in the table")


def deserialize(attribute: AttributeValue) -> Any:
    """Return the Python value; a number becomes Decimal. Raises TypeError for a type that the table does not hold."""
    ((kind, value),) = attribute.items()
    match kind:
        case "S" | "BOOL":
            return value
        case "N":
            return _NUMBERS.create_decimal(value)
        case "NULL":
            return None
        case "M":
            return {name: deserialize(one) for name, one in value.items()}
        case "L":
            return [deserialize(one) for one in value]
        case _:
            raise TypeError(f"the table holds no values of the type {kind}")


def _number(value: int | Decimal) -> str:
    number = _NUMBERS.create_decimal(value)
    if not number.is_finite():
        raise TypeError(f"{number} cannot be stored in the table")
    return str(number)
