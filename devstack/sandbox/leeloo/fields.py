"""The format of fields, and the required and optional fields of a request."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from devstack.sandbox.leeloo.refusals import Wrong

type Check = Callable[[object], bool]
"""Whether a value has the form."""


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of an object. Others are refused."""

    required: Mapping[str, Check] = field(default_factory=dict)
    optional: Mapping[str, Check] = field(default_factory=dict)

    def errors(self, given: Mapping[str, Any]) -> dict[str, Wrong]:
        checks = {**self.required, **self.optional}
        errors = {name: Wrong.REQUIRED for name in self.required if name not in given}
        for name, value in given.items():
            check = checks.get(name)
            if check is None:
                errors[name] = Wrong.UNKNOWN_FIELD
            elif not check(value):
                errors[name] = Wrong.WRONG_FORMAT
        return errors


def text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def any_text(value: object) -> bool:
    return isinstance(value, str)


def texts_by_name(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())


def one_of(*values: str) -> Check:
    return lambda value: isinstance(value, str) and value in values


def some_of(*values: str) -> Check:
    """Comma-separated words."""
    return lambda value: isinstance(value, str) and set(value.split(",")) <= set(values)


def list_of(check: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(check, value))


def rows_of(fields: Fields, at_least: int = 0) -> Check:
    """A list of objects with these fields."""
    return lambda value: (
        isinstance(value, list)
        and len(value) >= at_least
        and all(isinstance(row, dict) and not fields.errors(row) for row in value)
    )


def _written(pattern: str, *also: Check) -> Check:
    compiled = re.compile(pattern)
    return lambda value: (
        isinstance(value, str) and compiled.fullmatch(value) is not None and all(check(value) for check in also)
    )


def _date(pattern: str, form: str) -> Check:
    """A pattern that is also a valid date."""

    def there_is(value: object) -> bool:
        try:
            datetime.strptime(str(value), form)  # noqa: DTZ007
        except ValueError:
            return False
        return True

    return _written(pattern, there_is)


an_id = _written(r"[0-9a-f]{24}")
phone = _written(r"\+?[0-9]{9,15}")
line = _written(r"\+?[0-9]{2,15}")
"""One end of a call: a phone, or an extension such as `606`."""
email = _written(r"[^@\s]+@[^@\s]+\.[^@\s]+")
currency = _written(r"[A-Z]{3}")
money = _written(r"[0-9]{1,12}(\.[0-9]{1,2})?")
true_or_false = one_of("true", "false")
link = _written(r"https?://[^\s]+|NOT_DEFINED")
digits = _written(r"[0-9]{1,9}")
positive = _written(r"[0-9]{1,9}", lambda value: int(str(value)) > 0)
instant = _date(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z", "%Y-%m-%dT%H:%M:%S.%fZ")
minute = _date(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}", "%Y-%m-%d %H:%M")
day = _date(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", "%Y-%m-%d")


def seconds(value: object) -> bool:
    """A whole number, or its digits."""
    return digits(str(value)) if type(value) is int else digits(value)


def errors_of_ids(params: Mapping[str, str]) -> dict[str, Wrong]:
    """The errors of a path's ids."""
    return {name: Wrong.WRONG_FORMAT for name, value in params.items() if not an_id(value)}


def errors_of_query(
    pairs: Iterable[tuple[str, str]], allowed: Mapping[str, Check], repeatable: frozenset[str]
) -> dict[str, Wrong]:
    """The errors of a query: unknown names, wrong values, repeated names."""
    errors: dict[str, Wrong] = {}
    seen: set[str] = set()
    for name, value in pairs:
        check = allowed.get(name)
        if check is None:
            errors[name] = Wrong.UNKNOWN_FIELD
        elif not check(value) or (name in seen and name not in repeatable):
            errors[name] = Wrong.WRONG_FORMAT
        seen.add(name)
    return errors
