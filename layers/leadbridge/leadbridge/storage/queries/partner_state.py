"""The state of a partner: one item per partner, written only when its state changes.

pk                   sk       item
PARTNER#{partner}    STATE    `pause`: reason, operator and time; `admits_since`: when the last pause ended
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from leadbridge.domain.admission import PartnerState, Pause
from leadbridge.domain.clock import from_text, to_text
from leadbridge.storage.items import Item
from leadbridge.storage.table import Table
from leadbridge.storage.writes import Write


def state_key(partner: str) -> dict[str, str]:
    """Return the key of a partner's state."""
    return {"pk": f"PARTNER#{partner}", "sk": "STATE"}


def state_of(values: Item | None) -> PartnerState:
    """Return the state that a decoded item holds; a new partner has none."""
    if values is None:
        return PartnerState()
    pause = values.get("pause")
    return PartnerState(
        pause=None if pause is None else Pause(pause["reason"], pause["operator"], from_text(pause["at"])),
        admits_since=from_text(values["admits_since"]) if "admits_since" in values else None,
    )


class PartnerStates:
    """The states of all partners. Every method may raise Contended, and botocore's errors."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def load(self, partners: Iterable[str]) -> dict[str, PartnerState]:
        """Return the states of partners, without those whose state was never written."""
        found = self._table.batch_get([state_key(partner) for partner in partners])
        return {values["pk"].partition("#")[2]: state_of(values) for values in found}

    def pause(self, partner: str, pause: Pause) -> None:
        """Pause a partner; of a paused one replace the reason."""
        stored = {"reason": pause.reason, "operator": pause.operator, "at": to_text(pause.at)}
        self._table.write(Write("Update", state_key(partner), None, {":pause": stored}, {}, "SET pause = :pause"))

    def resume(self, partner: str, now: datetime) -> None:
        """End the pause of a partner. Does nothing if there is none."""
        expression = "SET admits_since = :now REMOVE pause"
        self._table.write(Write("Update", state_key(partner), None, {":now": to_text(now)}, {}, expression))
