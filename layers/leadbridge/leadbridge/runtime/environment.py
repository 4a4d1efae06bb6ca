"""Typed models of environment variables. Imports nothing of leadbridge.

The models are plain classes: dataclasses would cost a cold start several milliseconds.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any, Self

DEFAULT_RETENTION_DAYS = 400
LAMBDA_VARIABLE = "AWS_LAMBDA_INITIALIZATION_TYPE"  # set only by Lambda and its emulator


class MissingVariable(LookupError):
    """A required environment variable is missing. template.yaml defines them."""


class InvalidVariable(ValueError):
    """An environment variable has an invalid value."""


def is_lambda() -> bool:
    """Return whether this process is a Lambda function, and not a test or a tool."""
    return LAMBDA_VARIABLE in os.environ


def is_local() -> bool:
    """Return whether the stage is `local`. Processes without a stage, such as the CLI, are not."""
    return os.environ.get("LEADBRIDGE_ENVIRONMENT") == "local"


def retention_days() -> int:
    """Return for how many days leads are stored. Processes without a stack use the default."""
    return int(os.environ.get("RETENTION_DAYS", DEFAULT_RETENTION_DAYS))


def variable(read: Callable[[str], Any]) -> Any:
    """Declare a field that is converted by `read`."""
    return staticmethod(read)


def json_variable() -> Any:
    """Declare a JSON field."""
    return variable(json.loads)


class Variables:
    """A model of environment variables. Each annotated field is a variable with the name in upper case."""

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
    """The stage, which selects the configuration: `local`, `dev` or `prod`."""

    leadbridge_environment: str


class SecretsEnvironment(Variables):
    """The prefix of the names of this stack's secrets."""

    secrets_prefix: str


class SharedEnvironment(StageEnvironment, SecretsEnvironment):
    """The variables of every function."""


class TableEnvironment(Variables):
    """The name of the Leads table."""

    table_name: str


class QueueEnvironment(Variables):
    """The queue that the function reads."""

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
