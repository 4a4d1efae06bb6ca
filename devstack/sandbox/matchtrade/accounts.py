"""One account, small enough for 100,000 of them: a sample's data are computed from its number."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from devstack.sandbox.matchtrade import samples
from devstack.sandbox.matchtrade.times import Millis

SEARCHED = ("email", "name", "surname", "phone")
_SPREAD, _SPACE = 2_654_435_761, 2**32
_BACK = pow(_SPREAD, -1, _SPACE)


class Origin(Enum):
    """Registered over the API, or a sample: one of ours, or another provider's."""

    REGISTERED = "registered"
    OURS = "ours"
    FOREIGN = "foreign"


@dataclass(slots=True)
class Account:
    """`given` is what was registered, or what a sample has instead of its own. `ahead` are the statuses still to come;
    `updated` is when the status became what it is. `history` has no entry for how a sample began."""

    number: int
    tail: str
    created: Millis
    updated: Millis
    status: str
    origin: Origin
    given: Mapping[str, Any] | None = None
    ahead: tuple[str, ...] = ()
    history: tuple[tuple[str, Millis], ...] = ()

    @property
    def uuid(self) -> str:
        """Computed from the number, so that uuids are not in the order of creation."""
        return f"{self.number * _SPREAD % _SPACE:08x}-{self.tail}"

    @property
    def place(self) -> tuple[Millis, int]:
        """The sort key of lists."""
        return self.created, self.number

    @property
    def email(self) -> str:
        email: str | None = self.given.get("email") if self.given else None
        return samples.email(self.number) if email is None and self.origin is not Origin.REGISTERED else email or ""

    def person(self) -> Mapping[str, Any]:
        """The person's fields."""
        given = self.given or {}
        return given if self.origin is Origin.REGISTERED else {**samples.person(self.number), **given}

    def lead_source(self) -> str | None:
        if self.origin is not Origin.REGISTERED:
            return samples.lead_source(self.number, foreign=self.origin is Origin.FOREIGN)
        source: str | None = self.person().get("leadInfo", {}).get("leadSource")
        return source

    def mentions(self, text: str) -> bool:
        """Whether the text, in lower case, is part of the email, name, surname or phone."""
        if "@" in text:
            return text in self.email.lower()
        person = self.person()
        return any(text in person.get(field, "").lower() for field in SEARCHED)

    def advance(self, now: Millis, pace: float) -> None:
        """Take every step that is due. `pace` is in milliseconds."""
        while self.ahead and now - self.updated >= pace:
            status, *ahead = self.ahead
            self.ahead = tuple(ahead)
            self._become(status, self.updated + int(pace))

    def put(self, status: str, now: Millis) -> bool:
        """Set a status, which then no longer changes. Returns whether it is a new one."""
        self.ahead = ()
        if status == self.status:
            return False
        self._become(status, now)
        return True

    def _become(self, status: str, at: Millis) -> None:
        self.status, self.updated = status, at
        self.history += ((status, at),)


def number_of(account_uuid: str) -> int:
    """The number in a uuid of ours; any number, or -1, for others."""
    try:
        return int(account_uuid[:8], 16) * _BACK % _SPACE
    except ValueError:
        return -1
