"""The environment variables of a function, read once into a typed model. Imports nothing of leadbridge.

The models are plain classes: dataclasses would cost a cold start several milliseconds.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any, Self

STARTING = "AWS_LAMBDA_INITIALIZATION_TYPE"  # set by Lambda and by its emulator, and nowhere else


class MissingVariable(LookupError):
    """The function has no such environment variable. template.yaml defines them."""


class InvalidVariable(ValueError):
    """An environment variable has a value that cannot be read."""


def is_lambda() -> bool:
    """Return whether this process is a Lambda function, not a test or a tool that imports its code."""
    return STARTING in os.environ


def variable(read: Callable[[str], Any]) -> Any:
    """Declare a field whose variable is converted by `read`."""
    return staticmethod(read)


def json_variable() -> Any:
    """Declare a field whose variable holds JSON."""
    return variable(json.loads)


class Variables:
    """A model of environment variables: each annotated field is the variable of the same name in upper case."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        """Read the fields. Raises MissingVariable, InvalidVariable."""
        for name in self.names():
            self.__dict__[name.lower()] = _read(variables, name, getattr(type(self), name.lower(), str))

    @classmethod
    def from_env(cls) -> Self:
        """Read the fields from this process. Raises MissingVariable, InvalidVariable."""
        return cls(os.environ)

    @classmethod
    def names(cls) -> list[str]:
        """Return the names of the variables."""
        own = [kind.__dict__.get("__annotations__", {}) for kind in cls.__mro__]  # noqa: RUF063 - inspect is slow to import
        return [name.upper() for annotations in own for name in annotations]


class StageEnvironment(Variables):
    """Which of the shipped configurations applies: `local`, `dev` or `prod`."""

    leadbridge_environment: str


class SecretsEnvironment(Variables):
    """The prefix of the names of this stack's secrets."""

    secrets_prefix: str


class SharedEnvironment(StageEnvironment, SecretsEnvironment):
    """The variables that template.yaml gives every function."""


class TableEnvironment(Variables):
    """The name of the Leads table."""

    table_name: str


class QueueEnvironment(Variables):
    """The queue that the function reads; find_due fills it."""

    queue_url: str


class DeadLetterEnvironment(Variables):
    """The dead-letter queue of the function."""

    dead_letter_queue_url: str


def _read(variables: Mapping[str, str], name: str, read: Callable[[str], Any]) -> Any:
    if name not in variables:
        raise MissingVariable(f"the environment variable {name} is missing")
    try:
        return read(variables[name])
    except ValueError:
        raise InvalidVariable(f"the environment variable {name} has an invalid value") from None
