"""botocore's validation of the parameters of DynamoDB, without repeating what it has found valid.

It takes most of a call's time. Here, attribute values that are certainly valid are checked at once, and the rest of a
call, which has the same few forms in all calls, is validated by botocore once for each form.
"""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ParamValidationError
from botocore.validate import ParamValidator

ATTRIBUTES = frozenset({"Key", "Item", "ExpressionAttributeValues", "ExclusiveStartKey"})
TYPES: dict[str, type] = {"S": str, "N": str, "BOOL": bool, "NULL": bool}

_valid: set[tuple[str, str]] = set()


def validate(model: Any, parameters: dict[str, Any]) -> None:
    """Raise ParamValidationError for parameters that do not match the operation's model."""
    skeleton = _skeleton(parameters)
    form = model.name, repr(skeleton)
    if form in _valid:
        return
    report = ParamValidator().validate(skeleton, model.input_shape)
    if report.has_errors():
        raise ParamValidationError(report=report.generate_report())
    _valid.add(form)


def _skeleton(value: Any) -> Any:
    """The value without its attribute values that are valid."""
    if isinstance(value, dict):
        return {name: _member(name, one) for name, one in value.items()}
    if isinstance(value, list):
        return [_skeleton(one) for one in value]
    return value


def _member(name: str, value: Any) -> Any:
    if name in ATTRIBUTES and _are_valid(value):
        return {}
    if name == "ClientRequestToken" and isinstance(value, str) and 1 <= len(value) <= 36:
        return "another in each call"
    return _skeleton(value)


def _are_valid(attributes: Any) -> bool:
    return (
        isinstance(attributes, dict) and {*map(type, attributes)} <= {str} and all(map(_is_valid, attributes.values()))
    )


def _is_valid(attribute: Any) -> bool:
    if not isinstance(attribute, dict) or len(attribute) != 1:
        return False
    ((kind, value),) = attribute.items()
    if kind == "M":
        return _are_valid(value)
    if kind == "L":
        return isinstance(value, list) and all(map(_is_valid, value))
    return kind in TYPES and isinstance(value, TYPES[kind])
