"""The part of the configuration that says how each partner is dealt with (`config/partners.toml`)."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from leadbridge.settings.sections import Country, Duration, RetryPolicy, Section, Timeouts, Zone


class CadenceStep(Section):
    """Ask `every` so often while the deal is younger than `until` (for ever, where that is missing)."""

    every: Duration
    until: Duration | None = None


class StatusMeaning(Section):
    """What one of the partner's statuses means to us."""

    meaning: str
    final: bool = False


class AccountFields(Section):
    """What differs from broker to broker in the account that is made of a lead.

    `fields` are further fields of an account and where a lead has them, `constants` those that are the same for all.
    `lead_source` is sent as it stands, instead of what the lead says of where it comes from; empty for none.
    """

    plus_in_phone: bool = False
    max_value_length: Annotated[int, Field(ge=1)] = 255
    lead_source: str = ""
    fields: dict[str, str] = {}
    constants: dict[str, str] = {}

    @model_validator(mode="after")
    def _fits(self) -> AccountFields:
        wrong = [name for name, value in self.constants.items() if len(value) > self.max_value_length]
        if len(self.lead_source) > self.max_value_length:
            wrong.append("lead_source")
        if wrong:
            raise ValueError(
                f"{', '.join(wrong)} must have at most {self.max_value_length} characters (max_value_length)"
            )
        return self


class SyncPlan(Section):
    """How the partner's own list of accounts is kept up with.

    What the list's period filters on is said by `filters_on`: when accounts were created, or when they last changed.
    """

    filters_on: Literal["created", "changed"] = "created"
    page_size: Annotated[int, Field(ge=1, le=10_000)] = 1000
    overlap: Duration
    rolling: Duration
    since: date
    window: Duration
    full_scan_every: Duration


class Partner(Section):
    """What a partner needs and how it is handled. Its status is checked per deal (`cadence`), or its list is synced.

    `kind` names a folder of `leadbridge/partners/`. `phone_country` is the country whose phone numbers the partner
    accepts; None for any. `time_zone` applies to times that come without an offset.
    """

    kind: str
    requires: tuple[str, ...]
    phone_country: Country | None = None
    tax_number_checksum: Literal["off", "warn", "strict"] = "warn"
    status_method: Literal["POST", "GET"] = "POST"
    time_zone: Zone = "UTC"
    timeouts: Timeouts
    retry: RetryPolicy
    cadence: tuple[CadenceStep, ...] = ()
    statuses: dict[str, StatusMeaning] = {}
    refresh_grant: bool = False
    account: AccountFields = Field(default_factory=AccountFields)
    sync: SyncPlan | None = None

    @model_validator(mode="after")
    def _cadence_covers_every_age(self) -> Partner:
        if bool(self.cadence) == bool(self.sync):
            raise ValueError("give either a cadence, or how it is synced")
        if not self.cadence:
            return self
        *earlier, last = self.cadence
        ends = [step.until for step in earlier]
        if last.until is not None or any(end is None for end in ends):
            raise ValueError('cadence: every line but the last has an "until", the last one has none')
        if any(end <= before for before, end in pairwise(end for end in ends if end is not None)):
            raise ValueError('cadence: each "until" must be longer than the one before')
        return self

    def check_after(self, age: timedelta) -> timedelta | None:
        """How long to wait before asking for the status of a deal of this age; None where it comes by the sync."""
        return next((step.every for step in self.cadence if step.until is None or age < step.until), None)
