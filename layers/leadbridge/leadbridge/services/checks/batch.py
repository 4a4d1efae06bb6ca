"""The body of a message in the check queue: deliveries of one partner to process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from leadbridge.domain.clock import from_text, to_text

BATCH = 64  # deals that a sweep puts into one message: four times as many as are checked at a time, as shipped
MAX_LEADS = 100  # of one message


@dataclass(frozen=True)
class CheckBatch:
    """Deliveries of one partner.

    `at_once`: an operator asks for the status now, also if the delivery is not due. `overdue`: the deliveries' own due
    times have come, and one without such a time is left alone. `attempt` counts the calls in a row
    after which the batch was returned to the queue because of the partner. `not_before` is when it may be tried again.
    """

    partner: str
    lead_ids: tuple[str, ...]
    at_once: bool = False
    overdue: bool = False
    attempt: int = 1
    not_before: datetime | None = None

    @classmethod
    def of(cls, body: dict[str, Any]) -> CheckBatch:
        """Parse a body. Raises KeyError, ValueError for one that is not a batch."""
        lead_ids = body["lead_ids"]
        if not isinstance(lead_ids, list) or not 0 < len(lead_ids) <= MAX_LEADS:
            raise ValueError(f"lead_ids is a list of 1 to {MAX_LEADS} ids")
        if not all(isinstance(one, str) for one in (body["partner"], *lead_ids)):
            raise ValueError("partner and lead_ids are texts")
        not_before = body.get("not_before")
        return cls(
            partner=body["partner"],
            lead_ids=tuple(dict.fromkeys(lead_ids)),
            at_once=body.get("at_once") is True,
            overdue=body.get("overdue") is True,
            attempt=max(1, int(body.get("attempt", 1))),
            not_before=None if not_before is None else from_text(not_before),
        )

    def body(self) -> dict[str, Any]:
        """Return the message's body."""
        optional: dict[str, Any] = {name: True for name in ("at_once", "overdue") if getattr(self, name)}
        if self.attempt > 1:
            optional["attempt"] = self.attempt
        if self.not_before is not None:
            optional["not_before"] = to_text(self.not_before)
        return {"partner": self.partner, "lead_ids": list(self.lead_ids), **optional}

    def wait(self, now: datetime) -> timedelta:
        """Return how long the batch must wait."""
        return timedelta() if self.not_before is None else max(timedelta(), self.not_before - now)


def batch_bodies(partner: str, batches: Sequence[Sequence[str]], *, overdue: bool = False) -> list[dict[str, Any]]:
    """Return the bodies of batches of leads."""
    return [CheckBatch(partner, tuple(lead_ids), overdue=overdue).body() for lead_ids in batches]
