"""Create data classes from code that the build has compiled.

`dataclasses` writes the methods of each class as text and compiles it at import. That took a seventh of a cold start's
instructions, more than half of it for the classes of libraries. The build runs all these texts once and ships their
code (`tools/dataclass_code.py`). A text that is not in the file is compiled as always, and so are all texts if the file
is missing or was written by another version of Python.
"""

from __future__ import annotations

import builtins
import dataclasses
import marshal
from hashlib import sha256
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import CodeType

FILE = Path(__file__).with_suffix(".bin")


def install(file: Path = FILE) -> None:
    """Let `dataclasses` run the shipped code of a text instead of the text. Code is read when its class is created."""
    if not (shipped := read(file)):
        return

    def run(text: str, *scopes: Any) -> None:
        code = shipped.get(key(text))
        builtins.exec(compiled(text) if code is None else marshal.loads(code), *scopes)  # noqa: S102, S302

    vars(dataclasses)["exec"] = run  # a module's own name is found before the built-in one


def read(file: Path) -> Mapping[bytes, bytes]:
    """Return the shipped code by the key of its text; empty if this Python cannot run it."""
    try:
        version, code = marshal.loads(file.read_bytes())  # noqa: S302 - it is a part of the layer, like its code
    except FileNotFoundError:
        return {}
    return code if version == MAGIC_NUMBER else {}


def write(file: Path, code: Mapping[str, CodeType]) -> None:
    """Write the code of texts, for `read` by the same version of Python."""
    file.write_bytes(marshal.dumps((MAGIC_NUMBER, {key(text): marshal.dumps(one) for text, one in code.items()})))


def compiled(text: str) -> CodeType:
    """Compile a text as `dataclasses` would, whose module has no `from __future__ import annotations`."""
    return compile(text, "<string>", "exec", dont_inherit=True)


def key(text: str) -> bytes:
    """Return the key of a text in the file."""
    return sha256(text.encode()).digest()
