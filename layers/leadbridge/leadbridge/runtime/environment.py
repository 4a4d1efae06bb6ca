"""The environment variables of a function, read once into a typed model. Imports nothing of leadbridge."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
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
    return field(metadata={"read": read})


def json_variable() -> Any:
    """Declare a field whose variable holds JSON."""
    return variable(json.loads)


@dataclass(frozen=True)
class Variables:
    """A model of environment variables: each field is the variable of the same name in upper case."""

    @classmethod
    def from_env(cls, variables: Mapping[str, str]) -> Self:
        """Read the fields. Raises MissingVariable, InvalidVariable."""
        return cls(
            **{one.name: _read(variables, one.name.upper(), one.metadata.get("read", str)) for one in fields(cls)}
        )


@dataclass(frozen=True)
class SharedEnvironment(Variables):
    """The variables that template.yaml gives every function and that its code reads."""

    secrets_prefix: str


def _read(variables: Mapping[str, str], name: str, read: Callable[[str], Any]) -> Any:
    if name not in variables:
        raise MissingVariable(f"the environment variable {name} is missing")
    try:
        return read(variables[name])
    except ValueError:
        raise InvalidVariable(f"the environment variable {name} has an invalid value") from None
