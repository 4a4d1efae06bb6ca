"""The part of the configuration that says where leads come from (`config/sources.toml`)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictInt, StrictStr, model_validator

from leadbridge.settings.browsers import Origin, Page
from leadbridge.settings.routing import Number, Routes
from leadbridge.settings.sections import Country, Duration, RetryPolicy, Section, Timeouts, Zone

TrackerName = Annotated[StrictStr, Field(pattern="^[a-z0-9][a-z0-9-]{0,31}$")]
TrackerStatus = Annotated[StrictStr, Field(min_length=1, max_length=64)]
# What the statistics may count. Click ids are refused: each belongs to one person, and the counts are never erased.
CountBy = Annotated[
    str, Field(pattern=r"^(utm\.utm_\w{1,40}|ids\.(sub([1-9]|10)|campaign_id|adgroup_id|creative_id))$")
]


class FetchSettings(Section):
    """How leads are fetched if a source's posts contain only their ids.

    `refused_delay` is the delay before the next attempt after the builder refused to return a lead. It is short enough
    that the lead continues soon after a person has fixed the cause.
    """

    timeouts: Timeouts
    retry: RetryPolicy
    refused_delay: Duration


class TrackerSettings(Section):
    """What a tracker learns. Its address is in the secret `feedback`, under the same name.

    `on` has the tracker's own status for each event: `submitted`, or an outcome of a partner's status. `payout` is the
    amount that goes with some of these events.
    """

    kind: StrictStr
    on: Annotated[dict[str, TrackerStatus], Field(min_length=1, max_length=20)]
    payout: dict[str, Number] = {}

    @model_validator(mode="after")
    def _pays_for_events(self) -> TrackerSettings:
        if unknown := sorted(self.payout.keys() - self.on.keys()):
            raise ValueError(f"payout has {unknown[0]!r}, which is not in on: add it there, or remove it")
        return self


class Source(Section):
    """A form that sends leads.

    `fields` and `defaults` use dotted paths of lead fields. Within `dedup_days` another lead of the same person is a
    repeat, which `on_repeat` handles. `per_minute` limits the leads in a minute, 0 for no limit. `answer` is the HTTP
    status for an accepted lead. `origins` are the sites whose pages may post, `honeypot` is a field that people do not
    see and leave empty, `thank_you` and `try_again` are redirects for visitors without JavaScript. After `stale_after`
    without a lead the source counts as stale; None: it is not watched. `phone_country` is the country of phone numbers
    without a country code; None for the partners'. `time_zone` is that of the rules' conditions on time.
    `number_format` is how people write the decimals of an amount. `feedback` has the trackers that get the outcomes of
    leads, by name. `count_by` is the tag or id whose values the statistics count as campaigns.

    `on_invalid` is what happens to a lead that no partner can take: `keep` stores it as incomplete, `refuse` answers
    422 and stores nothing. The default is `refuse` where the sender can correct the input (`standard_webhooks`,
    `origins`, `try_again`), else `keep`.
    """

    adapter: str
    partners: Routes
    fields: dict[str, str] = {}
    defaults: dict[str, StrictStr | StrictInt] = {}
    count_by: CountBy = "utm.utm_campaign"
    dedup_days: Annotated[StrictInt, Field(ge=0, le=3650)] = 0
    per_minute: Annotated[StrictInt, Field(ge=0, le=60_000)] = 0
    phone_country: Country | None = None
    time_zone: Zone = "Europe/Kyiv"
    number_format: Literal["auto", "decimal_comma", "decimal_point"] = "auto"
    files: Literal["drop", "refuse"] = "drop"
    answer: Literal[200, 202] = 202
    on_invalid: Literal["keep", "refuse"] | None = None
    on_repeat: Literal["mark", "send", "hold"] = "mark"
    stale_after: Duration | None = None
    origins: Annotated[tuple[Origin, ...], Field(min_length=1)] = ()
    honeypot: Annotated[StrictStr, Field(min_length=1)] | None = None
    thank_you: Page | None = None
    try_again: Page | None = None
    fetch: FetchSettings | None = None
    feedback: Annotated[dict[TrackerName, TrackerSettings], Field(max_length=5)] = {}

    @property
    def refuses_invalid(self) -> bool:
        """Whether a lead that no partner can take is refused instead of stored."""
        if self.on_invalid is not None:
            return self.on_invalid == "refuse"
        return self.adapter == "standard_webhooks" or bool(self.origins) or self.try_again is not None
