"""What a dead letter names is begun anew, if it still stands still."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from leadbridge.clock import Clock
from leadbridge.leads.arrivals import Arrivals
from leadbridge.leads.delivery import State
from leadbridge.leads.fetch import FetchState, ask_again
from leadbridge.leads.items import Entry
from leadbridge.leads.lead import lacking_for
from leadbridge.leads.message import UNSETTLED
from leadbridge.leads.message import retried as retried_message
from leadbridge.leads.operator_steps import WrongState, retried
from leadbridge.leads.outbox import Outbox
from leadbridge.leads.store import Store
from leadbridge.leads.transitions import ImpossibleTransition
from leadbridge.leads.writing import Conflict
from leadbridge.settings import Partner

if TYPE_CHECKING:
    from leadbridge.letters import Letter


@dataclass(frozen=True)
class Reviver:
    """Begins deliveries, messages and fetches anew, in the name of an operator."""

    store: Store
    outbox: Outbox
    arrivals: Arrivals
    partners: Mapping[str, Partner]
    operator: str
    clock: Clock

    def begin_anew(self, letter: Letter) -> bool:
        """Begin what a letter names anew; what has moved on since, or cannot be sent as it is, is left alone.

        A letter is written before what it names is called failed. One that is put back in between is not done with.
        """
        if letter.lead_id and self._is_about_to_fail(letter, letter.lead_id):
            return False
        with suppress(WrongState, ImpossibleTransition, Conflict):
            if letter.lead_id and letter.message_id:
                message = self.outbox.message(letter.lead_id, letter.message_id)
                if message is not None:
                    self.outbox.apply(retried_message(message, self.clock(), self.operator))
            elif letter.lead_id and letter.partner:
                self._deliver(letter.lead_id, letter.partner)
            elif letter.lead_id and letter.step == "fetch":
                fetch = self.arrivals.fetch(letter.lead_id)
                if fetch is not None:
                    self.arrivals.apply(ask_again(fetch, self.clock(), f"by {self.operator}"))

        return True

    def _is_about_to_fail(self, letter: Letter, lead_id: str) -> bool:
        """Whether what a letter names is still at it, and was not begun anew since the letter was written."""
        if letter.message_id:
            message = self.outbox.message(lead_id, letter.message_id)
            return message is not None and message.state in UNSETTLED and _is_of_this_life(letter, message.retried_at)
        if letter.partner:
            delivery = self.store.delivery(lead_id, letter.partner)
            if delivery is None or delivery.state not in {State.RECEIVED, State.SUBMITTING}:
                return False
            return _is_of_this_life(letter, delivery.retried_at)
        fetch = self.arrivals.fetch(lead_id) if letter.step == "fetch" else None
        if fetch is None or fetch.state is not FetchState.PENDING:
            return False
        if fetch.first_attempt_at is None:  # it was never tried, or is asked for anew
            return fetch.attempts == 0
        return _is_of_this_life(letter, fetch.first_attempt_at)

    def note(self, letter: Letter, what: str) -> None:
        """Write into the timeline of a letter's lead, if there is one, what the operator did with the letter."""
        if letter.lead_id is not None and self.store.lead(letter.lead_id) is not None:
            entry = Entry(self.clock(), what, letter.partner, f"{letter.step}, by {self.operator}")
            self.store.note(letter.lead_id, entry, letter.letter_id)

    def _deliver(self, lead_id: str, partner: str) -> None:
        delivery, lead = self.store.delivery(lead_id, partner), self.store.lead(lead_id)
        if delivery is not None and lead is not None:
            lacking = lacking_for(lead, self.partners.get(partner))
            change = retried(delivery, self.clock(), self.operator, is_confirmed=False, lacking=lacking)
            self.store.apply(change)


def _is_of_this_life(letter: Letter, began_at: datetime | None) -> bool:
    """Whether a letter was written after what it tells of began, or began anew; None stands for always."""
    return began_at is None or began_at.timestamp() * 1000 < letter.sent_at
