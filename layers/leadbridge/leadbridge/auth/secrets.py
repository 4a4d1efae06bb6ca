"""Secrets from Secrets Manager, cached for a minute and read again when a partner or a form refuses them.

A value that cannot be used (no JSON, not an object, an entry of a wrong type) does not replace a good one in memory:
one typo in the console would stop every form at once. It is counted as `SecretUnusable`. An entry that is left out is
revoked within a minute. A worker that starts meanwhile has no good value, and fails.

A secret that cannot be read (scheduled for deletion, access denied) keeps its good value for `UNREAD_FOR` seconds.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from leadbridge.domain.errors.secret_errors import SecretMissing, SecretUnusable
from leadbridge.runtime.aws_errors import code_of, is_transient
from leadbridge.runtime.logs import count, logger

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

CACHE_SECONDS = 60.0  # seconds a secret is believed without asking again
MIN_REFRESH_SECONDS = 5.0  # seconds that must lie between two reads of one secret, whatever fails meanwhile
ENTIRE = ""  # marks a secret that is unusable as a whole, in place of an entry's name
MAX_STALE_SECONDS = (
    900.0  # seconds for which a value is used while Secrets Manager returns none; then it may be revoked
)
SCHEDULED_FOR_DELETION = "InvalidRequestException"  # the code with which AWS refuses to read such a secret
STANDARD = "whsec_"  # the prefix of a secret of Standard Webhooks; base64 follows


def _is_text(entry: object) -> bool:
    return isinstance(entry, str) and bool(entry)


def _is_token(entry: object) -> bool:
    return entry is None or isinstance(entry, str)


def _is_secret(entry: object) -> bool:
    """Return whether it can prove a post. A broken base64 after `whsec_` proves nothing, whatever the adapter."""
    if not isinstance(entry, str) or not entry.startswith(STANDARD):
        return _is_text(entry)
    try:
        return bool(base64.b64decode(entry.removeprefix(STANDARD), validate=True))
    except (binascii.Error, ValueError):
        return False


def _is_source(entry: object) -> bool:
    """Return whether it is a source's entry. Meta's has further texts.

    An empty entry, or one with an empty `secrets`, revokes. Other names without `secrets` are a typo.
    """
    if entry is None:
        return True
    if not isinstance(entry, dict) or (entry and "secrets" not in entry):
        return False
    texts = [value for name, value in entry.items() if name != "secrets"]
    secrets = entry.get("secrets") or []
    is_list = isinstance(secrets, list) and (not secrets or any(map(_is_secret, secrets)))
    return is_list and all(map(_is_token, texts))


# The secrets that hold one entry for each source, operator or use, and what an entry must be. A partner's secret has no
# such entries: the partner's client checks it, and deliveries wait while it is wrong.
ENTRIES: Mapping[str, Callable[[object], bool]] = {"sources": _is_source, "operators": _is_token}
# The secrets without a use if one entry is missing, and that entry, a text. No one revokes it by leaving it out.
REQUIRED: Mapping[str, str] = {"index": "key"}


class Secrets:
    """JSON secrets below one prefix: `Secrets(client, "leadbridge").get("operators")`.

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

        While Secrets Manager returns no value, the one in memory is used for `UNREAD_FOR` seconds. After that, raises
        SecretUnusable if AWS refuses to return it, and botocore's error if AWS does not answer.
        """
        kept, now = self._kept.get(name), self._monotonic()
        if kept is not None and now - kept[0] < CACHE_SECONDS:
            return kept[1]
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
                logger.error("secret cannot be used", secret=name, entries=[], exc_info=True)
            else:
                logger.warning("secret not read, the value in memory is used", secret=name, exc_info=True)
            self._kept[name] = (now - CACHE_SECONDS + MIN_REFRESH_SECONDS, kept[1])
            return kept[1]

    def refresh(self, name: str, *, entry: str | None = None) -> dict[str, Any] | None:
        """The secret as it is now, for use after it was refused; None if it was read a few seconds ago.

        Raises SecretUnusable if it, or the given entry of it, cannot be used: then a wrong proof may be by the
        secret that somebody meant to store.
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
            logger.error("secret cannot be used", secret=name, entries=sorted(kept_instead - {ENTIRE}))
        self._kept[name], self._read_at[name], self._wrong[name] = (now, value), now, wrong
        return value

    def _text(self, name: str) -> str:
        """Return what Secrets Manager holds. Raises SecretMissing, SecretUnusable, botocore's errors.

        A right that is missing is a fault of the version, except where the worker has read the secret before.
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
