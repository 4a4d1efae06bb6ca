"""Changes of accounts between two pages of a client's list."""

from contextlib import suppress
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from devstack.sandbox.control import Order
from devstack.sandbox.matchtrade.accounts import Registry

type Status = Annotated[str, StringConstraints(min_length=1, max_length=100)]
type Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$", max_length=200)]


class Insert(Order):
    """Add a sample, created at that time, with this email or its own."""

    kind: Literal["insert"]
    created: AwareDatetime
    email: Email | None = None

    def apply(self, registry: Registry) -> bool:
        registry.add_samples(1, self.created, self.created, emails=() if self.email is None else (self.email,))
        return True


class Remove(Order):
    """Remove an account."""

    kind: Literal["remove"]
    uuid: str

    def apply(self, registry: Registry) -> bool:
        registry.remove(registry.get(self.uuid))
        return True


class Move(Order):
    """Change the time of an account's creation, and so its place in the list."""

    kind: Literal["move"]
    uuid: str
    created: AwareDatetime

    def apply(self, registry: Registry) -> bool:
        registry.move(registry.get(self.uuid), self.created)
        return True


class Put(Order):
    """Set an account's status, which then no longer changes. With the filter `updated` it may leave the window."""

    kind: Literal["status"]
    uuid: str
    status: Status

    def apply(self, registry: Registry) -> bool:
        return registry.put(registry.get(self.uuid), self.status)


type Change = Annotated[Insert | Remove | Move | Put, Field(discriminator="kind")]


def apply(changes: list[Change], registry: Registry) -> int:
    """Return how many had an effect. One that finds nothing to change, or no room, has none."""
    changed = 0
    for change in changes:
        with suppress(LookupError, OverflowError, ValueError):
            changed += change.apply(registry)
    return changed
