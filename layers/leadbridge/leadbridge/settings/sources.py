"""The part of the configuration that says where leads come from (`config/sources.toml`)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictInt, StrictStr

from leadbridge.settings.browsers import Origin, Page
from leadbridge.settings.routing import Routes
from leadbridge.settings.sections import Duration, RetryPolicy, Section, Timeouts


class FetchSettings(Section):
    """How leads are fetched that a source's posts only name.

    `refused_delay` is the wait after the builder did not let us read a lead: a person must mend that, and the lead is
    to go on soon after they did.
    """

    timeouts: Timeouts
    retry: RetryPolicy
    refused_delay: Duration


class Source(Section):
    """One place that leads come from.

    `fields` and `defaults` name places in a lead by dotted paths. `dedup_days` is for how many days the same person's
    next lead counts as the same one, and `on_repeat` what becomes of it then. `per_minute` leads are taken in a minute,
    0 for any number. `answer` is the HTTP status by which the form hears that its lead was taken. `origins` are the
    sites whose pages may post, `honeypot` the field that people do not see and leave empty; `thank_you` and `try_again`
    are where a browser goes whose visitor has posted without JavaScript. After `stale_after` without a lead the source
    counts as quiet; None for one that nobody waits for.
    """

    adapter: str
    partners: Routes
    fields: dict[str, str] = {}
    defaults: dict[str, StrictStr | StrictInt] = {}
    dedup_days: Annotated[StrictInt, Field(ge=0, le=3650)] = 0
    per_minute: Annotated[StrictInt, Field(ge=0, le=60_000)] = 0
    files: Literal["drop", "refuse"] = "drop"
    answer: Literal[200, 202] = 202
    on_repeat: Literal["mark", "send", "hold"] = "mark"
    stale_after: Duration | None = None
    origins: Annotated[tuple[Origin, ...], Field(min_length=1)] = ()
    honeypot: Annotated[StrictStr, Field(min_length=1)] | None = None
    thank_you: Page | None = None
    try_again: Page | None = None
    fetch: FetchSettings | None = None
