"""What a dead letter names is begun anew, if it still stands still."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leadbridge.clock import Clock
from leadbridge.leads.message import retried as retried_message
from leadbridge.leads.operator_steps import WrongState, retried
from leadbridge.leads.outbox import Outbox
from leadbridge.leads.store import Store
from leadbridge.leads.transitions import ImpossibleTransition
from leadbridge.leads.writing import Conflict

if TYPE_CHECKING:
    from leadbridge.letters import Letter


@dataclass(frozen=True)
class Reviver:
    """Begins deliveries and messages anew, in the name of an operator."""

    store: Store
    outbox: Outbox
    operator: str
    clock: Clock

    def begin_anew(self, letter: Letter) -> None:
        """Begin the message or the delivery that a letter names anew; one that has moved on since is left alone."""
        with suppress(WrongState, ImpossibleTransition, Conflict):
            if letter.lead_id and letter.message_id:
                message = self.outbox.message(letter.lead_id, letter.message_id)
                if message is not None:
                    self.outbox.apply(retried_message(message, self.clock(), self.operator))
            elif letter.lead_id and letter.partner:
                delivery = self.store.delivery(letter.lead_id, letter.partner)
                if delivery is not None:
                    self.store.apply(retried(delivery, self.clock(), self.operator, is_confirmed=False))
