"""What the steps of deliveries, messages and fetches have in common."""

from datetime import datetime, timedelta

# If a waiting item does not change for this time, it is sent to its queue once more.
OVERDUE = timedelta(minutes=15)
LONGEST_OVERDUE = timedelta(hours=6)


class ImpossibleTransition(ValueError):
    """A step that the states do not allow: a defect in the caller."""


def overdue_wait(waiting_since: datetime, now: datetime) -> timedelta:
    """Return the time after which an overdue item is sent to its queue once more. It doubles with the item's wait."""
    return min(max(OVERDUE, now - waiting_since), LONGEST_OVERDUE)
