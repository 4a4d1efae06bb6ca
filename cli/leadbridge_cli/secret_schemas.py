"""What each secret must hold. Messages name keys and never values."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from leadbridge_cli.api import safe_url
from leadbridge_cli.exit_codes import wrong_use

SHORTEST_TOKEN = 16

LEELOO_KEYS = ("base_url", "token", "webhook_token")
OF_A_SOURCE = ("secrets", "verify_token", "access_token", "graph_url")


def names() -> tuple[str, ...]:
    """The secrets that an operator may put."""
    from leadbridge.partners.registry import kind_names

    return (*kind_names(), *_CHECKS)


def keys_of(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The required and the optional keys of a partner's secret; none for a secret without fixed keys."""
    from leadbridge.partners.registry import kind_named, kind_names

    if name in kind_names():
        secret = kind_named(name).secret
        return secret.required, secret.optional
    return (LEELOO_KEYS if name == "leeloo" else ()), ()


def check_shape(name: str, value: Any) -> None:
    """Raises Failure where the stack could not use this as the secret `name`."""
    if name not in names():
        raise wrong_use(f"The secrets are {', '.join(names())}; what else there is, the stack makes by itself.")
    if not isinstance(value, dict) or not value:
        raise wrong_use(f"{name} is a JSON object that is not empty.")
    check = _CHECKS.get(name)
    if check is None:
        _of_kind(name, value)
    else:
        check(value)


def _of_kind(name: str, value: dict[str, Any]) -> None:
    from leadbridge.partners.registry import kind_named

    secret = kind_named(name).secret
    _only(name, value)
    with _usable(name):
        secret.check(value)
    for address in secret.addresses:
        safe_url(value[address], address)


def _leeloo(value: dict[str, Any]) -> None:
    from leadbridge.partners.leeloo.client import LeelooCredentials

    _only("leeloo", value)
    with _usable("leeloo"):
        LeelooCredentials.of(value)
    _token(value.get("webhook_token"), "webhook_token")
    safe_url(value["base_url"], "base_url")


def _sources(value: dict[str, Any]) -> None:
    for source, entry in value.items():
        if not isinstance(entry, dict):
            raise wrong_use(f'sources: {source} is an object such as {{"secrets": ["…"]}}.')
        _known(f"sources: {source}", entry, OF_A_SOURCE)
        given = entry.get("secrets")
        if not isinstance(given, list) or not 1 <= len(given) <= 2 or len({*map(str, given)}) != len(given):
            raise wrong_use(f"sources: {source} has one or two different secrets, the current one first.")
        for secret in given:
            _token(secret, f"sources: each of the secrets of {source}", shortest=1)
        for name in OF_A_SOURCE[1:]:
            if name in entry and not isinstance(entry[name], str):
                raise wrong_use(f"sources: {name} of {source} is a text.")


def _operators(value: dict[str, Any]) -> None:
    for name, token in value.items():
        _token(token, f"operators: the token of {name}")
    if len({*value.values()}) != len(value):
        raise wrong_use("operators: two operators have the same token, so nobody could tell who it was.")


def _token(value: object, what: str, shortest: int = SHORTEST_TOKEN) -> None:
    is_usable = isinstance(value, str) and value.isascii() and value.isprintable() and " " not in value
    if not is_usable or len(str(value)) < shortest:
        raise wrong_use(f"{what} is a text of {shortest} characters or more, printable ASCII without spaces.")


def _only(name: str, value: dict[str, Any]) -> None:
    required, optional = keys_of(name)
    _known(name, value, (*required, *optional))


def _known(what: str, value: dict[str, Any], known: Collection[str]) -> None:
    if unknown := sorted(set(value) - set(known)):
        raise wrong_use(f"{what} has keys that nobody reads: {', '.join(unknown)}. Known are {', '.join(known)}.")


@contextmanager
def _usable(name: str) -> Iterator[None]:
    """What a partner's client says of credentials that it cannot use becomes a Failure: it names keys, never values."""
    from leadbridge.domain.errors.partner_errors import Misconfigured

    try:
        yield
    except Misconfigured as error:
        raise wrong_use(str(error)) from None
    except ValueError as error:  # of a key: it says which, and quotes nothing
        raise wrong_use(f"{name}: {error}.") from None


_CHECKS: dict[str, Callable[[dict[str, Any]], None]] = {
    "leeloo": _leeloo,
    "sources": _sources,
    "operators": _operators,
}
