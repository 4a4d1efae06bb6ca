"""One account, small enough for a hundred thousand of them: what follows from its number is worked out when asked."""

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
    """Registered over the API, or a sample that is like ours or came from elsewhere."""

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
        """Its number, spread so that the order of uuids is not the order of creation, and a tail of its kind."""
        return f"{self.number * _SPREAD % _SPACE:08x}-{self.tail}"

    @property
    def place(self) -> tuple[Millis, int]:
        """Where it stands in a list."""
        return self.created, self.number

    @property
    def email(self) -> str:
        email: str | None = self.given.get("email") if self.given else None
        return samples.email(self.number) if email is None and self.origin is not Origin.REGISTERED else email or ""

    def person(self) -> Mapping[str, Any]:
        """The fields of the one it is about, as they were registered."""
        given = self.given or {}
        return given if self.origin is Origin.REGISTERED else {**samples.person(self.number), **given}

    def lead_source(self) -> str | None:
        if self.origin is not Origin.REGISTERED:
            return samples.lead_source(self.number, foreign=self.origin is Origin.FOREIGN)
        source: str | None = self.person().get("leadInfo", {}).get("leadSource")
        return source

    def mentions(self, text: str) -> bool:
        """Whether the text, in lower case, is a part of its email, name, surname or phone."""
        if "@" in text:
            return text in self.email.lower()
        person = self.person()
        return any(text in person.get(field, "").lower() for field in SEARCHED)

    def advance(self, now: Millis, pace: float) -> None:
        """Take every step that is due, `pace` in milliseconds."""
        while self.ahead and now - self.updated >= pace:
            status, *ahead = self.ahead
            self.ahead = tuple(ahead)
            self._become(status, self.updated + int(pace))

    def put(self, status: str, now: Millis) -> bool:
        """Put it in a status, for good; whether that changes it."""
        self.ahead = ()
        if status == self.status:
            return False
        self._become(status, now)
        return True

    def _become(self, status: str, at: Millis) -> None:
        self.status, self.updated = status, at
        self.history += ((status, at),)


def number_of(account_uuid: str) -> int:
    """The number in a uuid of ours; of any other text some number, or -1."""
    try:
        return int(account_uuid[:8], 16) * _BACK % _SPACE
    except ValueError:
        return -1
