"""Access to JSON of unknown structure."""

from __future__ import annotations

from typing import Any

from leadbridge.forms.parsing.nested import MAX_FIELDS


def as_object(value: object) -> dict[str, Any]:
    """Return the value if it is an object, else an empty object."""
    return value if isinstance(value, dict) else {}


def objects_in(value: object) -> list[dict[str, Any]]:
    """Return the objects in a list, at most `MAX_FIELDS`; none if the value is not a list."""
    return [one for one in value[:MAX_FIELDS] if isinstance(one, dict)] if isinstance(value, list) else []
