"""Looking into JSON that may hold anything anywhere."""

from __future__ import annotations

from typing import Any

from leadbridge.forms.parsing.bodies import MAX_FIELDS


def an_object(value: object) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def objects(value: object) -> list[dict[str, Any]]:
    """The objects in a list, as many as a form can have fields; none where the value is no list."""
    return [one for one in value[:MAX_FIELDS] if isinstance(one, dict)] if isinstance(value, list) else []
