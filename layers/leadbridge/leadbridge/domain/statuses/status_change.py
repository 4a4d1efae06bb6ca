"""The steps of a delivery after its submission: its status at the partner, and the messages about it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from leadbridge.domain.delivery import Change, Delivery, id_data, step
from leadbridge.domain.errors.error_codes import last_error
from leadbridge.domain.message import status_crm_note, status_notification
from leadbridge.domain.message_operator_steps import skip_after_restore
from leadbridge.domain.statuses.outcomes import APPROVALS, SUCCESSES

if TYPE_CHECKING:
    from leadbridge.settings import Partner as PartnerSettings


def record_status(
    delivery: Delivery,
    status: str,
    settings: PartnerSettings,
    now: datetime,
    *,
    with_crm_note: bool,
    learned_at: datetime | None = None,
) -> Change:
    """Return the change to a new status with its messages; `learned_at` is when the partner was called.

    Every status after the first is sent to the person, except the first one after a restore. `with_crm_note`: it is
    also written to the person's tags and comments at Leeloo.
    """
    known = settings.statuses.get(status)
    change = change_status(
        delivery,
        now,
        status,
        outcome=known.outcome if known else None,
        final=known is not None and known.final,
        is_followed=settings.is_followed,
        learned_at=learned_at,
    )
    about = (delivery.lead_id, delivery.partner, change.after.version, status, now)
    notifications = () if delivery.partner_status is None else (status_notification(*about),)
    notes = (status_crm_note(*about),) if with_crm_note else ()
    messages = notifications + notes
    if delivery.restored_at is not None:  # the person may have received this message after the backup
        messages = tuple(map(skip_after_restore, messages))
    return replace(change, messages=messages)


def change_status(
    delivery: Delivery,
    now: datetime,
    status: str,
    *,
    outcome: str | None,
    final: bool,
    is_followed: bool,
    learned_at: datetime | None = None,
) -> Change:
    """Store a status that differs from the last one. It may reopen a closed delivery.

    `outcome` is a DeliveryOutcome; None if the status is not configured. `learned_at` is when the partner was called;
    None for now. `is_followed`: the partner is asked for further ones.
    """
    at = learned_at or now
    return step(
        delivery,
        "close" if final else "update_status",
        now,
        "status_changed",
        status,
        {"status": status} if outcome is None else {"status": status, "outcome": outcome},
        partner_status=status,
        outcome=outcome,
        status_at=at,
        approved_at=delivery.approved_at or (at if outcome in APPROVALS else None),
        issued_at=(delivery.issued_at or at) if outcome in SUCCESSES else None,
        restored_at=None,
        **last_error(None),
        checks_failed=0,
        checks_refused=0,
        due_at=None,
        followed_since=(delivery.followed_since or now) if is_followed and not final else None,
    )


def count_check(delivery: Delivery, *, is_failed: bool, is_refused: bool) -> Delivery:
    """Count a status check without a new status. An unavailable partner does not reset the count of refusals."""
    if not is_failed:
        return replace(delivery, checks_failed=0, checks_refused=0)
    refused = delivery.checks_refused + is_refused
    return replace(delivery, checks_failed=delivery.checks_failed + 1, checks_refused=refused)


def record_account(delivery: Delivery, now: datetime, account_uuid: str) -> Change:
    """Store the account id that the partner returned later."""
    return step(
        delivery,
        "account_found",
        now,
        "account_found",
        f"account {account_uuid}",
        id_data(account_uuid),
        account_uuid=account_uuid,
    )
