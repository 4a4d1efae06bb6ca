"""All accounts, in the order of their creation."""

import itertools
import re
import uuid
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from devstack.sandbox.matchtrade import samples
from devstack.sandbox.matchtrade.accounts import Account, Origin, number_of
from devstack.sandbox.matchtrade.statuses import path_of
from devstack.sandbox.matchtrade.times import Millis, millis_now
from devstack.sandbox.partner import Clock, Pace

MAX_STORED = 250_000
SAMPLE_TAIL = "5eed-4000-8000-5eed5eed5eed"
_SAMPLE_EMAIL = re.compile(re.escape(samples.email(0)).replace("0", "([0-9]{1,9})"))


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples, evenly from the first time to the last, both included. `emails` are the first ones'."""

    count: int
    first: Millis
    last: Millis
    origin: Origin
    status: str | None = None
    emails: Sequence[str] = ()

    def created(self, index: int) -> Millis:
        return self.first + (self.last - self.first) * index // max(self.count - 1, 1)


@dataclass(frozen=True, slots=True)
class Window:
    """Accounts created (or updated) between both times, included, with the text, if any."""

    start: Millis
    end: Millis
    by: Literal["created", "updated"] = "created"
    text: str = ""


class Registry:
    """At most `kept` accounts; a new one replaces the oldest. Numbers never repeat within a run."""

    def __init__(self, clock: Clock, pace: Pace, kept: int = MAX_STORED) -> None:
        self._clock = clock
        self._pace = pace
        self._kept = kept
        self._numbers = itertools.count(1)
        self._tail = str(uuid.uuid4())[9:]
        self._rows: list[Account] = []
        self._by_number: dict[int, Account] = {}
        self._by_email: dict[str, Account] = {}
        self._moving: dict[int, Account] = {}

    def register(self, given: Mapping[str, Any]) -> Account:
        """Store a valid, new account."""
        now = millis_now(self._clock)
        status, *ahead = path_of(given.get("phone"))
        account = Account(
            number=next(self._numbers),
            tail=self._tail,
            created=now,
            updated=now,
            status=status,
            origin=Origin.REGISTERED,
            given=given,
            ahead=tuple(ahead),
            history=((status, now),),
        )
        self._index([account])
        insort(self._rows, account, key=lambda row: row.place)
        self._moving[account.number] = account
        if len(self._rows) > self._kept:
            self.remove(self._rows[0])
        return account

    def add(self, order: Samples) -> list[Account]:
        """Raises `OverflowError` if there is no room, `ValueError` if an email has an account."""
        if len(self._rows) + order.count > self._kept:
            raise OverflowError(f"{self._kept} accounts at most, there are {len(self._rows)}")
        if any(self.with_email(email) for email in order.emails):
            raise ValueError("some of the emails have an account")
        emails = itertools.chain(order.emails, itertools.repeat(None))
        added = [_sample(order, index, next(self._numbers), next(emails)) for index in range(order.count)]
        self._index(added)
        self._rows += added
        self._rows.sort(key=lambda row: row.place)
        return added

    def get(self, account_uuid: str) -> Account | None:
        """The account in its present status."""
        account = self._by_number.get(number_of(account_uuid))
        return self._advanced(account) if account is not None and account.uuid == account_uuid else None

    def with_email(self, email: str) -> Account | None:
        """The account in its present status. Emails are compared without case."""
        account = self._by_email.get(email.lower())
        sample = _SAMPLE_EMAIL.fullmatch(email.lower())
        if account is None and sample is not None:
            account = self._by_number.get(int(sample[1]))
        return self._advanced(account) if account is not None and account.email.lower() == email.lower() else None

    def remove(self, account: Account) -> None:
        del self._rows[bisect_left(self._rows, account.place, key=lambda row: row.place)]
        del self._by_number[account.number]
        self._by_email.pop(account.email.lower(), None)
        self._moving.pop(account.number, None)

    def move(self, account: Account, created: Millis) -> None:
        """Change the time of creation, and so the place in the list."""
        del self._rows[bisect_left(self._rows, account.place, key=lambda row: row.place)]
        account.created = created
        insort(self._rows, account, key=lambda row: row.place)

    def put(self, accounts: Iterable[Account], status: str) -> int:
        """Set statuses, which then no longer change. Returns how many were different."""
        now = millis_now(self._clock)
        changed = 0
        for account in accounts:
            changed += account.put(status, now)
            self._moving.pop(account.number, None)
        return changed

    def within(self, window: Window) -> list[Account]:
        """The accounts in their present status, first created first."""
        self.advance()
        rows = self._rows
        if window.by == "created":
            start = bisect_left(rows, window.start, key=lambda row: row.created)
            rows = rows[start : bisect_right(rows, window.end, key=lambda row: row.created)]
        else:
            rows = [row for row in rows if window.start <= row.updated <= window.end]
        return [row for row in rows if row.mentions(window.text)] if window.text else rows

    def all(self) -> Sequence[Account]:
        """First created first, in their present status. Read-only."""
        self.advance()
        return self._rows

    def advance(self) -> None:
        for account in list(self._moving.values()):
            if not self._advanced(account).ahead:
                del self._moving[account.number]

    def clear(self) -> None:
        self._rows.clear()
        self._by_number.clear()
        self._by_email.clear()
        self._moving.clear()

    def __len__(self) -> int:
        return len(self._rows)

    def _advanced(self, account: Account) -> Account:
        account.advance(millis_now(self._clock), self._pace.seconds * 1000)
        return account

    def _index(self, accounts: Iterable[Account]) -> None:
        for account in accounts:
            self._by_number[account.number] = account
            if account.given and account.email:
                self._by_email[account.email.lower()] = account


def _sample(order: Samples, index: int, number: int, email: str | None) -> Account:
    created = order.created(index)
    return Account(
        number=number,
        tail=SAMPLE_TAIL,
        created=created,
        updated=max(created, min(created + samples.until_updated(number), order.last)),
        status=order.status or samples.status(number),
        origin=order.origin,
        given=None if email is None else {"email": email},
    )
