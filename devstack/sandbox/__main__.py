"""`python -m devstack.sandbox --state-dir DIR`: serve until SIGTERM or SIGINT.

Prints one line, `{"url": …}`, when it answers.
"""

import argparse
import asyncio
import json
import signal
import sys
import time
import tomllib
from pathlib import Path

from devstack.sandbox.server import DEFAULT_PACE, Settings, serving


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m devstack.sandbox", description="The partners' APIs as one local server."
    )
    parser.add_argument("--state-dir", type=Path, required=True, help="where keys and secrets.json are kept")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--pace", type=float, default=DEFAULT_PACE, help="seconds a deal stays in one status")
    parser.add_argument("--partners", type=Path, help="a TOML file with further partners by name")
    given = parser.parse_args()
    try:
        further = tomllib.loads(given.partners.read_text(encoding="utf-8")) if given.partners else {}
        asyncio.run(_serve(Settings(given.state_dir, given.port, given.pace, time.time, further)))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"sandbox: {error}\n")
        return 1
    return 0


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serving(settings) as url:
        sys.stdout.write(json.dumps({"url": url}) + "\n")
        sys.stdout.flush()
        await stop.wait()


if __name__ == "__main__":
    sys.exit(main())
