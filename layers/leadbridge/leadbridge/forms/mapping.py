"""From a form's own fields to a lead's sections, as the source's configuration says."""

from __future__ import annotations

from typing import Any

from leadbridge.settings import Source


def with_defaults(values: dict[str, Any], source: Source) -> dict[str, Any]:
    """The sections with the source's defaults where the form left a field empty."""
    filled = {name: dict(section) if isinstance(section, dict) else section for name, section in values.items()}
    for path, default in source.defaults.items():
        name, _, field = path.partition(".")
        section = filled.setdefault(name, {})
        if isinstance(section, dict) and section.get(field) in (None, ""):
            section[field] = default
    return filled
