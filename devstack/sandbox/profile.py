"""The profile of a partner kind's sandbox for chaos runs: its faults, its records, their people.

Each kind that takes leads has a `profile.py` in its folder, which defines `PROFILE`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Protocol, Self

from devstack.sandbox.remote import Remote

REFUSED_STATUS = 400  # distinguishes a permanent refusal from all other faults


class PostedPerson(Protocol):
    @property
    def email(self) -> str: ...

    def is_in(self, client: Mapping[str, str], /) -> bool: ...


@dataclass(frozen=True)
class PartnerRecord:
    """A partner's record of a lead."""

    partner: str
    id: int | str
    status: str | None
    person: Mapping[str, str]  # the identifying phone or e-mail
    is_pinned: bool = False  # the status does not change
    moves: bool = False  # the status will change
    is_registered: bool = True  # a create call made it


@dataclass(frozen=True)
class Profile:
    """One kind's profile. Its functions get the controls of one partner of the kind.

    A share of people (`refused_share`) is refused permanently, with the body `refusal`. They are identified by
    `refused_by`, which a create call has in `refused_field`. `find` returns the id of a person's record that is not
    among the known ones. With `trusts_success` a false 2xx answer cannot be detected.
    """

    weight: int  # how often it fails, relative to other partners
    operations: tuple[str, ...]
    rotations: tuple[str, ...]
    id_field: str  # of a create call, and of a delivery: the partner's id
    refusal: Mapping[str, Any]
    refused_by: Literal["tax_number", "email"]
    refused_field: str
    refused_share: float
    open_statuses: tuple[str, ...]  # do not close a delivery
    last_statuses: frozenset[str]  # without a following one
    records: Callable[[Remote], Iterator[PartnerRecord]]
    person_of: Callable[[Mapping[str, Any]], Mapping[str, str]]
    find: Callable[[Remote, PostedPerson, Collection[int | str]], int | str | None]
    status: Callable[[Remote, Any], str]
    put_status: Callable[[Remote, Any, str], object]
    after_rotation: Callable[[Remote], object] = lambda _: None
    always_ends: bool = False  # every status reaches an end automatically
    trusts_success: bool = False

    @property
    def refusing(self) -> dict[str, Any]:
        """The sandbox's fault for a permanent refusal."""
        return {"kind": "answer", "status": REFUSED_STATUS, "body": self.refusal}

    def with_words(self, words: Mapping[str, str]) -> Self:
        """The profile of a partner that has its own texts of statuses."""
        both = (self.open_statuses, self.last_statuses)
        opened, last = ([words.get(status, status) for status in statuses] for statuses in both)
        return replace(self, open_statuses=tuple(opened), last_statuses=frozenset(last))


@cache
def profiles() -> dict[str, Profile]:
    """The profiles of all kinds with leads, by kind."""
    names = sorted(module.parent.name for module in Path(__file__).parent.glob("*/profile.py"))
    return {name: import_module(f"devstack.sandbox.{name}.profile").PROFILE for name in names}
