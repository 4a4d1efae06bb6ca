"""Table items, partner calls and deals of one lead that reconcile, to be changed by a test."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from devstack.sandbox.profile import PartnerRecord
from leadbridge.domain import delivery as steps
from leadbridge.domain.clock import to_text
from leadbridge.domain.delivery import Change, Delivery, new_delivery
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.message import mark_sent, start_sending, status_notification
from leadbridge.domain.statuses.status_change import change_status
from leadbridge.domain.timeline import Entry
from leadbridge.services.dead_letters.queues import DeadLetter
from leadbridge.storage import items
from leadbridge.storage.messages import message_item
from quality.chaos.records import ADDED, AddedPartner, Create, Posted, Snapshot
from quality.testkit.fakes.errors import some_error
from quality.testkit.people import NOW, lead

LEAD = lead()

MINUTE = timedelta(minutes=1)

PHONE, EMAIL = "+380500000001", "olena@example.com"

POSTED = Posted("post-1", LEAD.lead_id, PHONE, EMAIL)

DEAL = PartnerRecord("leadleader", 24, "Видано", {"phone": "0500000001"})

CREATE = {
    "number": 7,
    "at": to_text(NOW + MINUTE / 2),
    "operation": "create",
    "partner": "leadleader",
    "deal_id": 24,
    "telephone": "0500000001",
    "status": 200,
    "outcome": "answered",
    "fault": None,
}

ANSWERED = Create(LEAD.lead_id, "leadleader", 7, is_answered=True)

ANSWER = DeadLetter(
    "submit-leadleader",
    "letter-2",
    0,
    "record_answer",
    "not written",
    LEAD.lead_id,
    "leadleader",
    reason_code=ErrorCode.ANSWER_NOT_RECORDED,
)

LETTER = DeadLetter(
    "submit-leadleader",
    "letter-1",
    0,
    "submit",
    "the password is wrong",
    LEAD.lead_id,
    "leadleader",
    reason_code=ErrorCode.PASSWORD_WRONG,
)


def journey(*changes: Change, without: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """What the table holds of the lead after these changes, decoded; `without` some keys."""
    found = [items.lead_item(LEAD, phone_hash=None)]
    found.append(items.delivery_item(changes[-1].after if changes else waiting()))
    found += [items.history_item(LEAD.lead_id, change.entry) for change in changes]
    return [values for values in found if not values["sk"].endswith(without or ("nothing",))]


def chosen(
    *, at: datetime = NOW + 10 * MINUTE, is_confirmed: bool = False, table: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """An operator gave the lead, which is closed or has these items, to lender-b. It had an order before."""
    entry = items.entry_item(LEAD.lead_id, Entry.by_operator(at, "partner_added", "anna", "lender-b"), "c#000001")
    delivery = items.delivery_item(replace(waiting(), partner="lender-b"))
    lead_item = items.lead_item(LEAD.model_copy(update={"partners": ("leadleader", "lender-b")}), phone_hash=None)
    found = journey(*closed()) if table is None else table
    stored = [lead_item if one["sk"] == "LEAD" else one for one in found]
    fallbacks = {"leadleader": "matchtrade", "matchtrade": "lender-b"}
    added = AddedPartner(LEAD.model_copy(update={"fallbacks": fallbacks}), "lender-b", is_confirmed, ADDED)
    return {"table": [*stored, delivery, entry], "added_partners": [added]}


def waiting() -> Delivery:
    return new_delivery(LEAD.lead_id, "leadleader", "web", NOW)


def submitted() -> list[Change]:
    begun = steps.start_attempt(waiting(), NOW, MINUTE)
    return [begun, steps.confirm(begun.after, NOW + MINUTE, 24, is_followed=True)]


def closed() -> list[Change]:
    """A lead as most are in the end: a deal, its first status, and one more that the person is sent_message."""
    changes = submitted()
    for minutes, status, final in ((2, "В обробці", False), (3, "Видано", True)):
        at = NOW + minutes * MINUTE
        before = changes[-1].after
        changes.append(change_status(before, at, status, outcome=None, final=final, is_followed=True))
    return changes


def ten_minutes_later() -> list[Change]:
    """What a second worker wrote who did not ask whether somebody was quicker."""
    return [replace(change, at=change.at + 10 * MINUTE) for change in submitted()]


def sent_message(number: int = 5) -> dict[str, Any]:
    """The message about the last status, sent."""
    message = status_notification(LEAD.lead_id, "leadleader", number, "Видано", NOW + number * MINUTE)
    done = mark_sent(start_sending(message, NOW, MINUTE).after, NOW + 10 * MINUTE)
    return message_item(done.after)


def balanced(**changes: Any) -> Snapshot:
    """A book that balances, but for the changes."""
    read = [{"phone": PHONE, "text": "Видано", "number": 1, "at": "2026-03-01T12:10:00.000Z"}]
    snapshot = Snapshot(
        posted=[POSTED],
        table=[*journey(*closed()), sent_message()],
        calls=[CREATE],
        partner_records=[DEAL],
        sent_messages=read,
    )
    return replace(snapshot, **changes)


def ended(change: Change, *before: Change) -> list[dict[str, Any]]:
    return journey(*before, change)


def failed(reason: str = "the password is wrong") -> list[dict[str, Any]]:
    return ended(steps.fail(waiting(), NOW, some_error(reason)))
