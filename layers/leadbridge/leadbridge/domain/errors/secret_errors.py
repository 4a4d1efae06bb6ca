"""What can be wrong with a secret. Names only: no error carries a value."""

from __future__ import annotations

from typing import ClassVar


class SecretMissing(LookupError):
    """The secret does not exist, has no value yet, or is not a JSON object. Carries the secret's name only."""

    counted_as: ClassVar[str] = "SecretUnusable"  # the metric, in place of a version-scoped fault


class SecretUnusable(SecretMissing):
    """The secret has a value, or an entry, that cannot be used, or cannot be read. Carries the secret's name only."""
