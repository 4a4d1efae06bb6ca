"""From a form's own fields to a lead's sections, as the source's configuration says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from leadbridge.settings import Source


def sections_of(answers: Mapping[str, str], source: Source) -> dict[str, Any]:
    """The lead's sections that a form's answers fill; two answers for one field are joined by a space."""
    sections: dict[str, dict[str, str]] = {"person": {}, "loan": {}, "trading": {}, "utm": {}}
    for name, path in source.fields.items():
        if answer := answers.get(name, "").strip():
            section, _, field = path.partition(".")
            earlier = sections[section].get(field)
            sections[section][field] = f"{earlier} {answer}" if earlier else answer
    sections["utm"] |= {name: answer for name, answer in answers.items() if name.startswith("utm_")}
    return dict(sections)


def with_defaults(values: dict[str, Any], source: Source) -> dict[str, Any]:
    """The sections with the source's defaults where the form left a field empty."""
    filled = {name: dict(section) if isinstance(section, dict) else section for name, section in values.items()}
    for path, default in source.defaults.items():
        name, _, field = path.partition(".")
        section = filled.setdefault(name, {})
        if isinstance(section, dict) and section.get(field) in (None, ""):
            section[field] = default
    return filled
