"""Limit lists to the size of a response. For a response over 6 MB, API Gateway returns 502."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, cast

from leadbridge.storage.leads import Journey
from leadbridge.storage.queries.lead_list import LeadPage

if TYPE_CHECKING:
    from leadbridge.api.schemas import JourneyView, LeadView, LeftOutView, MessageView, TimelineEntryView

MAX_BYTES = 5_000_000  # of a list, with room for the rest of the response


def payload_bytes(value: object) -> int:
    """Return the size of a value in Lambda's response, where the body is JSON inside JSON."""
    return len(json.dumps(json.dumps(value, ensure_ascii=False), ensure_ascii=False).encode(errors="replace"))


def first_that_fit[T](values: Iterable[T], room: int = MAX_BYTES) -> list[T]:
    """Return the first values that together take at most `room` bytes."""
    kept = []
    for value in values:
        room -= payload_bytes(value)
        if room < 0:
            break
        kept.append(value)
    return kept


def last_that_fit[T](values: list[T], room: int = MAX_BYTES) -> list[T]:
    """Return the last values that together take at most `room` bytes, in their order."""
    return first_that_fit(reversed(values), room)[::-1]


def leads_that_fit[T](page: LeadPage, view: Callable[[Journey], T]) -> tuple[list[T], str | None]:
    """Return the leads of a page that fit, at least one, and the cursor of the next page."""
    leads: list[T] = []
    room = MAX_BYTES
    for journey, begins_here in zip(page.leads, page.cursors, strict=True):
        lead = view(journey)
        room -= payload_bytes(lead)
        if room < 0 and leads:
            return leads, begins_here
        leads.append(lead)
    return leads, page.cursor


def bounded_journey(
    lead: LeadView, answers: dict[str, object], timeline: list[TimelineEntryView], messages: list[MessageView]
) -> JourneyView:
    """Return a lead with its newest timeline entries and messages that fit.

    `left_out` counts the older ones that do not fit. It is missing if all fit.
    """
    room = MAX_BYTES - payload_bytes(lead) - payload_bytes(answers)
    newest_messages = last_that_fit(messages, room // 2)
    newest_entries = last_that_fit(timeline, room - sum(map(payload_bytes, newest_messages)))
    journey = cast("JourneyView", {**lead, **answers, "timeline": newest_entries, "messages": newest_messages})
    left_out: LeftOutView = {
        "timeline": len(timeline) - len(newest_entries),
        "messages": len(messages) - len(newest_messages),
    }
    if any(left_out.values()):
        journey["left_out"] = left_out
    return journey
