"""Time that a run moves, and workers that can be stopped at any of their steps.

A step is a moment before or after a call to AWS or to a partner. Only one worker runs at a time: one that is frozen
waits in a thread of its own until the run lets it go on, so that a run is the same whenever its seed is.
"""

from __future__ import annotations

import os
import sys
import threading
import time as wall
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from botocore.client import BaseClient
from botocore.exceptions import ReadTimeoutError
from moto.sqs import models as moto_sqs

from leadbridge.auth.secrets import Secrets
from leadbridge.domain import clock
from leadbridge.partners.http import Transport
from leadbridge.runtime import aws_errors
from leadbridge.runtime.budget import Budget
from leadbridge.services import receive_lead
from leadbridge.storage import content_claims, table, writes
from quality.chaos.in_process.aws_faults import Throttling, break_call
from quality.testkit.fakes.blades import Killed

INVOCATION = 90.0  # seconds after which Lambda stops a function that submits
LOADED = (aws_errors, content_claims, receive_lead, table, writes)  # before their clocks and ids are replaced
BEGINNING = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Time:
    """The one clock of a run, for functions, budgets and partners alike."""

    now: datetime = BEGINNING

    def pass_(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def seconds(self) -> float:
        """Seconds since the epoch."""
        return self.now.timestamp()


@dataclass(frozen=True)
class Fate:
    """At which of its steps a worker is killed or frozen, and at which of its calls AWS does not answer; 0 is never.

    The call whose answer is lost took place all the same if `took_place`. `throttling` are the calls that AWS refuses.
    """

    killed_at: int = 0
    frozen_at: int = 0
    unanswered_at: int = 0
    took_place: bool = False
    throttling: Throttling | None = None


@dataclass
class Worker:
    """One invocation. `answer` is what the function returned, None if it died or raised.

    `creates` are its create calls: the partner, the call's number there, and whether an answer came back.
    """

    function: str
    began_at: float
    fate: Fate
    run: Callable[[], Any]
    on_end: Callable[[Any], None]
    steps: int = 0
    calls: int = 0
    calls_of: Counter[str] = field(default_factory=Counter)
    was_throttled: bool = False
    creates: list[tuple[str, int, bool]] = field(default_factory=list)
    answer: Any = None
    is_done: bool = False
    is_doomed: bool = False
    died: bool = False
    error: BaseException | None = None
    goes: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    waits: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    @property
    def was_struck(self) -> bool:
        """Whether its fate has come about, which explains whatever became of it."""
        fate = self.fate
        was_frozen = bool(fate.frozen_at) and self.steps >= fate.frozen_at
        was_unanswered = bool(fate.unanswered_at) and self.calls >= fate.unanswered_at
        return self.died or was_frozen or was_unanswered or self.was_throttled

    @property
    def failure(self) -> str | None:
        """What is wrong with how it ended, if nothing that was done to it explains that."""
        if self.was_struck:
            return None
        if self.error is not None:
            return f"raised {type(self.error).__name__}"
        status = self.answer.get("statusCode", 0) if isinstance(self.answer, dict) else 0
        return f"answered {status}" if status >= 500 else None


@dataclass
class Stage:
    """Where workers run. `hides` takes a queue's message out of sight, if the call that it is given asks for that.

    While `bus_is_off`, the event bus takes events and delivers none of them. `on_create` is called after each create
    call with the worker, the partner, and whether an answer came back.
    """

    time: Time
    hides: Callable[[dict[str, Any]], bool] = lambda _: False
    on_create: Callable[[Worker, str, bool], None] = lambda _worker, _partner, _is_answered: None
    random: Random = field(default_factory=lambda: Random(0))
    ids: Random = field(default_factory=lambda: Random(0))
    bus_is_off: bool = False
    frozen: list[Worker] = field(default_factory=list)
    _current: Worker | None = None

    def work(self, worker: Worker) -> None:
        """Run a worker until it ends, dies or freezes."""
        if not worker.fate.frozen_at:
            before, self._current = self._current, worker
            try:
                self._live(worker)
            finally:
                self._current = before
            worker.on_end(worker)
            return
        threading.Thread(target=self._in_thread, args=(worker,), daemon=True).start()
        self._let_go(worker)

    def thaw(self, worker: Worker, *, kill: bool = False) -> None:
        """Let a frozen worker go on, or have Lambda stop it where it has been for too long."""
        self.frozen.remove(worker)
        worker.is_doomed = kill or self.time.seconds() - worker.began_at >= INVOCATION
        self._let_go(worker)

    def step(self) -> None:
        """One moment in the life of the worker that runs, if one does."""
        worker = self._current
        if worker is None:
            return
        worker.steps += 1
        if worker.steps == worker.fate.killed_at:
            raise Killed
        if worker.steps == worker.fate.frozen_at:
            environment = dict(os.environ)
            worker.waits.release()
            worker.goes.acquire()
            os.environ.clear()
            os.environ.update(environment)
            if worker.is_doomed:
                raise Killed

    def sleep(self, seconds: float) -> None:
        """Let time pass while the worker that runs waits; Lambda stops it where that is too long."""
        self.time.pass_(seconds)
        worker = self._current
        if worker is not None and self.time.seconds() - worker.began_at >= INVOCATION:
            raise Killed

    def _let_go(self, worker: Worker) -> None:
        environment, before, self._current = dict(os.environ), self._current, worker
        worker.goes.release()
        worker.waits.acquire()
        self._current = before
        os.environ.clear()
        os.environ.update(environment)
        if worker.is_done:
            worker.on_end(worker)
        else:
            self.frozen.append(worker)

    def _in_thread(self, worker: Worker) -> None:
        worker.goes.acquire()
        self._live(worker)
        worker.is_done = True
        worker.waits.release()

    def _drawn_id(self) -> uuid.UUID:
        """An id drawn from the run's seed."""
        return uuid.UUID(int=self.ids.getrandbits(128), version=4)

    def _answered(self, make: Any, worker: Worker, client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        service = client.meta.service_model.service_name
        worker.calls_of[service] += 1
        throttling = worker.fate.throttling
        if throttling is not None and throttling.strikes(service, worker.calls_of[service]):
            worker.was_throttled = True
            return break_call(make, client, operation, parameters, self.random)
        if operation == "ChangeMessageVisibility" and self.hides(parameters):
            return {}
        if operation == "PutEvents" and self.bus_is_off:
            return {"FailedEntryCount": 0, "Entries": [{"EventId": "lost"} for _ in parameters["Entries"]]}
        return make(client, operation, parameters)

    @staticmethod
    def _live(worker: Worker) -> None:
        try:
            worker.answer = worker.run()
        except Killed:
            worker.died = True
        except Exception as error:  # noqa: BLE001 - the run asks what explains it: Worker.failure
            worker.error = error

    @contextmanager
    def open(self) -> Iterator[None]:
        """While the block runs, what functions do passes over this stage."""
        make, call = BaseClient._make_api_call, Transport.call  # type: ignore[attr-defined]

        def make_call(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
            worker = self._current
            if worker is None:
                return make(client, operation, parameters)
            worker.calls += 1
            is_unanswered = worker.calls == worker.fate.unanswered_at
            self.step()
            if is_unanswered and not worker.fate.took_place:
                raise ReadTimeoutError(endpoint_url="aws")
            answer = self._answered(make, worker, client, operation, parameters)
            self.step()
            if is_unanswered:
                raise ReadTimeoutError(endpoint_url="aws")
            return answer

        def call_partner(transport: Transport, operation: str, *arguments: Any, **named: Any) -> Any:
            worker, is_answered = self._current, False
            self.step()
            try:
                answer = call(transport, operation, *arguments, **named)
                is_answered = True
            finally:
                if operation == "create" and worker is not None:
                    self.on_create(worker, transport._partner, is_answered)
            self.step()
            return answer

        def budget_of(kind: type[Budget], _context: Any, *, reserve: float = 3.0) -> Budget:
            return kind(self.time.seconds() + INVOCATION, reserve, monotonic=self.time.seconds)

        moved = SimpleNamespace(now=lambda _zone: self.time.now, fromisoformat=datetime.fromisoformat)
        with ExitStack() as stack:
            stack.enter_context(patch.object(clock, "datetime", moved))
            stack.enter_context(patch.object(moto_sqs, "unix_time_millis", lambda: self.time.seconds() * 1000))
            stack.enter_context(patch.object(moto_sqs, "unix_time", self.time.seconds))
            stack.enter_context(patch.object(Budget, "of", classmethod(budget_of)))
            defaults: Any = Secrets.__init__.__kwdefaults__
            stack.enter_context(patch.dict(defaults, {"monotonic": self.time.seconds}))
            stack.enter_context(patch.object(BaseClient, "_make_api_call", make_call))
            stack.enter_context(patch.object(Transport, "call", call_partner))
            for module in _with("time", wall):
                stack.enter_context(patch.object(module, "time", _Moved(self)))
            for module in [uuid, *_with("uuid4", uuid.uuid4)]:
                stack.enter_context(patch.object(module, "uuid4", self._drawn_id))
            yield


class _Moved:
    """The module `time` as functions see it: its clocks are the run's, and pauses are short."""

    def __init__(self, stage: Stage) -> None:
        self.time = self.monotonic = stage.time.seconds
        self.sleep = stage.sleep

    def __getattr__(self, name: str) -> Any:
        return getattr(wall, name)


def _with(name: str, value: Any) -> list[Any]:
    """The product's modules that have this name for this, but those that talk to partners over real sockets."""
    return [
        module
        for path, module in sys.modules.items()
        if path.startswith("leadbridge.") and ".partners" not in path and getattr(module, name, None) is value
    ]
