"""Killing a worker at any moment of its life."""

from dataclasses import dataclass
from typing import Any, Protocol


class Killed(BaseException):
    """The worker is gone, as after a SIGKILL: nothing of it runs any more."""


@dataclass
class Blade:
    """Kills the worker at the n-th step of its life; a step is a moment before or after a call of a port."""

    at: int
    steps: int = 0

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.at:
            raise Killed


class Steps(Protocol):
    """A fake that can die before or after each step."""

    def step(self) -> None: ...


@dataclass
class Ports:
    """Wraps an object so that the blade may fall before and after each call of a method."""

    inner: Any
    blade: Steps

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if not callable(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            self.blade.step()
            result = found(*args, **kwargs)
            self.blade.step()
            return result

        return call
