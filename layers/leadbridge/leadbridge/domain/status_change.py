"""The steps of a delivery after its submission: its partner's status, and the messages about it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from leadbridge.domain.delivery import Change, Delivery, id_data, step
from leadbridge.domain.errors.error_codes import last_error
from leadbridge.domain.message import about_status, mirror_of_status
from leadbridge.domain.message_operator_steps import held

if TYPE_CHECKING:
    from leadbridge.settings import Partner as PartnerSettings


def new_status(
    delivery: Delivery,
    status: str,
    settings: PartnerSettings,
    now: datetime,
    *,
    check_after: timedelta | None,
    mirrors: bool,
    learned_at: datetime | None = None,
) -> Change:
    """Return the change to a new status with its messages; `learned_at` is when the partner was asked.

    Every status after the first is sent to the person, except the first one after a restore. `mirrors`: it is also
    noted with the person.
    """
    known = settings.statuses.get(status)
    change = status_changed(
        delivery,
        now,
        status,
        meaning=known.meaning if known else None,
        final=known is not None and known.final,
        check_after=check_after,
        learned_at=learned_at,
    )
    about = (delivery.lead_id, delivery.partner, change.after.version, status, now)
    told = () if delivery.partner_status is None else (about_status(*about),)
    mirrored = (mirror_of_status(*about),) if mirrors else ()
    messages = told + mirrored
    if delivery.restored_at is not None:  # the person may have got this message after the moment of the copy
        messages = tuple(map(held, messages))
    return replace(change, messages=messages)


def status_changed(
    delivery: Delivery,
    now: datetime,
    status: str,
    *,
    meaning: str | None,
    final: bool,
    check_after: timedelta | None,
    learned_at: datetime | None = None,
) -> Change:
    """Store a status that differs from the last one. It may reopen a closed delivery.

    `learned_at` is when the partner was asked; None for now.
    """
    return step(
        delivery,
        "close" if final else "update_status",
        now,
        "status_changed",
        status,
        {"status": status} if meaning is None else {"status": status, "meaning": meaning},
        partner_status=status,
        status_meaning=meaning,
        status_at=learned_at or now,
        restored_at=None,
        **last_error(None),
        checks_failed=0,
        checks_refused=0,
        due_at=None if final or check_after is None else now + check_after,
    )


def checked(delivery: Delivery, *, is_failed: bool, is_refused: bool) -> Delivery:
    """Count a status check without a new status. An unavailable partner does not reset the count of refusals."""
    if not is_failed:
        return replace(delivery, checks_failed=0, checks_refused=0)
    refused = delivery.checks_refused + is_refused
    return replace(delivery, checks_failed=delivery.checks_failed + 1, checks_refused=refused)


def account_found(delivery: Delivery, now: datetime, account_uuid: str) -> Change:
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
