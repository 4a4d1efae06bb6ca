"""The part of the configuration that says where leads come from (`config/sources.toml`)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictInt, StrictStr

from leadbridge.settings.sections import Section


class Source(Section):
    """One place that leads come from."""

    adapter: str
    partners: Annotated[tuple[str, ...], Field(min_length=1)]
    fields: dict[str, str] = {}
    dedup_days: Annotated[int, Field(ge=0, le=3650)] = 0
    on_repeat: Literal["mark", "send", "hold"] = "mark"
    defaults: dict[str, StrictStr | StrictInt] = {}
