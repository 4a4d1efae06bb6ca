"""A simulated clock, and workers that can be stopped at any of their steps.

A step is a moment before or after a call to AWS or to a partner. Each worker has a thread, in which it waits while it
is frozen. Only one thread runs at a time, so that a seed determines the whole run.
"""

import os
import random
import sys
import threading
import time as wall
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pkgutil import walk_packages
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from botocore.client import BaseClient
from botocore.exceptions import ReadTimeoutError

import leadbridge
from devstack.sandbox import faults
from leadbridge.auth.secrets import Secrets
from leadbridge.domain import clock
from leadbridge.partners import http
from leadbridge.partners.http import Transport
from leadbridge.runtime.budget import Budget
from leadbridge.services.checks import parallel
from quality.testkit.fakes.blades import Killed
from quality.testkit.memory_aws import sqs

INVOCATION = 90.0  # seconds after which Lambda stops a function that submits
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
for _module in walk_packages(leadbridge.__path__, "leadbridge."):  # a module loaded later would keep the real clock
    import_module(_module.name)


@dataclass
class Time:
    """The clock of a run, for functions, budgets and partners."""

    now: datetime = START

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def seconds(self) -> float:
        return self.now.timestamp()


@dataclass(frozen=True)
class FaultPlan:
    """The steps at which a worker is killed or frozen, and the call that AWS does not answer; 0 is never.

    `took_place`: the unanswered call was executed.
    """

    killed_at: int = 0
    frozen_at: int = 0
    unanswered_at: int = 0
    took_place: bool = False


@dataclass
class Worker:
    """One invocation. `answer` is None if the function died or raised.

    `calls` are its calls to AWS by service. `creates` are its create calls: the partner, the call's number there, and
    whether it was answered.
    """

    began_at: float
    fault_plan: FaultPlan
    run: Callable[[], Any]
    on_end: Callable[["Worker"], None]
    steps: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    was_throttled: bool = False
    creates: list[tuple[str, int, bool]] = field(default_factory=list)
    answer: Any = None
    is_done: bool = False
    is_stopped: bool = False
    died: bool = False
    error: BaseException | None = None
    goes: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    waits: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    @property
    def was_faulted(self) -> bool:
        """Whether a fault occurred, which explains any failure."""
        plan = self.fault_plan
        was_frozen = 0 < plan.frozen_at <= self.steps
        return self.died or was_frozen or self.was_throttled or 0 < plan.unanswered_at <= self.calls.total()

    @property
    def status(self) -> int:
        """The status of its answer to a call of the API; 0 for any other answer, and for none."""
        return int(self.answer.get("statusCode", 0)) if isinstance(self.answer, dict) else 0

    @property
    def failure(self) -> str | None:
        """Its failure, if no fault explains it."""
        if self.was_faulted:
            return None
        if self.error is not None:
            return f"raised {type(self.error).__name__}"
        return f"answered {self.status}" if self.status >= 500 else None

    def live(self) -> None:
        """The worker's thread."""
        self.goes.acquire()
        try:
            self.answer = self.run()
        except Killed:
            self.died = True
        except Exception as error:  # noqa: BLE001 - see `failure`
            self.error = error
        self.is_done = True
        self.waits.release()


type Make = Callable[[Any, str, dict[str, Any]], Any]


def call_aws(make: Make, _worker: Worker, client: Any, operation: str, parameters: dict[str, Any]) -> Any:
    """A worker's call to AWS, without faults."""
    return make(client, operation, parameters)


@dataclass
class Harness:
    """Runs workers. `on_create` is called after each create call with the worker, the partner, and whether it was
    answered.
    """

    time: Time
    call: Callable[[Make, Worker, Any, str, dict[str, Any]], Any] = call_aws
    on_create: Callable[[Worker, str, bool], None] = lambda _worker, _partner, _is_answered: None
    frozen: list[Worker] = field(default_factory=list)
    _current: Worker | None = None

    def work(self, worker: Worker) -> None:
        """Run a worker until it ends, dies or freezes."""
        threading.Thread(target=worker.live, daemon=True).start()
        self._continue(worker)

    def resume(self, worker: Worker, *, kill: bool = False) -> None:
        """Continue a frozen worker, or stop it as Lambda does after its time limit."""
        self.frozen.remove(worker)
        worker.is_stopped = kill or self._is_over(worker)
        self._continue(worker)

    def step(self) -> None:
        """A step of the current worker, if any."""
        worker = self._current
        if worker is None:
            return
        worker.steps += 1
        if worker.steps == worker.fault_plan.killed_at:
            raise Killed
        if worker.steps == worker.fault_plan.frozen_at:
            environment = dict(os.environ)
            worker.waits.release()
            worker.goes.acquire()
            _restore(environment)
            if worker.is_stopped:
                raise Killed

    def sleep(self, seconds: float) -> None:
        """Advance the clock while the current worker waits. Lambda stops it after its time limit."""
        self.time.advance(seconds)
        if self._current is not None and self._is_over(self._current):
            raise Killed

    def _is_over(self, worker: Worker) -> bool:
        return self.time.seconds() - worker.began_at >= INVOCATION

    def _continue(self, worker: Worker) -> None:
        environment, before, self._current = dict(os.environ), self._current, worker
        worker.goes.release()
        worker.waits.acquire()
        self._current = before
        _restore(environment)
        if worker.is_done:
            worker.on_end(worker)
        else:
            self.frozen.append(worker)

    @contextmanager
    def open(self) -> Iterator[None]:
        """While the block runs, the functions use this harness."""
        make, call = BaseClient._make_api_call, Transport.call  # type: ignore[attr-defined]

        def make_call(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
            worker = self._current
            if worker is None:
                return make(client, operation, parameters)
            worker.calls[client.meta.service_model.service_name] += 1
            is_unanswered = worker.calls.total() == worker.fault_plan.unanswered_at
            self.step()
            if is_unanswered and not worker.fault_plan.took_place:
                raise ReadTimeoutError(endpoint_url="aws")
            answer = self.call(make, worker, client, operation, parameters)
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
        simulated = SimpleNamespace(time=self.time.seconds, monotonic=self.time.seconds, sleep=self.sleep)
        dated = SimpleNamespace(time=self.time.seconds, monotonic=wall.monotonic)
        changes: list[tuple[Any, str, Any]] = [
            (clock, "datetime", moved),
            (sqs, "unix_seconds", self.time.seconds),
            (Budget, "of", classmethod(budget_of)),
            (BaseClient, "_make_api_call", make_call),
            (Transport, "call", call_partner),
            (parallel, "MAX_THREADS", 1),  # one worker runs at a time
            *((calling, "time", dated) for calling in (http, faults)),  # real sockets have real time-outs
        ]
        for path, module in list(sys.modules.items()):
            if path.startswith("leadbridge.") and ".partners" not in path and getattr(module, "time", None) is wall:
                changes.append((module, "time", simulated))
        with ExitStack() as stack:
            for change in changes:
                stack.enter_context(patch.object(*change))
            defaults: Any = Secrets.__init__.__kwdefaults__
            stack.enter_context(patch.dict(defaults, {"monotonic": self.time.seconds}))
            yield


def _restore(environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)


@contextmanager
def seeded_entropy(seed: int) -> Iterator[None]:
    """While the block runs, ids, secrets and jitter are drawn from the seed."""
    draw = Random(seed).randbytes
    random.seed(seed)
    with patch.object(os, "urandom", draw), patch.object(random, "_urandom", draw):
        yield
