"""A person with all that can be kept of them, the flows that touch them, and an eraser that meets a flow anywhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from botocore.client import BaseClient

from leadbridge.domain.operator_steps import SubmissionInProgress
from leadbridge.domain.transitions import Conflict
from leadbridge.runtime import aws
from leadbridge.runtime.aws_errors import Contended
from leadbridge.storage.erasure.eraser import Eraser, LeadNotFound
from leadbridge.storage.items import decode
from leadbridge.storage.table import Table
from quality.testkit.aws.memory_dynamodb import memory_table
from quality.testkit.fakes.blades import Killed
from quality.testkit.fixtures import TABLE, Time

MAX_CALLS = 200  # of an eraser or a flow

type Refused = Conflict | Contended | SubmissionInProgress | LeadNotFound


@dataclass
class Interleaving:
    """Watches two actors call AWS. Before its call number `at`, an actor is interrupted by something."""

    at: int
    interrupt: Callable[[], None]
    calls: int = 0
    is_interrupted: bool = False

    def step(self) -> None:
        self.calls += 1
        if self.calls == self.at and not self.is_interrupted:
            self.is_interrupted = True
            self.interrupt()


@dataclass
class Director:
    """Knows whose calls are made at this moment: the innermost actor's."""

    actors: list[Interleaving] = field(default_factory=list)

    def on_call(self) -> None:
        if self.actors:
            actor = self.actors[-1]
            self.actors.append(Interleaving(0, lambda: None))  # what interrupts is not counted
            try:
                actor.step()
            finally:
                self.actors.pop()

    def play(self, act: Callable[[], None], at: int = 0, interrupt: Callable[[], None] = lambda: None) -> int:
        """Let an actor act, interrupted before its call number `at`; return how many calls it made."""
        actor = Interleaving(at, interrupt)
        self.actors.append(actor)
        depth = len(self.actors)
        try:
            act()
        finally:
            del self.actors[depth - 1 :]
        return actor.calls


@contextmanager
def directed() -> Iterator[Director]:
    """Notice every call to AWS while the block runs."""
    director, base = Director(), BaseClient
    call = base._make_api_call  # type: ignore[attr-defined]

    def noticed(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        director.on_call()
        return call(client, operation, parameters)

    with patch.object(base, "_make_api_call", noticed):
        yield director


def die() -> None:
    """End the actor as SIGKILL does."""
    raise Killed


def saved() -> dict[Any, Any]:
    """The table as it is."""
    return dict(memory_table(TABLE).items)


def restore(state: dict[Any, Any]) -> None:
    """Make the table what it was."""
    memory_table(TABLE).restore(state)


def everything() -> list[dict[str, Any]]:
    """All items, decoded."""
    return [decode(item) for item in memory_table(TABLE).items.values()]


@dataclass
class Erasure:
    """The erasure of one lead, as an operator asks for it."""

    lead_id: str
    time: Time
    is_done: bool = False

    def __call__(self) -> None:
        with suppress(SubmissionInProgress, Conflict, Contended, LeadNotFound):
            Eraser(Table(aws.dynamodb(), TABLE)).erase(self.lead_id, "anna", self.time())
            self.is_done = True


def texts_of(values: dict[str, Any]) -> str:
    """All that an item holds, as one text."""
    return json.dumps(values, ensure_ascii=False, default=str)
