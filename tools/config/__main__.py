"""The command: check the configuration, and optionally write the validated settings."""

import argparse
import sys
from pathlib import Path

from tools.config import WrongConfiguration, check, ship


def main(arguments: list[str] | None = None) -> int:
    """Print each error on a line and return 1, or return 0."""
    parser = argparse.ArgumentParser(prog="python -m tools.config", description="Check, and ship, config/.")
    parser.add_argument("config", type=Path, nargs="?", default=Path("config"), help="the folder of the TOML files")
    parser.add_argument("into", type=Path, nargs="?", help="where to write the validated settings of each environment")
    given = parser.parse_args(arguments)
    try:
        checked = ship(given.config.resolve(), given.into) if given.into else check(given.config.resolve())
    except WrongConfiguration as wrong:
        print(*wrong.problems, sep="\n", file=sys.stderr)
        return 1
    counts = ", ".join(f"{len(checked['prod'][table])} {table}" for table in ("sources", "partners"))
    print(f"config is right: {counts}, {len(checked)} environments")
    return 0


if __name__ == "__main__":
    sys.exit(main())
