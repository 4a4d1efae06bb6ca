"""What needs a person: the troubles of leads, the dead letters that nothing else shows, partners and sources."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from leadbridge.domain.errors.partner_answer import RECORD_ANSWER
from leadbridge.domain.inbox.trouble import (
    LETTERS,
    MAX_TROUBLES,
    NO_MARK,
    GroupMark,
    InboxGroup,
    MarkPart,
    Trouble,
    TroubleKind,
    grouped,
)

if TYPE_CHECKING:
    from leadbridge.services.dead_letters.queues import CurrentLetter, DeadLetter
    from leadbridge.services.ports.inbox import LeadTroubles, MarkLedger

OTHERS = frozenset({TroubleKind.PARTNER, TroubleKind.SOURCE})
MAX_CHANGES = 20  # of a mark that are stored


@dataclass(frozen=True)
class Inbox:
    """`current_letters` returns the dead letters that need a person, `others` the troubles of partners and sources."""

    troubles: LeadTroubles
    marks: MarkLedger
    current_letters: Callable[[], list[CurrentLetter]]
    others: Callable[[], list[Trouble]]

    def groups(self) -> list[InboxGroup]:
        """Return all groups with their marks, the most urgent kind first. The three kinds of reads run concurrently."""
        with ThreadPoolExecutor(2, thread_name_prefix="inbox") as pool:
            reading_letters, reading_others = pool.submit(self.current_letters), pool.submit(self.others)
            troubles, cut = self.troubles.read()
        letters = reading_letters.result()
        shown = without_answered(troubles, letters)
        return self._with_marks(grouped([*shown, *letter_troubles(letters), *reading_others.result()], cut))

    def find(self, key: str, *, limit: int = MAX_TROUBLES) -> InboxGroup | None:
        """Return a group; None if nothing has this reason now. Only what its kind needs is read: `limit` leads."""
        kind = kind_of_key(key)
        match kind:
            case None:
                return None
            case TroubleKind.UNKNOWN:
                troubles, cut = self.troubles.read((kind,), limit=limit)
                found = grouped(without_answered(troubles, self.current_letters()), cut)
            case _ if kind in LETTERS:
                found = grouped(letter_troubles(self.current_letters()))
            case _ if kind in OTHERS:
                found = grouped(self.others())
            case _:
                found = grouped(*self.troubles.read((kind,), limit=limit))
        return next(iter(self._with_marks(one for one in found if one.key == key)), None)

    def mark(self, group: InboxGroup, operator: str, now: datetime, changes: dict[str, object]) -> InboxGroup:
        """Change the mark of a group; `changes` are attributes of the mark. Raises Conflict."""
        entries = (*group.mark.changes, *((now, operator, part) for part in MarkPart if part.value in changes))
        after = replace(group.mark, **changes, updated_at=now, changes=entries[-MAX_CHANGES:])  # type: ignore[arg-type]
        return replace(group, mark=self.marks.save(group.key, after))

    def _with_marks(self, groups: Iterable[InboxGroup]) -> list[InboxGroup]:
        """Add the marks. Of one of an earlier episode only its history remains."""
        some = list(groups)
        marks = self.marks.load([group.key for group in some])
        found = []
        for group in some:
            mark = marks.get(group.key, NO_MARK)
            if not group.is_marked_by(mark):
                mark = GroupMark(version=mark.version, changes=mark.changes)
            found.append(replace(group, mark=mark))
        return found


def kind_of_key(key: str) -> TroubleKind | None:
    """Return the kind of the group with this key; None if there is no such kind."""
    name = key.partition(".")[0]
    return next((kind for kind in TroubleKind if kind.value == name), None)


def without_answered(troubles: Iterable[Trouble], letters: Iterable[CurrentLetter]) -> list[Trouble]:
    """Return the troubles without the lost replies that a dead letter contains."""
    answered = {(one.letter.lead_id, one.letter.partner) for one in letters if _is_answer(one)}
    return [
        one for one in troubles if one.kind is not TroubleKind.UNKNOWN or (one.lead_id, one.partner) not in answered
    ]


def letter_troubles(letters: Iterable[CurrentLetter]) -> list[Trouble]:
    """Return the troubles of the dead letters that nothing else shows."""
    return [trouble_of(one.letter) for one in letters if not one.is_shown]


def trouble_of(letter: DeadLetter) -> Trouble:
    """Return the trouble of a dead letter."""
    return Trouble(
        TroubleKind.TECHNICAL if letter.lead_id is None else TroubleKind.DEAD_LETTER,
        datetime.fromtimestamp(letter.sent_at / 1000, UTC),
        None if letter.reason_code is None else letter.reason_code.value,
        lead_id=letter.lead_id,
        queue=letter.queue,
        dead_letter_id=letter.dead_letter_id,
    )


def _is_answer(current: CurrentLetter) -> bool:
    return current.letter.step == RECORD_ANSWER and not current.is_shown
