"""The items that dead letters name, read in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from leadbridge.domain.inbox.subject import NO_SUBJECT, LetterSubject
from leadbridge.storage import items
from leadbridge.storage.fetches import fetch_key, fetch_of
from leadbridge.storage.items import Item
from leadbridge.storage.messages import message_of, partition
from leadbridge.storage.table import Table

if TYPE_CHECKING:
    from leadbridge.domain.feedback.postback import Postback
    from leadbridge.services.dead_letters.queues import DeadLetter

MAX_POSTBACKS = 50  # leads whose postbacks are read, with a query for each; other letters have no subject


def load_subjects(table: Table, letters: Sequence[DeadLetter]) -> list[LetterSubject]:
    """Return the subject of each letter, in their order. Raises Contended, and botocore's errors."""
    keys = {_key_of(letter) for letter in letters} | {_lead_of(letter) for letter in letters}
    wanted = [{"pk": pk, "sk": sk} for pk, sk in sorted(key for key in keys if key is not None)]
    found = {(values["pk"], values["sk"]): values for values in table.batch_get(wanted)} if wanted else {}
    postbacks = _Postbacks(table)
    return [_subject_of(letter, found, postbacks) for letter in letters]


class _Postbacks:
    """Reads the postbacks of some leads, each once."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._known: dict[str, list[Postback]] = {}

    def find(self, lead_id: str, event_id: str) -> Postback | None:
        """Return a postback of a lead; None if there is none, or too many leads were read."""
        from leadbridge.storage.feedback.postbacks import PostbackRepository

        if lead_id not in self._known:
            if len(self._known) == MAX_POSTBACKS:
                return None
            self._known[lead_id] = PostbackRepository(self._table).postbacks(lead_id)
        return next((one for one in self._known[lead_id] if one.event_id == event_id), None)


def _subject_of(letter: DeadLetter, found: dict[tuple[str, str], Item], postbacks: _Postbacks) -> LetterSubject:
    lead, values = found.get(_lead_of(letter) or ("", "")), found.get(_key_of(letter) or ("", ""))
    is_erased = lead is not None and "erased_at" in lead
    if letter.lead_id is not None and letter.event_id is not None:
        return LetterSubject(postbacks.find(letter.lead_id, letter.event_id), is_erased)
    if values is None:
        return LetterSubject(None, is_erased) if is_erased else NO_SUBJECT
    match values["sk"].partition("#")[0]:
        case "DELIVERY":
            return LetterSubject(items.delivery_of(values), is_erased)
        case "FETCH":
            return LetterSubject(fetch_of(values), is_erased)
        case _:
            return LetterSubject(message_of(values), is_erased)


def _lead_of(letter: DeadLetter) -> tuple[str, str] | None:
    """Return the key of the letter's lead."""
    if letter.lead_id is None or not letter.lead_id.startswith("ld_"):
        return None
    key = items.lead_key(letter.lead_id)
    return key["pk"], key["sk"]


def _key_of(letter: DeadLetter) -> tuple[str, str] | None:
    """Return the key of the item that a letter names; None for a postback, whose key it does not have."""
    if letter.lead_id is None or letter.event_id is not None:
        return None
    if letter.message_id is not None:
        return partition(letter.lead_id), f"MESSAGE#{letter.message_id}"
    if letter.partner is not None:
        key = items.delivery_key(letter.lead_id, letter.partner)
    elif letter.step == "fetch":
        key = fetch_key(letter.lead_id)
    else:
        return None
    return key["pk"], key["sk"]
