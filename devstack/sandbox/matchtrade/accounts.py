"""The broker's accounts, in the order of their creation, and how their statuses change."""

import itertools
import uuid
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal

from devstack.sandbox.partner import Clock, Pace, Progress

MAX_STORED = 250_000
DAY = 24 * 3600
HAND_MADE_EVERY = 4  # of the accounts that did not come from us, every so manieth has no lead source at all
SEARCHED = ("email", "name", "surname", "phone")

STATUSES = ("NEW_CONTACT", "CONTACTED", "NEED_ANALYSIS", "READY_TO_DEPOSIT", "NO_POTENTIAL", "ACTIVE_CLIENT")
CLIENT_PATH = ("NEW_CONTACT", "CONTACTED", "READY_TO_DEPOSIT", "ACTIVE_CLIENT")
HOPELESS_PATH = ("NEW_CONTACT", "CONTACTED", "NO_POTENTIAL")
HOPELESS_PHONE_ENDS_IN = "0"

NAMES = ("Anna", "Boris", "Clara", "Denys", "Emma", "Frank", "Halyna", "Ivan", "Julia", "Karl", "Lesia")
SURNAMES = ("Adler", "Bondar", "Cohen", "Dovhan", "Evans", "Fedun", "Gruber", "Hnatiuk", "Ivanova", "Jensen")
COUNTRIES = ("Ukraine", "Poland", "Germany", "Cyprus", "Spain", "Italy", "Latvia")

type Origin = Literal["registered", "ours", "foreign"]
"""Registered over the API, or a sample: one of ours, or another provider's."""


@dataclass(slots=True, kw_only=True, eq=False)
class Account:
    """`person` are the fields as registered. Times are in seconds since the epoch, in whole milliseconds."""

    uuid: str
    number: int
    created: float
    progress: Progress
    origin: Origin
    person: Mapping[str, Any]
    lead_source: str | None

    @property
    def place(self) -> tuple[float, int]:
        return self.created, self.number

    @property
    def email(self) -> str:
        return str(self.person.get("email", ""))

    def mentions(self, text: str) -> bool:
        """Whether the text, in lower case, is part of the email, name, surname or phone."""
        names = ("email",) if "@" in text else SEARCHED
        return any(text in self.person.get(name, "").lower() for name in names)


class Registry:
    """At most `MAX_STORED` accounts; a registered one replaces the oldest. Numbers never repeat within a run."""

    def __init__(self, clock: Clock, pace: Pace) -> None:
        self._clock = clock
        self._pace = pace
        self._numbers = itertools.count(1)
        self._rows: list[Account] = []
        self._by_uuid: dict[str, Account] = {}
        self._by_email: dict[str, Account] = {}
        self._moving: dict[str, Account] = {}

    @property
    def now(self) -> float:
        return round(self._clock(), 3)

    def register(self, person: Mapping[str, Any]) -> Account:
        now = self.now
        hopeless = str(person.get("phone", "")).endswith(HOPELESS_PHONE_ENDS_IN)
        status, *ahead = HOPELESS_PATH if hopeless else CLIENT_PATH
        account = Account(
            uuid=str(uuid.uuid4()),
            number=next(self._numbers),
            created=now,
            progress=Progress([(status, now)], tuple(ahead)),
            origin="registered",
            person=person,
            lead_source=person.get("leadInfo", {}).get("leadSource"),
        )
        self._index([account])
        insort(self._rows, account, key=attrgetter("place"))
        self._moving[account.uuid] = account
        if len(self._rows) > MAX_STORED:
            self.remove(self._rows[0])
        return account

    def add_samples(
        self,
        count: int,
        first: float,
        last: float,
        origin: Origin = "foreign",
        status: str | None = None,
        emails: Sequence[str] = (),
    ) -> list[Account]:
        """Add samples, evenly from the first time to the last, both included. `emails` are the first ones'.

        Raises `OverflowError` if there is no room, `ValueError` if an email has an account.
        """
        if len(self._rows) + count > MAX_STORED:
            raise OverflowError(f"{MAX_STORED} accounts at most, there are {len(self._rows)}")
        if any(email.lower() in self._by_email for email in emails):
            raise ValueError("emails: some have an account")
        added = []
        for index, email in zip(range(count), itertools.chain(emails, itertools.repeat(None)), strict=False):
            created = round(first + (last - first) * index / max(count - 1, 1), 3)
            added.append(_sample(next(self._numbers), created, last, origin, status, email))
        self._index(added)
        self._rows += added
        self._rows.sort(key=attrgetter("place"))
        return added

    def get(self, account_uuid: str) -> Account:
        """The account in its present status. Raises KeyError."""
        return self._advanced(self._by_uuid[account_uuid])

    def with_email(self, email: str) -> Account | None:
        """The account in its present status. Emails are compared without case."""
        account = self._by_email.get(email.lower())
        return None if account is None else self._advanced(account)

    def remove(self, account: Account) -> None:
        self._rows.remove(account)
        del self._by_uuid[account.uuid]
        self._by_email.pop(account.email.lower(), None)
        self._moving.pop(account.uuid, None)

    def move(self, account: Account, created: float) -> None:
        account.created = created
        self._rows.sort(key=attrgetter("place"))

    def put(self, account: Account, status: str) -> bool:
        """Set a status, which then no longer changes. Returns whether it was a different one."""
        self._moving.pop(account.uuid, None)
        return account.progress.put(status, self.now)

    def within(self, start: float, end: float, by: Literal["created", "updated"], text: str) -> list[Account]:
        """Those created (or updated) between both times, included, with the text, if any; first created first."""
        self.advance()
        rows = self._rows
        if by == "created":
            first = bisect_left(rows, start, key=attrgetter("created"))
            rows = rows[first : bisect_right(rows, end, key=attrgetter("created"))]
        else:
            rows = [row for row in rows if start <= row.progress.updated <= end]
        return [row for row in rows if row.mentions(text)] if text else rows

    def all(self) -> Sequence[Account]:
        """First created first, in their present status. Read-only."""
        self.advance()
        return self._rows

    def advance(self) -> None:
        for account in list(self._moving.values()):
            if not self._advanced(account).progress.ahead:
                del self._moving[account.uuid]

    def clear(self) -> None:
        for each in (self._rows, self._by_uuid, self._by_email, self._moving):
            each.clear()

    def _advanced(self, account: Account) -> Account:
        account.progress.advance(self.now, self._pace)
        return account

    def _index(self, accounts: Iterable[Account]) -> None:
        for account in accounts:
            self._by_uuid[account.uuid] = account
            if account.email:
                self._by_email[account.email.lower()] = account


def _sample(number: int, created: float, last: float, origin: Origin, status: str | None, email: str | None) -> Account:
    """The sample with this number: the same in every run. It was updated up to 29 days after its creation."""
    person = {
        "email": email or f"lead-{number}@clients.example.com",
        "name": NAMES[number % len(NAMES)],
        "surname": SURNAMES[number % len(SURNAMES)],
        "phone": f"380{500_000_000 + number % 500_000_000}",
        "country": COUNTRIES[number % len(COUNTRIES)],
    }
    lead_source = f"Other Offer|elsewhere.example.com|Another provider|{number:x}" if number % HAND_MADE_EVERY else None
    if origin == "ours":
        lead_source = f"Test Offer|testoffer.com|Test Description|{number:010x}"
    updated = max(created, min(created + number % 30 * DAY, round(last, 3)))
    return Account(
        uuid=str(uuid.uuid5(uuid.NAMESPACE_OID, str(number))),
        number=number,
        created=created,
        progress=Progress([(status or STATUSES[number % len(STATUSES)], updated)]),
        origin=origin,
        person=person,
        lead_source=lead_source,
    )
