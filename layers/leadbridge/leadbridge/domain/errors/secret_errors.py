"""Errors of secrets. They contain names and never values."""

from __future__ import annotations

from typing import ClassVar


class SecretMissing(LookupError):
    """The secret does not exist, has no value yet, or is not a JSON object. Contains only the secret's name."""

    counted_as: ClassVar[str] = "SecretUnusable"  # the metric, in place of a version-scoped fault


class SecretUnusable(SecretMissing):
    """The secret has a value, or an entry, that cannot be used, or cannot be read. Contains only the secret's name."""
