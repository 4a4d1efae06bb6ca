"""The local stack, if one is up in this folder or one above it: what its `.local/stack.json` says."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

# What the emulator takes for its root user: no credentials of the operator's own are sent there.
ACCESS_KEY = "test"


@dataclass(frozen=True)
class LocalStack:
    """A stack on this machine."""

    api_url: str
    operator_token: str
    aws_endpoint_url: str
    region: str
    stack_name: str

    @classmethod
    def found(cls, start: Path | None = None) -> Self | None:
        """The stack whose supervisor lives, nearest to the working directory; None if none is up."""
        start = start or Path.cwd()
        for folder in (start, *start.parents):
            stack = cls._in(folder / ".local" / "stack.json")
            if stack is not None:
                return stack
        return None

    @classmethod
    def _in(cls, file: Path) -> Self | None:
        try:
            if file.stat().st_uid != os.getuid():  # somebody else's word in a folder that all may write to
                return None
            told = json.loads(file.read_bytes())
            stack = cls(**{name: str(told[name]) for name in cls.__dataclass_fields__})
            os.kill(int(told["pid"]), 0)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return stack
