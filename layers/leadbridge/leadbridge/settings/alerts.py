"""The part of the configuration that says how operators are alerted (`config/alerts.toml`)."""

from __future__ import annotations

from datetime import time, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from leadbridge.settings.sections import Duration, Section, Zone

SHORTEST, LONGEST = timedelta(minutes=1), timedelta(hours=1)


def _within_limits(duration: timedelta) -> timedelta:
    if not SHORTEST <= duration <= LONGEST:
        raise ValueError("at least a minute and at most an hour")
    return duration


class DigestSettings(Section):
    """When the daily digest is sent, in the time zone of the alerts."""

    on: bool
    at: time


class AlertSettings(Section):
    """The language of alerts, their links, and when a text that no chat takes is e-mailed.

    The time zone is that of alerts, of the digest, and of the days of the statistics.
    """

    language: Literal["en", "uk", "ru"]
    time_zone: Zone
    docs_url: Annotated[str, Field(pattern=r"^(https://\S+)?$")] = ""
    console_url: Annotated[str, Field(pattern=r"^(https://\S+)?$")] = ""
    email_after: Annotated[Duration, AfterValidator(_within_limits)]
    digest: DigestSettings
