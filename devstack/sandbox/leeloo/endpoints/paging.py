"""The query of lists: `limit`, `offset`, and the days of the last message."""

from datetime import UTC, datetime

from devstack.sandbox.leeloo.fields import day, digits, positive
from devstack.sandbox.leeloo.requests import Asked

PAGE = {"limit": positive, "offset": digits}
FROM, TO = "filter[last_message][from]", "filter[last_message][to]"
LAST_MESSAGE = {FROM: day, TO: day}


def written_between(asked: Asked, last_message_at: float | None) -> bool:
    """Whether a last message is between the requested days, both included, in UTC."""
    first, last = asked.query.get(FROM), asked.query.get(TO)
    if first is None and last is None:
        return True
    if last_message_at is None:
        return False
    on = datetime.fromtimestamp(last_message_at, UTC).strftime("%Y-%m-%d")
    return (first is None or first <= on) and (last is None or on <= last)
