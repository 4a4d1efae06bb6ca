"""The broker's accounts, in the order of their creation, and how their statuses change."""

import uuid
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count, islice
from operator import attrgetter
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from devstack.sandbox.partner import Clock, Order, Pace, Progress

MAX_STORED = 250_000
BEGINNING = datetime(2019, 1, 1, tzinfo=UTC)

STATUSES = ("NEW_CONTACT", "CONTACTED", "NEED_ANALYSIS", "READY_TO_DEPOSIT", "NO_POTENTIAL", "ACTIVE_CLIENT")
CLIENT_PATH = ("NEW_CONTACT", "CONTACTED", "READY_TO_DEPOSIT", "ACTIVE_CLIENT")
HOPELESS_PATH = ("NEW_CONTACT", "CONTACTED", "NO_POTENTIAL")

NAMES = ("Anna", "Boris", "Clara", "Denys", "Emma", "Frank", "Halyna", "Ivan", "Julia", "Karl", "Lesia")
SURNAMES = ("Adler", "Bondar", "Cohen", "Dovhan", "Evans", "Fedun", "Gruber", "Hnatiuk", "Ivanova", "Jensen")

_created = attrgetter("created")

type Status = Annotated[str, StringConstraints(min_length=1, max_length=100)]
type Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$", max_length=200)]


@dataclass(slots=True, eq=False)
class Account:
    """`origin`: `registered` over the API, or a sample: one of `ours`, or another provider's (`foreign`)."""

    uuid: str
    number: int
    created: float
    progress: Progress
    origin: str
    person: Mapping[str, Any]
    lead_source: str | None

    @property
    def email(self) -> str:
        return str(self.person.get("email", ""))


class Insertion(Order):
    kind: Literal["insert"]
    created: AwareDatetime
    email: Email | None = None


class Removal(Order):
    kind: Literal["remove"]
    uuid: str


class Move(Order):
    kind: Literal["move"]
    uuid: str
    created: AwareDatetime


class StatusChange(Order):
    kind: Literal["status"]
    uuid: str
    status: Status


type Change = Annotated[Insertion | Removal | Move | StatusChange, Field(discriminator="kind")]


class Registry:
    """At most `MAX_STORED` accounts; a registered one replaces the oldest. Numbers never repeat within a run."""

    def __init__(self, clock: Clock, pace: Pace) -> None:
        self._clock = clock
        self._pace = pace
        self._numbers = count(1)
        self._rows: list[Account] = []
        self._by_uuid: dict[str, Account] = {}
        self._by_email: dict[str, Account] = {}

    @property
    def _now(self) -> float:
        return round(self._clock(), 3)

    def register(self, person: Mapping[str, Any]) -> Account:
        status, *ahead = HOPELESS_PATH if person.get("phone", "").endswith("0") else CLIENT_PATH
        progress = Progress([(status, self._now)], tuple(ahead))
        source = person.get("leadInfo", {}).get("leadSource")
        number = next(self._numbers)
        account = Account(str(uuid.uuid4()), number, self._now, progress, "registered", person, source)
        self._add([account])
        if len(self._rows) > MAX_STORED:
            self._remove(self._rows[0])
        return account

    def add_samples(
        self,
        count: Annotated[int, Field(ge=1, le=MAX_STORED)] | None = None,
        start: AwareDatetime = BEGINNING,
        end: AwareDatetime | None = None,
        emails: list[Email] = [],
        foreign: bool = True,
        status: Status | None = None,
    ) -> dict[str, Any]:
        """Add samples, evenly between both times. `count` is by default the number of emails, which the first get."""
        count, first = count or len(emails), start.timestamp()
        last = self._now if end is None else end.timestamp()
        known = {email.lower() for email in emails}
        if not count or count < len(emails) or len(known) < len(emails) or known & self._by_email.keys():
            raise ValueError("count or emails: not fewer accounts than emails, and no email twice")
        if last < first:
            raise ValueError("start: not after end")
        if len(self._rows) + count > MAX_STORED:
            raise OverflowError(f"{MAX_STORED} accounts at most, there are {len(self._rows)}")
        step = (last - first) / max(count - 1, 1)
        added = [
            _sample(number, round(first + step * index, 3), last, foreign, status)
            for index, number in enumerate(islice(self._numbers, count))
        ]
        for account, email in zip(added, emails, strict=False):
            account.person = {**account.person, "email": email}
        self._add(added)
        return {"added": count, "first": added[0].uuid, "last": added[-1].uuid}

    def get(self, account_uuid: str) -> Account:
        """The account in its present status. Raises KeyError."""
        account = self._by_uuid[account_uuid]
        account.progress.advance(self._now, self._pace)
        return account

    def with_email(self, email: str) -> list[Account]:
        """The account, if any, in its present status. Emails are compared without case."""
        account = self._by_email.get(email.lower())
        return [] if account is None else [self.get(account.uuid)]

    def put(self, account_uuid: str, status: str) -> Account:
        """Set a status, which then no longer changes. Raises KeyError."""
        account = self.get(account_uuid)
        account.progress.put(status, self._now)
        return account

    def apply(self, changes: list[Change]) -> int:
        """Return how many had an effect. One that finds nothing to change, or no room, has none."""
        return sum([self._apply(change) for change in changes])

    def _apply(self, change: Change) -> bool:
        with suppress(LookupError, OverflowError, ValueError):
            match change:
                case Insertion():
                    self.add_samples(1, change.created, change.created, [change.email] if change.email else [])
                case Removal():
                    self._remove(self.get(change.uuid))
                case Move():
                    self.get(change.uuid).created = change.created.timestamp()
                    self._add([])
                case StatusChange():
                    self.put(change.uuid, change.status)
            return True
        return False

    def within(self, start: float, end: float, by: Literal["created", "updated"], text: str) -> Sequence[Account]:
        """Those created (or updated) between both times, included, with the text, if any; first created first."""
        rows = self.all()
        if by == "created":
            rows = rows[bisect_left(rows, start, key=_created) : bisect_right(rows, end, key=_created)]
        else:
            rows = [row for row in rows if start <= row.progress.updated <= end]
        names = ("email",) if "@" in text else ("email", "name", "surname", "phone")
        return (
            [row for row in rows if any(text in row.person.get(name, "").lower() for name in names)] if text else rows
        )

    def all(self) -> Sequence[Account]:
        """First created first, in their present status. Read-only."""
        for account in self._rows:
            if account.progress.ahead:
                account.progress.advance(self._now, self._pace)
        return self._rows

    def clear(self) -> None:
        for each in (self._rows, self._by_uuid, self._by_email):
            each.clear()

    def _add(self, accounts: list[Account]) -> None:
        self._rows += accounts
        self._rows.sort(key=attrgetter("created", "number"))
        self._by_uuid |= {account.uuid: account for account in accounts}
        self._by_email |= {account.email.lower(): account for account in accounts if account.email}

    def _remove(self, account: Account) -> None:
        self._rows.remove(account)
        del self._by_uuid[account.uuid]
        self._by_email.pop(account.email.lower(), None)


def _sample(number: int, created: float, last: float, foreign: bool, status: str | None) -> Account:
    """The sample with this number: the same in every run. It was updated up to 29 days after its creation."""
    person = {
        "email": f"lead-{number}@clients.example.com",
        "name": NAMES[number % len(NAMES)],
        "surname": SURNAMES[number % len(SURNAMES)],
        "phone": f"380{500_000_000 + number % 500_000_000}",
        "country": "Ukraine",
    }
    # Of another provider's accounts every fourth has no lead source, as if it was made by hand.
    lead_source = f"Other Offer|elsewhere.example.com|Another provider|{number:x}" if number % 4 else None
    if not foreign:
        lead_source = f"Test Offer|testoffer.com|Test Description|{number:010x}"
    updated = max(created, min(created + number % 30 * 86_400, round(last, 3)))
    progress = Progress([(status or STATUSES[number % len(STATUSES)], updated)])
    sample_uuid, origin = str(uuid.uuid5(uuid.NAMESPACE_OID, str(number))), "foreign" if foreign else "ours"
    return Account(sample_uuid, number, created, progress, origin, person, lead_source)
