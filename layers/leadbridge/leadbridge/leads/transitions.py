"""What the steps of deliveries, messages and fetches have in common."""

from datetime import timedelta

# What waits for a worker is announced again if nothing happened to it for so long.
OVERDUE = timedelta(minutes=15)
LONGEST_OVERDUE = timedelta(hours=6)


class ImpossibleTransition(ValueError):
    """A step that the states do not allow: a defect in the caller."""
