"""Secrets from Secrets Manager, cached for a minute, and read again after a failed authentication.

An unusable value (not JSON, not an object, an entry of a wrong type) does not replace a usable one in memory: a typo
would stop every form. It is counted as `SecretUnusable`. A removed entry is revoked within a minute. A worker that
starts meanwhile has no usable value and fails.

If a secret cannot be read (scheduled for deletion, access denied), its last value is used for `MAX_STALE_SECONDS`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from leadbridge.auth.secret_forms import is_webhook_secret, webhook_key
from leadbridge.domain.errors.secret_errors import SecretMissing, SecretUnusable
from leadbridge.runtime.aws_errors import code_of, is_transient
from leadbridge.runtime.logs import count, logger

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

CACHE_SECONDS = 60.0
MIN_REFRESH_SECONDS = 5.0  # between two reads of one secret
MAX_STALE_SECONDS = 900.0  # a value is used that long while Secrets Manager returns none
ENTIRE = ""  # instead of an entry's name: the whole secret is unusable
SCHEDULED_FOR_DELETION = "InvalidRequestException"  # the error code for reading such a secret


def _is_text(entry: object) -> bool:
    return isinstance(entry, str) and bool(entry)


def _is_token(entry: object) -> bool:
    return entry is None or isinstance(entry, str)


def _is_secret(entry: object) -> bool:
    """Return whether an entry is a usable secret. After `whsec_` it must be base64, for every adapter."""
    if not isinstance(entry, str) or not is_webhook_secret(entry):
        return _is_text(entry)
    return bool(webhook_key(entry))


def _is_source(entry: object) -> bool:
    """Return whether an entry is valid for a source. Meta's entry has further texts.

    An empty entry, or an empty `secrets`, revokes the source. Other keys without `secrets` are invalid.
    """
    if entry is None:
        return True
    if not isinstance(entry, dict) or (entry and "secrets" not in entry):
        return False
    texts = [value for name, value in entry.items() if name != "secrets"]
    secrets = entry.get("secrets") or []
    is_list = isinstance(secrets, list) and (not secrets or any(map(_is_secret, secrets)))
    return is_list and all(map(_is_token, texts))


# Secrets with an entry for each source or operator, and the check of an entry. The secrets of partners are checked by
# their clients; deliveries wait while they are wrong.
ENTRIES: Mapping[str, Callable[[object], bool]] = {"sources": _is_source, "operators": _is_token}
# Secrets with a required entry, a text.
REQUIRED: Mapping[str, str] = {"index": "key"}


class Secrets:
    """JSON secrets with one prefix: `Secrets(client, "leadbridge").get("operators")`.

    Thread-safe, one instance per worker: while one thread renews a value, the others use the last one. Raises
    SecretMissing, and botocore's errors if AWS does not answer.
    """

    def __init__(
        self, client: SecretsManagerClient, prefix: str, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._monotonic = monotonic
        self._renewing = Lock()
        self._kept: dict[str, tuple[float, dict[str, Any]]] = {}  # time of the last attempt, usable value
        self._read_at: dict[str, float] = {}  # time of the last successful read
        self._wrong: dict[str, frozenset[str]] = {}  # unusable entries of the current value

    def get(self, name: str) -> dict[str, Any]:
        """Return the secret `{prefix}/{name}`, at most a minute old, or its last usable value.

        While Secrets Manager returns no value, the one in memory is used for `MAX_STALE_SECONDS`. After that, raises
        SecretUnusable if AWS denies the read, and botocore's error if AWS does not answer.
        """
        kept, now = self._kept.get(name), self._monotonic()
        if kept is not None and now - kept[0] < CACHE_SECONDS:
            return kept[1]
        is_renewing = self._renewing.acquire(blocking=False)
        try:
            return kept[1] if kept is not None and not is_renewing else self._renewed(name, kept, now)
        finally:
            if is_renewing:
                self._renewing.release()

    def _renewed(self, name: str, kept: tuple[float, dict[str, Any]] | None, now: float) -> dict[str, Any]:
        try:
            return self._read(name)
        except (BotoCoreError, ClientError, SecretMissing) as error:
            is_unreadable = isinstance(error, SecretMissing)
            if (
                kept is None
                or now - self._read_at[name] > MAX_STALE_SECONDS
                or not (is_unreadable or is_transient(error))
            ):
                raise
            if is_unreadable:
                count("SecretUnusable")
                logger.error("the secret is unusable", secret=name, entries=[], exc_info=True)
            else:
                logger.warning("the secret could not be read, the cached value is used", secret=name, exc_info=True)
            self._kept[name] = (now - CACHE_SECONDS + MIN_REFRESH_SECONDS, kept[1])
            return kept[1]

    def refresh(self, name: str, *, entry: str | None = None) -> dict[str, Any] | None:
        """Read the secret again after a failed authentication; None if it was read a few seconds ago.

        Raises SecretUnusable if the secret or the given entry is unusable: the failed authentication may be due to a
        typo in the stored value.
        """
        kept = self._kept.get(name)
        is_recent = kept is not None and self._monotonic() - kept[0] < MIN_REFRESH_SECONDS
        value = None if is_recent else self._read(name)
        if not self._wrong.get(name, frozenset()).isdisjoint({ENTIRE, entry}):
            raise SecretUnusable(f"{self._prefix}/{name}")
        return value

    def _read(self, name: str) -> dict[str, Any]:
        now, kept = self._monotonic(), self._kept.get(name)
        good = kept[1] if kept else {}
        text = self._text(name)
        try:
            value = self._parsed(name, text)
        except SecretUnusable:
            if kept is None:
                raise
            value, wrong, kept_instead = good, frozenset({ENTIRE}), frozenset({ENTIRE})
        else:
            wrong = frozenset(key for key, entry in value.items() if name in ENTRIES and not ENTRIES[name](entry))
            kept_instead = wrong & good.keys()
            value |= {key: good[key] for key in kept_instead}
        if kept_instead:
            count("SecretUnusable")
            logger.error("the secret is unusable", secret=name, entries=sorted(kept_instead - {ENTIRE}))
        self._kept[name], self._read_at[name], self._wrong[name] = (now, value), now, wrong
        return value

    def _text(self, name: str) -> str:
        """Read the value from Secrets Manager. Raises SecretMissing, SecretUnusable, botocore's errors.

        A denied read is a version-scoped fault, unless this worker has read the secret before.
        """
        full_name = f"{self._prefix}/{name}"
        try:
            return self._client.get_secret_value(SecretId=full_name).get("SecretString", "")
        except ClientError as error:
            code = code_of(error)
            if code == "ResourceNotFoundException":
                raise SecretMissing(full_name) from None
            if code == SCHEDULED_FOR_DELETION or (name in self._kept and not is_transient(error)):
                raise SecretUnusable(f"{full_name} cannot be read: {code}") from None
            raise

    def _parsed(self, name: str, text: str) -> dict[str, Any]:
        full_name = f"{self._prefix}/{name}"
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            raise SecretUnusable(f"{full_name} is not JSON") from None
        if not isinstance(value, dict):
            raise SecretUnusable(f"{full_name} is not a JSON object")
        if name in REQUIRED and not _is_text(value.get(REQUIRED[name])):
            raise SecretUnusable(f"{full_name} has no {REQUIRED[name]}")
        return value
