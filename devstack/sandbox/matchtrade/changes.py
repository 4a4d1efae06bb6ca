"""Changes of accounts between two pages of a client's list."""

from contextlib import suppress
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from devstack.sandbox.matchtrade.accounts import Registry
from devstack.sandbox.partner import Order

type Status = Annotated[str, StringConstraints(min_length=1, max_length=100)]
type Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$", max_length=200)]


class Insert(Order):
    """Add a sample, created at that time, with this email or its own."""

    kind: Literal["insert"]
    created: AwareDatetime
    email: Email | None = None


class Remove(Order):
    kind: Literal["remove"]
    uuid: str


class Move(Order):
    """Change the time of an account's creation, and so its place in the list."""

    kind: Literal["move"]
    uuid: str
    created: AwareDatetime


class Put(Order):
    """Set an account's status, which then no longer changes. With the filter `updated` it may leave the window."""

    kind: Literal["status"]
    uuid: str
    status: Status


type Change = Annotated[Insert | Remove | Move | Put, Field(discriminator="kind")]


def apply(changes: list[Change], registry: Registry) -> int:
    """Return how many had an effect. One that finds nothing to change, or no room, has none."""
    return sum([_apply(change, registry) for change in changes])


def _apply(change: Change, registry: Registry) -> bool:
    with suppress(LookupError, OverflowError, ValueError):
        match change:
            case Insert():
                emails = () if change.email is None else (change.email,)
                at = change.created.timestamp()
                registry.add_samples(1, at, at, emails=emails)
            case Remove():
                registry.remove(registry.get(change.uuid))
            case Move():
                registry.move(registry.get(change.uuid), change.created.timestamp())
            case Put():
                return registry.put(registry.get(change.uuid), change.status)
        return True
    return False
