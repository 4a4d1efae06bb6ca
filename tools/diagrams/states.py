"""The states of a delivery, a message and a fetch, from the transition tables."""

from leadbridge.domain.transitions import BY_OPERATOR, DELIVERY, FETCH, MESSAGE, POSTBACK, Table


def of_a_delivery() -> str:
    return _diagram("received", DELIVERY)


def of_a_message() -> str:
    return _diagram("pending", MESSAGE)


def of_a_fetch() -> str:
    return _diagram("pending", FETCH)


def of_a_postback() -> str:
    return _diagram("pending", POSTBACK)


def _diagram(first: str, table: Table) -> str:
    """Events between the same two states share an arrow. Events without a change of state are not drawn."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for event, states in table.items():
        for before, after in states.items():
            if before != after:
                arrows.setdefault((before, after), []).append(f"operator: {event}" if event in BY_OPERATOR else event)
    drawn = [f"  {before} --> {after}: {'<br/>'.join(events)}" for (before, after), events in arrows.items()]
    return "\n".join(["```mermaid", "stateDiagram-v2", f"  [*] --> {first}", *drawn, "```"])
