"""Schemas of the secrets. Error messages name keys, never values."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from leadbridge_cli.api import validate_url
from leadbridge_cli.exit_codes import usage_error

MIN_TOKEN_LENGTH = 16

FEEDBACK = "feedback"
LEELOO_KEYS = ("base_url", "token", "webhook_token")
SOURCE_KEYS = ("secrets", "verify_token", "access_token", "graph_url")


def names() -> tuple[str, ...]:
    """Return the names of the secrets that an operator can put."""
    from leadbridge.partners.registry import kind_names

    return (*kind_names(), *_CHECKS, FEEDBACK)


def keys_of(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the required and optional keys of a secret; empty if it has no fixed keys."""
    from leadbridge.partners.registry import kind_named, kind_names

    if name in kind_names():
        secret = kind_named(name).secret
        return secret.required, secret.optional
    return (LEELOO_KEYS if name == "leeloo" else ()), ()


def validate_secret(name: str, value: Any, *, is_local: Callable[[], bool] = lambda: False) -> None:
    """Validate the value of a secret. `is_local` returns whether the stack is a local one. Raises Failure."""
    if name not in names():
        raise usage_error(f"Unknown secret {name}. Known: {', '.join(names())}. The stack creates all others.")
    if not isinstance(value, dict) or not value:
        raise usage_error(f"{name} must be a JSON object with at least one key.")
    check = _CHECKS.get(name)
    if name == FEEDBACK:
        _feedback(value, is_local=is_local())
    elif check is None:
        _of_kind(name, value)
    else:
        check(value)


def _of_kind(name: str, value: dict[str, Any]) -> None:
    from leadbridge.auth.partner_secret import is_keyed
    from leadbridge.partners.registry import kind_named

    secret = kind_named(name).secret
    entries = {f"{name}: {partner}": entry for partner, entry in value.items()} if is_keyed(value) else {name: value}
    for place, entry in entries.items():
        _known(place, entry, (*secret.required, *secret.optional))
        with _usable(place):
            secret.check(entry)
        for address in secret.addresses:
            validate_url(entry[address], address)


def _leeloo(value: dict[str, Any]) -> None:
    from leadbridge.partners.leeloo.client import LeelooCredentials

    _only("leeloo", value)
    with _usable("leeloo"):
        LeelooCredentials.of(value)
    _token(value.get("webhook_token"), "webhook_token")
    validate_url(value["base_url"], "base_url")


def _sources(value: dict[str, Any]) -> None:
    from leadbridge_cli.source_secrets import adapters, hint_about

    known = adapters()
    for source, entry in value.items():
        if not isinstance(entry, dict):
            raise usage_error(f'sources: {source} must be an object such as {{"secrets": ["…"]}}.')
        _known(f"sources: {source}", entry, SOURCE_KEYS)
        given = entry.get("secrets")
        if not isinstance(given, list) or not 1 <= len(given) <= 2 or len({*map(str, given)}) != len(given):
            raise usage_error(f"sources: {source} needs one or two different secrets, the current one first.")
        for secret in given:
            if hint := hint_about(secret, known.get(source)):
                raise usage_error(f"sources: {source}: {hint}.")
        for name in SOURCE_KEYS[1:]:
            if name in entry and not isinstance(entry[name], str):
                raise usage_error(f"sources: {name} of {source} must be a string.")


def _operators(value: dict[str, Any]) -> None:
    for name, token in value.items():
        _token(token, f"operators: the token of {name}")
    if len({*value.values()}) != len(value):
        raise usage_error("operators: two operators have the same token; each operator needs a different one.")


def _feedback(value: dict[str, Any], *, is_local: bool) -> None:
    from leadbridge.partners.feedback.kinds import check_entry

    for tracker, entry in value.items():
        with _usable(f"feedback: {tracker}"):
            check_entry(entry, kind=None, is_local=is_local)


def _token(value: object, what: str, min_length: int = MIN_TOKEN_LENGTH) -> None:
    is_usable = isinstance(value, str) and value.isascii() and value.isprintable() and " " not in value
    if not is_usable or len(str(value)) < min_length:
        raise usage_error(f"{what} must have at least {min_length} characters of printable ASCII without spaces.")


def _only(name: str, value: dict[str, Any]) -> None:
    required, optional = keys_of(name)
    _known(name, value, (*required, *optional))


def _known(what: str, value: dict[str, Any], known: Collection[str]) -> None:
    if unknown := sorted(set(value) - set(known)):
        raise usage_error(f"{what} has unknown keys: {', '.join(unknown)}. Known: {', '.join(known)}.")


@contextmanager
def _usable(name: str) -> Iterator[None]:
    """Convert the errors of a partner's client about unusable credentials to Failure."""
    from leadbridge.domain.errors.error_codes import ErrorCode
    from leadbridge.domain.errors.partner_errors import Misconfigured

    try:
        yield
    except Misconfigured as error:
        if error.code is not ErrorCode.SECRET_INCOMPLETE:
            raise usage_error(f"{name}: {error.text}.") from None
        missing = ", ".join(error.data.get("fields", ()))
        raise usage_error(
            f"{name}: missing or unusable: {missing}. The value replaces the whole secret: give every key."
        ) from None
    except ValueError as error:  # about a key: names it and quotes nothing
        raise usage_error(f"{name}: {error}.") from None


def _alerts(value: dict[str, Any]) -> None:
    from leadbridge.partners.alerts.targets import problems_of

    for problem in problems_of(value):
        raise usage_error(f"alerts: {problem}.")


_CHECKS: dict[str, Callable[[dict[str, Any]], None]] = {
    "leeloo": _leeloo,
    "sources": _sources,
    "operators": _operators,
    "alerts": _alerts,
}
