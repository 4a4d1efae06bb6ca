"""python trim.py SITE SERVICE…: leave of botocore's data, below the folder SITE, what these services' clients read.

A client reads its service's model and the list of all endpoints as it is made, and most of both is never looked at:
half of a cold start went into it. Kept is every operation and shape of the services; gone are other services,
what is written for people, and compression.
"""

from __future__ import annotations

import gzip
import json
import shutil
import sys
from pathlib import Path
from typing import Any

FOR_PEOPLE = ("examples-1.json", "examples-1.json.gz")


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
