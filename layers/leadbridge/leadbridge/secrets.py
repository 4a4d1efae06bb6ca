"""Secrets from Secrets Manager, cached for a minute and read again when a partner or a form refuses them.

A value that cannot be used (no JSON, not an object, an entry of a wrong type) does not replace a good one in memory:
one typo in the console would stop every form at once. It is counted as `SecretUnusable`. An entry that is left out is
revoked within a minute. A worker that starts meanwhile has no good value, and fails.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from leadbridge.aws_errors import is_transient
from leadbridge.logs import count, logger

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

KEPT_FOR = 60.0  # seconds a secret is believed without asking again
READ_AGAIN_AFTER = 5.0  # seconds that must lie between two reads of one secret, whatever fails meanwhile
WHOLE = ""  # marks a secret that is unusable as a whole, in place of an entry's name
UNREAD_FOR = 900.0  # seconds for which a value is used while Secrets Manager does not answer; then it may be revoked


class SecretMissing(LookupError):
    """The secret does not exist, has no value yet, or is not a JSON object. Carries the secret's name only."""


class SecretUnusable(SecretMissing):
    """The secret has a value, or an entry, that cannot be used. Carries the secret's name only."""


def _is_text(entry: object) -> bool:
    return isinstance(entry, str) and bool(entry)


def _is_token(entry: object) -> bool:
    return entry is None or isinstance(entry, str)


def _is_source(entry: object) -> bool:
    """Whether it is a source's entry. An entry without secrets is one: it revokes them. Meta's has further texts."""
    if entry is None:
        return True
    if not isinstance(entry, dict):
        return False
    texts = [value for name, value in entry.items() if name != "secrets"]
    secrets = entry.get("secrets") or []
    is_list = isinstance(secrets, list) and (not secrets or any(map(_is_text, secrets)))
    return is_list and all(map(_is_token, texts))


# The secrets that hold one entry for each source, operator or use, and what an entry must be. A partner's secret has no
# such entries: the partner's client checks it, and deliveries wait while it is wrong.
ENTRIES: Mapping[str, Callable[[object], bool]] = {"sources": _is_source, "operators": _is_token, "index": _is_text}


class Secrets:
    """JSON secrets below one prefix: `Secrets(client, "leadbridge").get("leadleader")`.

    Thread-compatible, one instance a worker. Errors: SecretMissing; botocore's own when AWS does not answer.
    """

    def __init__(
        self, client: SecretsManagerClient, prefix: str, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._monotonic = monotonic
        self._kept: dict[str, tuple[float, dict[str, Any]]] = {}  # when it was asked for last, and the good value
        self._read_at: dict[str, float] = {}  # when Secrets Manager answered last
        self._wrong: dict[str, frozenset[str]] = {}  # the entries of the present value that cannot be used

    def get(self, name: str) -> dict[str, Any]:
        """The secret `{prefix}/{name}`, at most a minute old; the last good value while the present one is unusable.

        While Secrets Manager does not answer, the value in memory is used for `UNREAD_FOR` seconds.
        """
        kept, now = self._kept.get(name), self._monotonic()
        if kept is not None and now - kept[0] < KEPT_FOR:
            return kept[1]
        try:
            return self._read(name)
        except (BotoCoreError, ClientError) as error:
            if kept is None or not is_transient(error) or now - self._read_at[name] > UNREAD_FOR:
                raise
            logger.warning("secret not read, the value in memory is used", secret=name, exc_info=True)
            self._kept[name] = (now - KEPT_FOR + READ_AGAIN_AFTER, kept[1])
            return kept[1]

    def refresh(self, name: str, *, entry: str | None = None) -> dict[str, Any] | None:
        """The secret as it is now, for use after it was refused; None if it was read a few seconds ago.

        Raises SecretUnusable if it, or the given entry of it, cannot be used: then a wrong proof may be by the
        secret that somebody meant to store.
        """
        kept = self._kept.get(name)
        is_recent = kept is not None and self._monotonic() - kept[0] < READ_AGAIN_AFTER
        value = None if is_recent else self._read(name)
        if not self._wrong.get(name, frozenset()).isdisjoint({WHOLE, entry}):
            raise SecretUnusable(f"{self._prefix}/{name}")
        return value

    def _read(self, name: str) -> dict[str, Any]:
        now, kept = self._monotonic(), self._kept.get(name)
        good = kept[1] if kept else {}
        try:
            value = self._fetch(f"{self._prefix}/{name}")
        except SecretUnusable:
            if kept is None:
                raise
            value, wrong, kept_instead = good, frozenset({WHOLE}), frozenset({WHOLE})
        else:
            wrong = frozenset(key for key, entry in value.items() if name in ENTRIES and not ENTRIES[name](entry))
            kept_instead = wrong & good.keys()
            value |= {key: good[key] for key in kept_instead}
        if kept_instead:
            count("SecretUnusable")
            logger.error("secret cannot be used", secret=name, entries=sorted(kept_instead - {WHOLE}))
        self._kept[name], self._read_at[name], self._wrong[name] = (now, value), now, wrong
        return value

    def _fetch(self, full_name: str) -> dict[str, Any]:
        try:
            text = self._client.get_secret_value(SecretId=full_name).get("SecretString", "")
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                raise SecretMissing(full_name) from None
            raise
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            raise SecretUnusable(f"{full_name} is not JSON") from None
        if not isinstance(value, dict):
            raise SecretUnusable(f"{full_name} is not a JSON object")
        return value
