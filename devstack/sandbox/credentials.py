"""A simulated partner's credentials, stored in a file between runs."""

from __future__ import annotations

import hmac
import json
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devstack.sandbox import strict_json
from devstack.sandbox.state_dir import write_private

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class StoredCredentials[Values: DataclassInstance]:
    """`kind` is a dataclass. The default factory of each field generates a value."""

    values: Values

    def __init__(self, kind: type[Values], file: Path) -> None:
        self._file = file
        try:
            self.values = kind(**json.loads(file.read_bytes()))
        except FileNotFoundError:
            self._store(kind())

    def rotate(self, name: str) -> None:
        """Replace one value by a generated one."""
        factory: Any = next(each.default_factory for each in fields(self.values) if each.name == name)
        self.change(**{name: factory()})

    def change(self, **values: Any) -> None:
        self._store(replace(self.values, **values))

    def _store(self, values: Values) -> None:
        write_private(self._file, strict_json.dump(asdict(values)))
        self.values = values


def same(given: str, expected: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(given.encode(errors="surrogateescape"), expected.encode())
