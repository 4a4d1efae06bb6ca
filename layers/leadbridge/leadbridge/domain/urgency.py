"""Of a lead's deliveries, the one that an operator should hear of first."""

from leadbridge.domain.delivery import State

# What an operator should hear of first when a lead's deliveries differ.
URGENCY = (
    State.UNKNOWN,
    State.FAILED,
    State.REJECTED,
    State.SUBMITTING,
    State.RECEIVED,
    State.SUBMITTED,
    State.DUPLICATE,
    State.CLOSED,
)


def most_urgent(states: list[State]) -> State:
    """The one state that stands for a lead with several deliveries."""
    return min(states, key=URGENCY.index, default=State.RECEIVED)
