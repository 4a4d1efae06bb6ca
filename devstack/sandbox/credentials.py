"""What outlives the process, in one directory: keys, credentials and secrets."""

from __future__ import annotations

import fcntl
import hmac
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devstack.sandbox import strict_json

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class StoredCredentials[Values: DataclassInstance]:
    """A partner's credentials. `kind` is a dataclass; the default factory of each field generates a value."""

    values: Values

    def __init__(self, kind: type[Values], file: Path) -> None:
        self._file = file
        try:
            self.values = kind(**json.loads(file.read_bytes()))
        except FileNotFoundError:
            self._store(kind())

    def rotate(self, name: str) -> None:
        factory: Any = next(each.default_factory for each in fields(self.values) if each.name == name)
        self.change(**{name: factory()})

    def change(self, **values: Any) -> None:
        self._store(replace(self.values, **values))

    def _store(self, values: Values) -> None:
        write_private(self._file, asdict(values))
        self.values = values


def same(given: str, expected: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(given.encode(errors="surrogateescape"), expected.encode())


@contextmanager
def claimed(directory: Path) -> Iterator[None]:
    """Lock the directory for this process. It is created with mode 0700.

    Raises `BlockingIOError` if another sandbox has the lock.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise BlockingIOError(f"another sandbox runs on {directory}") from error
    finally:
        os.close(descriptor)


def write_private(path: Path, value: object) -> None:
    """Replace a file atomically by JSON with mode 0600."""
    draft = path.with_suffix(".new")
    with open(draft, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(strict_json.dump(value))
    draft.replace(path)
