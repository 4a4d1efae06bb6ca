"""The part of the configuration that says how each partner is dealt with (`config/partners.toml`)."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from leadbridge.settings.check_schedule import CheckSchedule, check_ages
from leadbridge.settings.intake import Intake, IntakeHours
from leadbridge.settings.opening_hours import OpeningHours
from leadbridge.settings.sections import (
    CircuitPolicy,
    Country,
    Duration,
    DurationOrShare,
    Hours,
    RetryPolicy,
    Section,
    Timeouts,
    Zone,
)


class CadenceStep(Section):
    """How often the status is checked while the deal is younger than `until` (without `until`: always).

    `every` is a duration, or a share of the deal's age such as "20%". A share has the limits `at_least` and `at_most`.
    """

    every: DurationOrShare
    at_least: Duration | None = None
    at_most: Duration | None = None
    until: Duration | None = None

    @model_validator(mode="after")
    def _limits_fit(self) -> CadenceStep:
        if isinstance(self.every, timedelta) and (self.at_least or self.at_most):
            raise ValueError('at_least and at_most apply to a share such as every = "20%", not to a duration')
        if self.at_least and self.at_most and self.at_least > self.at_most:
            raise ValueError("at_least must not be longer than at_most")
        return self

    def next_age(self, age: float) -> float | None:
        """Return the age of the next check after one at this age, in seconds; None if `age` is not below `until`."""
        if self.until is not None and age >= self.until.total_seconds():
            return None
        if isinstance(self.every, timedelta):
            return age + self.every.total_seconds()
        wait = age * self.every
        if self.at_least is not None:
            wait = max(wait, self.at_least.total_seconds())
        return age + (wait if self.at_most is None else min(wait, self.at_most.total_seconds()))


# The values of `DeliveryOutcome`, which settings cannot import.
OutcomeName = Literal["new", "in_progress", "approved", "issued", "active", "declined", "cancelled"]


class StatusMapping(Section):
    """The outcome that one of the partner's statuses stands for. After a `final` one the delivery is closed."""

    outcome: OutcomeName
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

    `kind` names a folder of `leadbridge/partners/`. `label` is what operators see; empty for the label of the kind, or
    for the partner's name if it is not that of the kind. `phone_country` is the country whose phone numbers the partner
    accepts; None for any. `time_zone` applies to times that come without an offset, and to `hours`: the days and times
    at which the partner changes statuses at all, such as "mon-fri 09:00-18:00". Without `hours` it always does.
    `checks_at_once` is how many statuses one worker reads at a time. `by_hand`: no source sends it leads, only
    operators do. `intake` is how many leads the partner takes, and when; None for any number at any time.
    """

    kind: str
    label: Annotated[str, Field(max_length=40)] = ""
    requires: tuple[str, ...]
    by_hand: bool = False
    phone_country: Country | None = None
    tax_number_checksum: Literal["off", "warn", "strict"] = "warn"
    status_method: Literal["POST", "GET"] = "POST"
    time_zone: Zone = "UTC"
    timeouts: Timeouts
    retry: RetryPolicy
    circuit: CircuitPolicy = Field(default_factory=CircuitPolicy)
    cadence: tuple[CadenceStep, ...] = ()
    hours: Hours = ()
    checks_at_once: Annotated[int, Field(ge=1, le=64)] = 16
    statuses: dict[str, StatusMapping] = {}
    refresh_grant: bool = False
    account: AccountFields = Field(default_factory=AccountFields)
    sync: SyncPlan | None = None
    intake: Intake | None = None

    @model_validator(mode="after")
    def _cadence_covers_every_age(self) -> Partner:
        if bool(self.cadence) == bool(self.sync):
            raise ValueError("give either a cadence, or how it is synced")
        if not self.cadence:
            if self.hours:
                raise ValueError("hours: they apply to a cadence; a synced partner has none")
            return self
        *earlier, last = self.cadence
        ends = [step.until for step in earlier]
        if last.until is not None or any(end is None for end in ends):
            raise ValueError('cadence: every line but the last has an "until", the last one has none')
        if any(end <= before for before, end in pairwise(end for end in ends if end is not None)):
            raise ValueError('cadence: each "until" must be longer than the one before')
        if not isinstance(self.cadence[0].every, timedelta) and self.cadence[0].at_least is None:
            raise ValueError('cadence: the first line needs "at_least", because a new deal has no age')
        return self

    @model_validator(mode="after")
    def _intake_has_a_time_zone(self) -> Partner:
        intake = self.intake
        if intake is None or "time_zone" in self.model_fields_set:
            return self
        if intake.has_hours or intake.per_day is not None:
            name = "per_day" if not intake.has_hours else "hours" if intake.hours else "holidays"
            raise ValueError(f'intake: {name} needs the partner\'s time_zone, such as time_zone = "Europe/Kyiv"')
        return self

    @cached_property
    def intake_hours(self) -> IntakeHours | None:
        """When the partner takes leads; None for always."""
        intake = self.intake
        return intake.hours_in(self.time_zone) if intake is not None and intake.has_hours else None

    @cached_property
    def check_schedule(self) -> CheckSchedule | None:
        """When the statuses of this partner's deals are checked; None if they come by the sync.

        Raises ValueError if a deal would be checked too often. The build checks this; a cold start that needs no
        schedule saves the time.
        """
        if not self.cadence:
            return None
        return CheckSchedule(check_ages(self._next_age), OpeningHours.parse(self.hours, self.time_zone))

    @property
    def is_followed(self) -> bool:
        """Whether the partner is asked for the status of each deal."""
        return bool(self.cadence)

    def _next_age(self, age: float) -> float:
        return next(found for step in self.cadence if (found := step.next_age(age)) is not None)
