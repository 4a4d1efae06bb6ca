"""What needs a person, one trouble for each lead and partner, and the groups that share a reason.

A delivery that has failed is one trouble, whatever number of dead letters it left. A dead letter is a trouble of its
own only if no delivery, fetch or lead shows it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

MAX_TROUBLES = 200  # of one kind that are read; more are shown as "200+"
MAX_RETRY_READ = 1000  # of one kind that a retry reads, so that it reaches those behind the ones that it keeps
NO_CODE = "other"  # in the key of a group whose troubles have no code
MAX_FIELDS = 3  # in the key of a group


class TroubleKind(StrEnum):
    """What is wrong, in the order in which a person should look at it."""

    UNKNOWN = "unknown"  # the partner's reply was lost
    ATTENTION = "attention"  # the partner does not confirm the id of a submitted delivery
    FAILED = "failed"  # a delivery failed; also one that was held because of a cap or closing hours
    FETCH = "fetch"  # a lead could not be fetched from its form's builder
    REJECTED = "rejected"  # the partner rejected fields that a person can correct
    INCOMPLETE = "incomplete"  # no partner can take the lead
    DEAD_LETTER = "dead_letter"  # a message, a postback, an answer or a check of a lead failed
    PARTNER = "partner"  # a partner gets no leads, or its checks are late
    SOURCE = "source"  # a source brings no leads any more
    TECHNICAL = "technical"  # dead letters without a lead


LETTERS = frozenset({TroubleKind.DEAD_LETTER, TroubleKind.TECHNICAL})


class GroupRetry(StrEnum):
    """Whether all leads of a group can be retried together."""

    SAFE = "safe"
    CONFIRM = "confirm"  # a partner may get a lead twice
    NONE = "none"


RETRIES = {
    TroubleKind.FAILED: GroupRetry.SAFE,
    TroubleKind.FETCH: GroupRetry.SAFE,
    TroubleKind.DEAD_LETTER: GroupRetry.SAFE,
    TroubleKind.TECHNICAL: GroupRetry.SAFE,
    TroubleKind.UNKNOWN: GroupRetry.CONFIRM,
}


@dataclass(frozen=True)
class Trouble:
    """One thing that needs a person. `at` is since when.

    A trouble of a lead has its `lead_id`, and the `partner` of the delivery; an incomplete lead and a failed fetch have
    the `source` instead. `fields` are those that the `code` is about, such as the ones that the partner rejected; of an
    incomplete lead the first one. A dead letter has its `queue` and its id.
    """

    kind: TroubleKind
    at: datetime
    code: str | None = None
    partner: str | None = None
    source: str | None = None
    fields: tuple[str, ...] = ()
    lead_id: str | None = None
    queue: str | None = None
    dead_letter_id: str | None = None

    @property
    def group_key(self) -> str:
        """The key of its group: kind, partner or source, fields, code: `incomplete.web.person.phone.required`."""
        subject = self.queue or self.partner or self.source or "all"
        fields = ("-".join(self.fields[:MAX_FIELDS]),) if self.fields else ()
        return ".".join((self.kind.value, subject, *fields, self.code or NO_CODE))


class MarkPart(StrEnum):
    """What operators note about a group."""

    ASSIGNEE = "assignee"
    SNOOZE = "snoozed_until"
    NOTE = "note"


@dataclass(frozen=True)
class GroupMark:
    """What operators noted about a group: who works on it, until when it is hidden, a note.

    `updated_at` is when an operator last changed it, `version` guards the next write, 0 before the first one.
    `changes` are the newest changes, oldest first: when, who, and what.
    """

    assignee: str | None = None
    assigned_at: datetime | None = None
    snoozed_until: datetime | None = None
    note: str | None = None
    noted_by: str | None = None
    noted_at: datetime | None = None
    updated_at: datetime | None = None
    version: int = 0
    changes: tuple[tuple[datetime, str, MarkPart], ...] = ()


NO_MARK = GroupMark()
EPISODE_GAP = timedelta(hours=1)  # without troubles, after which a mark is of an earlier episode


@dataclass(frozen=True)
class InboxGroup:
    """Troubles with the same reason, oldest first. `is_complete`: all of them were read."""

    key: str
    troubles: tuple[Trouble, ...]
    is_complete: bool = True
    mark: GroupMark = field(default=NO_MARK)

    @property
    def kind(self) -> TroubleKind:
        """What is wrong."""
        return self.troubles[0].kind

    @property
    def first_seen(self) -> datetime:
        """Since when the oldest trouble lasts."""
        return self.troubles[0].at

    @property
    def last_seen(self) -> datetime:
        """Since when the newest trouble lasts."""
        return self.troubles[-1].at

    @property
    def retry(self) -> GroupRetry:
        """Whether all of it can be retried together."""
        return RETRIES.get(self.kind, GroupRetry.NONE)

    def is_marked_by(self, mark: GroupMark) -> bool:
        """Whether a mark is about these troubles, and not about earlier ones that were solved since."""
        if mark.updated_at is None:
            return False
        return not self.is_complete or self.first_seen <= mark.updated_at + EPISODE_GAP


def grouped(troubles: Iterable[Trouble], cut: frozenset[TroubleKind] = frozenset()) -> list[InboxGroup]:
    """Return the groups of some troubles, the most urgent kind first, then the largest.

    `cut` are the kinds of which there may be more than were read.
    """
    found: dict[str, list[Trouble]] = {}
    for trouble in troubles:
        found.setdefault(trouble.group_key, []).append(trouble)
    order = list(TroubleKind)
    groups = [
        InboxGroup(key, tuple(sorted(some, key=lambda one: one.at)), some[0].kind not in cut)
        for key, some in found.items()
    ]
    return sorted(groups, key=lambda one: (order.index(one.kind), -len(one.troubles), one.key))
