"""What chaos runs know about the stand-in of a partner kind: how it fails, what it has made, whose that is.

Each kind that takes leads has a `profile.py` in its folder, which defines `PROFILE`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Protocol

from devstack.sandbox.remote import Remote


class Person(Protocol):
    """The person of a lead."""

    @property
    def email(self) -> str:
        """The e-mail."""
        ...

    def is_in(self, client: Mapping[str, str], /) -> bool:
        """Whether a client with `telephone` and `stateCode` is this person."""
        ...


@dataclass(frozen=True)
class PartnerRecord:
    """What a partner has made of a lead.

    `person` has the phone or the e-mail that tells whose it is. `is_pinned`: its status stays as it was put. `moves`:
    its status is about to change. `is_registered`: it was made by a create call.
    """

    partner: str
    id: int | str
    status: str | None
    person: Mapping[str, str]
    is_pinned: bool = False
    moves: bool = False
    is_registered: bool = True


@dataclass(frozen=True)
class Profile:
    """One kind's stand-in.

    `weight` is how often it is chosen to fail, in one of its `operations`. `rotations` are what it can replace.
    `refusal` is the body with which it refuses a lead for good, in status 400: a share `refused_share` of people, by
    `refused_by`, which a create call carries in `refused_field`. Statuses in `open_statuses` do not close a delivery,
    and none follows one of `last_statuses`. `always_ends`: each of its statuses comes to an end without being put.
    `trusts_success`: any 2xx answer is a yes, so that an untrue one cannot be recognized.
    """

    kind: str
    weight: int
    operations: tuple[str, ...]
    rotations: tuple[str, ...]
    refusal: Mapping[str, Any]
    refused_by: Literal["tax_number", "email"]
    refused_field: str
    refused_share: float
    open_statuses: tuple[str, ...]
    last_statuses: frozenset[str]
    records: Callable[[Remote], Iterator[PartnerRecord]]
    person_of: Callable[[Mapping[str, Any]], Mapping[str, str]]
    find: Callable[[Remote, Person, Collection[int | str]], int | str | None]
    status: Callable[[Remote, Any], str]
    put_status: Callable[[Remote, Any, str], object]
    after_rotation: Callable[[Remote], object] = lambda _: None
    always_ends: bool = False
    trusts_success: bool = False


@cache
def profiles() -> dict[str, Profile]:
    """The profiles of all kinds that take leads, by kind."""
    names = sorted(module.parent.name for module in Path(__file__).parent.glob("*/profile.py"))
    return {name: import_module(f"devstack.sandbox.{name}.profile").PROFILE for name in names}
