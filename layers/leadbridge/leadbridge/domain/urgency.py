"""The state that represents a lead with several deliveries."""

from leadbridge.domain.delivery import State
from leadbridge.domain.transitions import URGENCY


def most_urgent(states: list[State]) -> State:
    """Return the state that needs an operator most; `received` if there is none."""
    return min(states, key=URGENCY.index, default=State.RECEIVED)
