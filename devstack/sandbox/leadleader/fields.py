"""The fields of create and check-status, held to the contract's table to the letter.

Errors are a map in the shape of the request: `{"clientInfo": {"stateCode": ["…"]}, "summa": ["…"]}`; empty when all is
well.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

type Errors = dict[str, Any]
type Check = Callable[[object], str | None]

REQUIRED = "Це поле обов'язкове."
UNKNOWN = "Невідоме поле."
DECIMAL_PLACES = 2


def create_errors(body: Mapping[str, Any]) -> Errors:
    """The errors of a create body, including `security_token`."""
    errors = _errors(body, {"termin": _termin, "summa": _summa, "security_token": _text}, {}, {"clientInfo"})
    match body.get("clientInfo"):
        case dict(client):
            client_errors = _errors(client, _CLIENT_REQUIRED, _CLIENT_OPTIONAL)
            if client_errors:
                errors["clientInfo"] = client_errors
        case _:
            errors["clientInfo"] = ["Очікувався об'єкт." if "clientInfo" in body else REQUIRED]
    return errors


def status_errors(body: Mapping[str, Any]) -> Errors:
    """The errors of a check-status body."""
    return _errors(body, {"deal_id": _integer, "security_token": _text}, {})


def _errors(
    given: Mapping[str, Any],
    required: Mapping[str, Check],
    optional: Mapping[str, Check],
    elsewhere: frozenset[str] | set[str] = frozenset(),
) -> Errors:
    checks = {**required, **optional}
    problems = {name: check(given[name]) for name, check in checks.items() if name in given}
    errors: Errors = {name: [problem] for name, problem in problems.items() if problem is not None}
    errors.update({name: [REQUIRED] for name in required if name not in given})
    known = checks.keys() | elsewhere
    errors.update({name: [UNKNOWN] for name in given if name not in known})
    return errors


def _text(value: object) -> str | None:
    if not isinstance(value, str):
        return "Потрібен рядок."
    return None if value.strip() else "Це поле не може бути порожнім."


def _integer(value: object) -> str | None:
    return None if type(value) is int else "Потрібне ціле число."


def _termin(value: object) -> str | None:
    return _integer(value) or (None if isinstance(value, int) and value > 0 else "Значення має бути більшим за 0.")


def _summa(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return "Потрібне число."
    exact = Decimal(value)
    if exact <= 0:
        return "Значення має бути більшим за 0."
    exponent = exact.as_tuple().exponent
    if isinstance(exponent, int) and exponent >= -DECIMAL_PLACES:
        return None
    return f"Не більше {DECIMAL_PLACES} знаків після коми."


def _written_as(pattern: str, problem: str) -> Check:
    compiled = re.compile(pattern)

    def check(value: object) -> str | None:
        if not isinstance(value, str):
            return _text(value)
        return None if compiled.fullmatch(value) else problem

    return check


_CLIENT_REQUIRED: Mapping[str, Check] = {
    "PIB": _text,
    "telephone": _written_as(r"0[0-9]{9}", "Потрібен номер у вигляді 0XXXXXXXXX."),
    "stateCode": _written_as(r"[0-9]{10}", "Потрібно 10 цифр."),
    "activity": _text,
}
_CLIENT_OPTIONAL: Mapping[str, Check] = {"email": _text, "city": _text, "region": _text}
