"""The product's configuration: which sources there are, and how each partner is dealt with.

People write it as TOML in `config/`. The layer's build checks it and ships it as one JSON file, so that a wrong line
fails the build and a cold start reads no TOML.
"""

from __future__ import annotations

import os
from datetime import timedelta
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from leadbridge.settings.messages import Messages
from leadbridge.settings.sections import Duration, RetryPolicy, Section, Timeouts
from leadbridge.settings.sources import Source

__all__ = ["Partner", "RetryPolicy", "Settings", "Source", "Timeouts", "settings"]

_SHIPPED = Path(__file__).parent.parent / "config"


class CadenceStep(Section):
    """Ask `every` so often while the deal is younger than `until` (for ever, where that is missing)."""

    every: Duration
    until: Duration | None = None


class StatusMeaning(Section):
    """What one of the partner's statuses means to us."""

    meaning: str
    final: bool = False


class Partner(Section):
    """What a partner needs and how it is dealt with."""

    requires: tuple[str, ...]
    phone_country: Literal["UA"] | None = None
    tax_number_checksum: Literal["off", "warn", "strict"] = "warn"
    status_method: Literal["POST", "GET"] = "POST"
    timeouts: Timeouts
    retry: RetryPolicy
    cadence: Annotated[tuple[CadenceStep, ...], Field(min_length=1)]
    statuses: dict[str, StatusMeaning] = {}

    @model_validator(mode="after")
    def _cadence_covers_every_age(self) -> Partner:
        *earlier, last = self.cadence
        ends = [step.until for step in earlier]
        if last.until is not None or any(end is None for end in ends):
            raise ValueError('cadence: every line but the last has an "until", the last one has none')
        if any(end <= before for before, end in pairwise(end for end in ends if end is not None)):
            raise ValueError('cadence: each "until" must be longer than the one before')
        return self

    def check_after(self, age: timedelta) -> timedelta:
        """How long to wait before asking for the status of a deal of this age."""
        return next(step.every for step in self.cadence if step.until is None or age < step.until)


class Settings(Section):
    """All of the configuration."""

    sources: dict[str, Source]
    partners: dict[str, Partner]
    messages: Messages

    @model_validator(mode="after")
    def _sources_name_known_partners(self) -> Settings:
        for name, source in self.sources.items():
            for partner in source.partners:
                if partner not in self.partners:
                    raise ValueError(f"source {name}: there is no partner {partner!r} in partners.toml")
        return self


@lru_cache
def settings() -> Settings:
    """The configuration of this environment (`LEADBRIDGE_ENVIRONMENT`), as the layer ships it."""
    environment = os.environ["LEADBRIDGE_ENVIRONMENT"]
    return Settings.model_validate_json((_SHIPPED / f"{environment}.json").read_bytes())
