"""The part of the configuration that says where leads come from (`config/sources.toml`)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictInt, StrictStr

from leadbridge.settings.sections import Duration, RetryPolicy, Section, Timeouts


class Fetching(Section):
    """How leads are fetched that a source's posts only name.

    `refused_delay` is the wait after the builder did not let us read a lead: a person must mend that, and the lead is
    to go on soon after they did.
    """

    timeouts: Timeouts
    retry: RetryPolicy
    refused_delay: Duration


class Source(Section):
    """One place that leads come from."""

    adapter: str
    partners: Annotated[tuple[str, ...], Field(min_length=1)]
    fields: dict[str, str] = {}
    dedup_days: Annotated[int, Field(ge=0, le=3650)] = 0
    on_repeat: Literal["mark", "send", "hold"] = "mark"
    defaults: dict[str, StrictStr | StrictInt] = {}
    fetch: Fetching | None = None
