"""python trim.py SITE SERVICE…: remove from the libraries below the folder SITE what a cold start reads in vain.

botocore: a client reads its service's model and the list of all endpoints, and most of both is never used: it took half
of a cold start. Every operation and shape of the services SERVICE… stays. Other services, documentation and
compression go.

pydantic_core: its module `core_schema` creates 80 types that only type checkers use, in a twentieth of a cold start.
They become plain classes.
"""

from __future__ import annotations

import gzip
import json
import shutil
import sys
from pathlib import Path
from typing import Any

FOR_PEOPLE = ("examples-1.json", "examples-1.json.gz")

IMPORTED = """else:
    from typing import TypedDict
"""
REPLACED = """else:

    class TypedDict(dict):
        def __init_subclass__(cls, *, total=True):
            pass

"""


def main(site: str, *services: str) -> None:
    """Trim the data in place."""
    data = Path(site) / "botocore" / "data"
    missing = set(services) - {folder.name for folder in data.iterdir() if folder.is_dir()}
    if missing:
        raise SystemExit(f"botocore has no data of {', '.join(sorted(missing))}")
    for folder in [folder for folder in data.iterdir() if folder.is_dir()]:
        if folder.name in services:
            trim_service(folder)
        else:
            shutil.rmtree(folder)
    endpoints = data / "endpoints.json"
    write(endpoints, of_services(json.loads(endpoints.read_bytes()), services))
    trim_types(Path(site) / "pydantic_core" / "core_schema.py")


def trim_types(file: Path) -> None:
    """Make each `TypedDict` of a module a plain class. The module itself uses them in annotations only."""
    text = file.read_text(encoding="utf-8")
    if text.count(IMPORTED) != 1:
        raise SystemExit(f"{file.name} does not import TypedDict as expected: adapt or remove `trim_types`")
    file.write_text(text.replace(IMPORTED, REPLACED), encoding="utf-8")


def trim_service(folder: Path) -> None:
    """Leave a service's newest version, without what is written for people, in plain JSON."""
    *older, newest = sorted(version for version in folder.iterdir() if version.is_dir())
    for version in older:
        shutil.rmtree(version)
    for file in sorted(newest.iterdir()):
        if file.name in FOR_PEOPLE:
            file.unlink()
        elif file.name.endswith(".json.gz"):
            write(file.with_suffix(""), undocumented(json.loads(gzip.decompress(file.read_bytes()))))
            file.unlink()


def undocumented(node: Any) -> Any:
    """A model without its documentation. A member of a shape that has that name is an object, and stays."""
    match node:
        case dict():
            kept = {name: one for name, one in node.items() if name != "documentation" or not isinstance(one, str)}
            return {name: undocumented(value) for name, value in kept.items()}
        case list():
            return [undocumented(value) for value in node]
        case _:
            return node


def of_services(endpoints: dict[str, Any], services: tuple[str, ...]) -> dict[str, Any]:
    """The list of endpoints without those of other services; every region stays."""
    partitions = [
        {**one, "services": {name: value for name, value in one["services"].items() if name in services}}
        for one in endpoints["partitions"]
    ]
    return {**endpoints, "partitions": partitions}


def write(file: Path, value: Any) -> None:
    """Write JSON without white space."""
    file.write_text(json.dumps(value, separators=(",", ":"), ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
