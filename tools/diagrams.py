"""`make diagrams`: update the diagrams of states in the documentation, from the transition tables."""

import re
from pathlib import Path

from leadbridge.domain.transitions import BY_OPERATOR, DELIVERY, FETCH, MESSAGE, POSTBACK, Table

PAGE = Path(__file__).resolve().parents[1] / "docs" / "architecture.md"
PLACE = re.compile(r"(?<=<!-- make diagrams: )(\w+)( -->\n).*?(?=<!-- end -->)", re.DOTALL)
TABLES: dict[str, tuple[str, Table]] = {  # each with the first state
    "delivery": ("received", DELIVERY),
    "message": ("pending", MESSAGE),
    "fetch": ("pending", FETCH),
    "postback": ("pending", POSTBACK),
}


def states(first: str, table: Table) -> str:
    """Events between the same two states share an arrow. Events without a change of state are not drawn."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for event, moves in table.items():
        for before, after in moves.items():
            if before != after:
                arrows.setdefault((before, after), []).append(f"operator: {event}" if event in BY_OPERATOR else event)
    drawn = [f"  {before} --> {after}: {'<br/>'.join(events)}" for (before, after), events in arrows.items()]
    return "\n".join(["```mermaid", "stateDiagram-v2", f"  [*] --> {first}", *drawn, "```"])


def drawn(page: str) -> str:
    return PLACE.sub(lambda place: f"{place[1]}{place[2]}{states(*TABLES[place[1]])}\n", page)


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
