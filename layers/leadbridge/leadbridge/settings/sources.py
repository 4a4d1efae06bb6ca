"""The part of the configuration that says where leads come from (`config/sources.toml`)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictInt, StrictStr

from leadbridge.settings.sections import Section


class Source(Section):
    """One place that leads come from.

    `fields` and `defaults` name places in a lead by dotted paths. `dedup_days` is for how many days the same person's
    next lead counts as the same one. `answer` is the HTTP status by which the form hears that its lead was taken.
    """

    adapter: str
    partners: Annotated[tuple[str, ...], Field(min_length=1)]
    fields: dict[str, str] = {}
    defaults: dict[str, StrictStr | StrictInt] = {}
    dedup_days: Annotated[StrictInt, Field(ge=0, le=3650)] = 0
    files: Literal["drop", "refuse"] = "drop"
    answer: Literal[200, 202] = 202
