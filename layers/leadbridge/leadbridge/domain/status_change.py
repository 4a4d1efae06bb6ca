"""What a partner's new status makes of a delivery, whoever heard of it: the step, and whom it is to be told."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from leadbridge.domain import delivery as steps
from leadbridge.domain.delivery import Change, Delivery
from leadbridge.domain.message import about_status, held, mirror_of_status
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
    """The change to a status that is another than the delivery's last one; `learned_at` is when the partner was asked.

    Every status after the first is sent to the person, except the first one after a restore. `mirrors`: it is also
    noted with the person.
    """
    known = settings.statuses.get(status)
    change = steps.status_changed(
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
