"""Lists that fit into a response: Lambda returns at most 6 MB; for a longer response API Gateway returns 502."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from leadbridge.storage.leads import Journey
from leadbridge.storage.queries.lead_list import Page

MAX_BYTES = 5_000_000  # of a list; the rest of the response has room enough


def payload_bytes(value: object) -> int:
    """Return the bytes that a value takes in Lambda's response, where the body is JSON inside JSON."""
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


def leads_that_fit(page: Page, show: Callable[[Journey], dict[str, Any]]) -> tuple[list[dict[str, Any]], str | None]:
    """Return the leads of a page that fit, at least one, and the cursor of the next page."""
    shown: list[dict[str, Any]] = []
    room = MAX_BYTES
    for journey, begins_here in zip(page.leads, page.cursors, strict=True):
        one = show(journey)
        room -= payload_bytes(one)
        if room < 0 and shown:
            return shown, begins_here
        shown.append(one)
    return shown, page.cursor


def bounded_journey(lead: dict[str, Any], timeline: list[Any], messages: list[Any]) -> dict[str, Any]:
    """Return a lead with its newest timeline entries and messages that fit.

    `left_out` counts the older ones that do not fit. It is missing if all fit.
    """
    room = MAX_BYTES - payload_bytes(lead)
    newest_messages = last_that_fit(messages, room // 2)
    newest_entries = last_that_fit(timeline, room - sum(map(payload_bytes, newest_messages)))
    left_out = {"timeline": len(timeline) - len(newest_entries), "messages": len(messages) - len(newest_messages)}
    return {
        **lead,
        "timeline": newest_entries,
        "messages": newest_messages,
        **({"left_out": left_out} if any(left_out.values()) else {}),
    }
