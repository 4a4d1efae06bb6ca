"""The part of the configuration that says what people are told (`config/messages.toml`)."""

from __future__ import annotations

import re
from datetime import time
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from leadbridge.settings.sections import Duration, RetryPolicy, Section, Timeouts, Zone

VARIABLES = (
    *("status", "full_name", "amount", "term", "deal_id", "source"),
    *("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content"),
)
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def _known_variables(text: str) -> str:
    for name in PLACEHOLDER.findall(text):
        if name not in VARIABLES:
            raise ValueError(f"there is no {{{name}}}; there are {', '.join(f'{{{known}}}' for known in VARIABLES)}")
    return text


Wording = Annotated[str, Field(min_length=1), AfterValidator(_known_variables)]


class QuietHours(Section):
    """When no messages are sent, in the person's time zone; `from` may be later than `to`."""

    on: bool
    from_: Annotated[time, Field(alias="from")]
    to: time


class ApiQuirks(Section):
    """What Leeloo's document leaves open."""

    form_data: tuple[str, ...] = ()
    always_by_last_message: bool = False


class ChannelSettings(Section):
    """Where a person is written to; empty texts mean that there is none."""

    preferred: str = ""
    lead_tool: str = ""
    sms_connection: str = ""
    wait_for_sms: Duration


class Notification(Section):
    """What is said: texts by language, or a template's id with its variables."""

    on: bool = True
    text: dict[str, Wording] = {}
    template_id: str = ""
    variables: dict[str, Wording] = {}

    @model_validator(mode="after")
    def _says_something(self) -> Notification:
        if self.on and bool(self.text) == bool(self.template_id):
            raise ValueError("give either a text or a template_id")
        if self.variables and not self.template_id:
            raise ValueError("variables go with a template_id")
        return self


class PartnerNotifications(Section):
    """What is said of one partner's statuses."""

    default: Notification
    statuses: dict[str, Notification] = {}

    def about(self, status: str) -> Notification:
        """The entry for a status."""
        return self.statuses.get(status, self.default)


class OperatorTemplate(Notification):
    """A message that operators choose by its label, which is given by language. They can change a text."""

    label: Annotated[dict[str, Annotated[str, Field(min_length=1, max_length=100)]], Field(min_length=1)]


class CrmNote(Section):
    """What of a lead is written to the person at Leeloo, whenever the lead's status changes."""

    on: bool
    tags: tuple[Wording, ...] = ()
    comment: str = ""

    @model_validator(mode="after")
    def _writes_something(self) -> CrmNote:
        _known_variables(self.comment)
        if self.on and not (self.tags or self.comment):
            raise ValueError("give tags, a comment, or both")
        return self


class MessageSettings(Section):
    """All of it."""

    language: str
    quiet_hours: QuietHours
    time_zones: dict[str, Zone]
    channel: ChannelSettings
    api: ApiQuirks = Field(default_factory=ApiQuirks)
    timeouts: Timeouts
    retry: RetryPolicy
    notifications: dict[str, PartnerNotifications]
    templates: dict[str, OperatorTemplate] = {}
    crm_note: CrmNote = Field(default_factory=lambda: CrmNote(on=False))

    @model_validator(mode="after")
    def _has_a_default_zone(self) -> MessageSettings:
        if "default" not in self.time_zones:
            raise ValueError("time_zones: there must be a default")
        return self

    def zone_of(self, phone: str | None) -> ZoneInfo:
        """The time zone of a person, by how their phone begins."""
        fitting = [start for start in self.time_zones if phone is not None and phone.startswith(start)]
        return ZoneInfo(self.time_zones[max(fitting, key=len, default="default")])
