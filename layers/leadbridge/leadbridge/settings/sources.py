"""The part of the configuration that says where leads come from (`config/sources.toml`)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StrictInt, StrictStr

from leadbridge.settings.sections import Section


class Source(Section):
    """One place that leads come from."""

    adapter: str
    partners: Annotated[tuple[str, ...], Field(min_length=1)]
    fields: dict[str, str] = {}
    defaults: dict[str, StrictStr | StrictInt] = {}
