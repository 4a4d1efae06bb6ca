"""The local stack of this folder or a parent folder, read from `.local/stack.json`."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

# Dummy credentials for the emulator; the operator's own are never sent to it.
ACCESS_KEY = "test"


@dataclass(frozen=True)
class LocalStack:
    """A running stack on this machine."""

    api_url: str
    operator_token: str
    aws_endpoint_url: str
    region: str
    stack_name: str

    @classmethod
    def found(cls, start: Path | None = None) -> Self | None:
        """Return the running stack nearest to the working directory; None if there is none."""
        start = start or Path.cwd()
        for folder in (start, *start.parents):
            stack = cls._in(folder / ".local" / "stack.json")
            if stack is not None:
                return stack
        return None

    @classmethod
    def _in(cls, file: Path) -> Self | None:
        try:
            if file.stat().st_uid != os.getuid():  # written by another user in a shared folder
                return None
            content = json.loads(file.read_bytes())
            stack = cls(**{name: str(content[name]) for name in cls.__dataclass_fields__})
            os.kill(int(content["pid"]), 0)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return stack
